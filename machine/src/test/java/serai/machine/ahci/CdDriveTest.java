package serai.machine.ahci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.ahci.AhciDriver.CI;
import static serai.machine.ahci.AhciDriver.IS;
import static serai.machine.ahci.AhciDriver.TFD;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.TestPc;
import serai.machine.disk.ArrayDisk;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskGate;

/** A CD-ROM drive, by the sections of MMC-6 (and SPC-3 where it says so). */
class CdDriveTest {
    /** Blocks of 2048 bytes, and half of one. */
    private static final int BLOCKS = 100;

    private final ArrayDisk iso = new ArrayDisk("iso", BLOCKS * 4 + 2);
    private final CdDrive drive = new CdDrive("cd-serial", iso);
    private final AhciFixture f = new AhciFixture(drive).start();
    private final AhciDriver d = f.driver;
    private final List<Boolean> moved = new ArrayList<>();

    @BeforeEach
    void drivesAttention() {
        drive.onMoved(moved::add);
        new Random(1).nextBytes(iso.bytes);
        assertEquals("6 2900", check(0), "it was reset");
        assertEquals("", check(0));
    }

    /** Sense key, code and qualifier of a command that is refused, or "" of one that is not. */
    private String check(int... packet) {
        d.packet(0, 4096, packet);
        int tfd = f.finish();
        if (tfd == 0x50) {
            assertEquals(0, d.port(0, CI));
            return "";
        }
        int key = tfd >>> 12;
        assertEquals(0x51, tfd & 0xff);
        d.start(0);
        byte[] b = reply(18, 3, 0, 0, 0, 18);
        assertEquals(0x70, b[0]);
        assertEquals(key, b[2]);
        return "%x %02x%02x".formatted(key, b[12], b[13]);
    }

    /** The first so many bytes of what a command replies. */
    private byte[] reply(int bytes, int... packet) {
        f.memory.zero(d.data(0), 4096);
        d.packet(0, 4096, packet);
        assertEquals(0x50, f.finish(), Arrays.toString(packet));
        assertTrue(d.transferred(0) >= bytes, () -> "only " + d.transferred(0));
        return f.memory.read(d.data(0), bytes);
    }

    private String hex(int bytes, int... packet) {
        return HexFormat.ofDelimiter(" ").formatHex(reply(bytes, packet));
    }

    // ---- ATA ----

    @Test
    void identify_isForPackets() {
        d.command(0, 0, 0xec, 0, 0, 0, 512);
        assertEquals(0x451, f.finish(), "not a disk");
        assertEquals(0xeb1401, f.memory.readInt(d.fis(0, 0x44)) & 0xffffff);
        d.start(0);
        d.command(0, 0, 0xa1, 0, 0, 0, 512);
        assertEquals(0x50, f.finish());
        assertEquals(0x85c0, f.memory.readShort(d.data(0)));
        assertEquals("dcs-reail", text(20).strip().replace(" ", ""), "a character before the other");
        d.command(0, 0, 0xef, 0, 0x42, 3, 0);
        assertEquals(0x50, f.finish());
        d.command(0, 0, 8, 0, 0, 0, 0);
        assertEquals(0x100, f.finish(), "a reset of the device");
        d.command(0, 0, 0x25, 0, 1, 0, 512);
        assertEquals(0x451, f.finish());
    }

    private String text(int at) {
        return new String(f.memory.read(d.data(0) + at, 20), StandardCharsets.US_ASCII);
    }

    // ---- the medium's data ----

    @ParameterizedTest
    @CsvSource({"28, false", "a8, false", "be, false", "28, true"})
    void read_blocks(String opcode, boolean pio) {
        int op = Integer.parseInt(opcode, 16);
        int[] packet = {op, 0, 0, 0, 0, 5, 0, 0, op == 0x28 ? 2 : 0, op == 0xa8 ? 2 : 0, 0, 0};
        if (op == 0xbe) {
            packet[8] = 2;
            packet[9] = 0x10;
        }
        d.putPacket(0, 0, 4096, packet);
        if (pio) {
            f.memory.writeByte(d.table(0, 0) + 3, 0);
        }
        d.issue(0, 1, false);
        assertEquals(0xd0, d.port(0, TFD), "under way");
        assertEquals(0x50, f.finish());
        assertArrayEquals(Arrays.copyOfRange(iso.bytes, 5 * 2048, 7 * 2048), f.memory.read(d.data(0), 4096));
        assertEquals(4096, d.transferred(0));
        assertEquals(3, f.memory.readByte(d.fis(0, 0x4c)), "complete");
        assertEquals(pio ? 3 : 1, d.port(0, IS));
    }

    @ParameterizedTest
    @CsvSource({
        "28 00 00000063 00 0001, ''",
        "28 00 00000064 00 0001, 5 2100",
        "28 00 00000063 00 0002, 5 2100",
        "28 00 ffffffff 00 ffff, 5 2100",
        "a8 00 00000000 ffffffff, 5 2100",
        "28 00 00000000 00 0003, 5 2400", // no room for so many
        "28 00 00000063 00 0000, ''",
        "2b 00 00000063, ''",
        "2b 00 00000064, 5 2100",
        "be 00 00000000 000001 f8, 5 2400", // raw
        "be 04 00000000 000001 10, 5 2400", // audio
        "be 00 00000000 000001 00, ''", // nothing of it
        "12 01, 5 2400",
        "12 00 80, 5 2400",
        "5a 00 c1, 5 3900",
        "5a 00 07, 5 2400",
        "43 00 05, 5 2400",
        "43 00 00 000000 02, 5 2400", // from track 2
        "46 03, 5 2400",
        "4a 00 00 00 10, 5 2400", // without polling
        "51 01, 5 2400",
        "52 00 00000064, 5 2400",
        "52 01 00000002, 5 2400",
        "ad 00, 5 3002", // a CD is no DVD
        "bb, ''",
        "ff, 5 2000",
        "2a 00 00000000 00 0001, 5 2000", // WRITE (10)
    })
    void whatIsWrong_isSaid(String packet, String sense) {
        byte[] b = HexFormat.of().parseHex(packet.replace(" ", ""));
        int[] p = new int[b.length];
        for (int i = 0; i < p.length; i++) {
            p[i] = b[i] & 0xff;
        }
        assertEquals(sense, check(p));
    }

    @Test
    void aMediumThatCantBeRead() {
        iso.failing = true;
        assertEquals("3 1100", check(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
        iso.failing = false;
        assertEquals("", check(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
    }

    // ---- what it tells ----

    @Test
    void inquiry() {
        byte[] b = reply(36, 0x12, 0, 0, 0, 36);
        assertEquals("05 80 05 02 1f", HexFormat.ofDelimiter(" ").formatHex(b, 0, 5));
        assertEquals("SERAI   CD-ROM          1.0 ", new String(b, 8, 28, StandardCharsets.US_ASCII));
        reply(5, 0x12, 0, 0, 0, 5);
        assertEquals(5, d.transferred(0), "as much as is asked for");
    }

    @Test
    void capacityAndTableOfContents() {
        assertEquals("00 00 00 63 00 00 08 00", hex(8, 0x25), "half a block is none");
        assertEquals(
                "00 12 01 01 00 14 01 00 00 00 00 00 00 14 aa 00 00 00 00 64", hex(20, 0x43, 0, 0, 0, 0, 0, 0, 0, 100));
        assertEquals("00 0a 01 01 00 14 aa 00 00 00 03 19", hex(12, 0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100), "250 frames");
        assertEquals("00 0a 01 01 00 14 01 00 00 00 00 00", hex(12, 0x43, 0, 1, 0, 0, 0, 0, 0, 100), "sessions");
        assertEquals("00 0a 01 01 00 14 01 00 00 00 00 00", hex(12, 0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40));
        assertEquals(
                "00 2e 01 01 01 14 00 a0 00 00 00 00 01 00 00", hex(15, 0x43, 0, 2, 0, 0, 0, 0, 0, 100), "in full");
        assertEquals(48, d.transferred(0));
    }

    @Test
    void discAndTrack() {
        assertEquals("00 20 0e 01 01 01 01 20", hex(8, 0x51, 0, 0, 0, 0, 0, 0, 0, 34));
        for (int[] asked : new int[][] {{0, 0}, {1, 1}, {2, 1}}) {
            byte[] b = reply(36, 0x52, asked[0], 0, 0, 0, asked[1], 0, 0, 36);
            assertEquals(34, b[1]);
            assertEquals(4, b[5]);
            assertEquals(100, b[27]);
        }
    }

    @Test
    void modePages() {
        assertEquals("00 0e 00 00 00 00 00 00 01 06 00 05", hex(12, 0x5a, 0, 1, 0, 0, 0, 0, 0, 100));
        byte[] b = reply(30, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100);
        assertEquals("2a 14 0b 00 70 00 29", HexFormat.ofDelimiter(" ").formatHex(b, 8, 15));
        assertEquals("", check(0x1e, 0, 0, 0, 1));
        assertEquals(0x2b, reply(15, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100)[14], "locked");
        reply(38, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 100);
        assertEquals(
                "2a 14 00 00 00",
                HexFormat.ofDelimiter(" ").formatHex(reply(13, 0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 99), 8, 13));
    }

    @Test
    void configuration() {
        byte[] b = reply(16, 0x46, 0, 0, 0, 0, 0, 0, 1, 0);
        int whole = d.transferred(0);
        assertEquals(whole - 4, b[3]);
        assertEquals("00 08", HexFormat.ofDelimiter(" ").formatHex(b, 6, 8), "a CD");
        assertEquals("00 00 00 0c 00 00 00 08 00 03 03 04 39 00 00 00", hex(16, 0x46, 2, 0, 3, 0, 0, 0, 1, 0));
        assertEquals(
                "00 00 00 0c 00 00 00 08 01 00 03 00 01 05 03 00",
                hex(16, 0x46, 1, 1, 0, 0, 0, 0, 1, 0),
                "from 100 on");
        reply(8, 0x46, 1, 0, 0, 0, 0, 0, 1, 0);
        assertEquals(whole - 4, d.transferred(0), "all but DVD read is current");
        drive.open(false);
        assertEquals("00 00", HexFormat.ofDelimiter(" ").formatHex(reply(8, 0x46, 0, 0, 0, 0, 0, 0, 1, 0), 6, 8));
    }

    /** A medium whose failed reads are held. */
    private static final class Held implements Disk, DiskGate {
        final ArrayDisk disk = new ArrayDisk("held", 400);
        final List<String> seen = new ArrayList<>();
        Runnable retry = () -> {};

        @Override
        public long sectors() {
            return disk.sectors();
        }

        @Override
        public boolean readOnly() {
            return true;
        }

        @Override
        public String id() {
            return "held";
        }

        @Override
        public void read(long offset, long host, int length) throws IOException {
            disk.read(offset, host, length);
        }

        @Override
        public void write(long offset, long host, int length) {}

        @Override
        public void flush() {}

        @Override
        public void discard(long offset, long length) {}

        @Override
        public void zero(long offset, long length, boolean mayFree) {}

        @Override
        public DiskGate gate() {
            return this;
        }

        @Override
        public Runnable admit(Demand demand, Runnable begin) {
            seen.add(demand.kind() + " " + demand.bytes());
            begin.run();
            return () -> {};
        }

        @Override
        public void began(Object request, Demand demand) {
            seen.add("began");
        }

        @Override
        public void ended(Object request) {
            seen.add("ended");
        }

        @Override
        public Verdict failed(Object request, Demand demand, IOException failure) {
            seen.add("failed");
            return Verdict.HOLD;
        }

        @Override
        public void settled(Object request) {
            seen.add("settled");
        }

        @Override
        public void onRetry(Runnable action) {
            retry = action;
        }
    }

    @Test
    void theMediumsGate_holdsWhatFails() {
        Held held = new Held();
        change(held);
        assertEquals("6 2800", check(0));
        held.disk.failing = true;
        int[] read = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
        d.packet(0, 2048, read);
        assertEquals(0xd0, f.finish(), "still under way");
        held.disk.failing = false;
        held.retry.run();
        assertEquals(0x50, f.finish());
        assertEquals(List.of("READ 2048", "began", "ended", "failed", "began", "ended", "settled"), held.seen);
        held.seen.clear();
        held.disk.failing = true;
        d.packet(0, 2048, read);
        f.finish();
        drive.open(false);
        drive.remove();
        assertEquals(0x2051, d.port(0, TFD));
        assertEquals(List.of("READ 2048", "began", "ended", "failed", "settled"), held.seen);
    }

    private record Large(long sectors) implements Disk {
        @Override
        public boolean readOnly() {
            return true;
        }

        @Override
        public String id() {
            return "large";
        }

        @Override
        public void read(long offset, long host, int length) {}

        @Override
        public void write(long offset, long host, int length) {}

        @Override
        public void flush() {}

        @Override
        public void discard(long offset, long length) {}

        @Override
        public void zero(long offset, long length, boolean mayFree) {}
    }

    private void change(@Nullable Disk disk) {
        drive.open(false);
        drive.remove();
        if (disk != null) {
            drive.insert(disk);
        }
        drive.close();
    }

    @Test
    void whatDoesNotFitOnACd_isADvd() {
        change(new Large(360_001 * 4L));
        assertEquals("6 2800", check(0));
        assertEquals("00 10", HexFormat.ofDelimiter(" ").formatHex(reply(8, 0x46, 0, 0, 0, 0, 0, 0, 1, 0), 6, 8));
        byte[] b = reply(2052, 0xad, 0, 0, 0, 0, 0, 0, 0, 16, 0);
        assertEquals(
                "08 02 00 00 01 0f 01 00 00 03 00 00 00 08 7e 40",
                HexFormat.ofDelimiter(" ").formatHex(b, 0, 16));
        assertEquals("00 06 00 00", hex(4, 0xad, 0, 0, 0, 0, 0, 0, 1, 0, 8));
        assertEquals("5 2400", check(0xad, 0, 0, 0, 0, 0, 0, 4, 0, 8));
        change(new Large(CdDrive.MAX_BLOCKS * 4));
        assertEquals("6 2800", check(0));
        assertEquals("ff ff ff fe 00 00 08 00", hex(8, 0x25));
        assertEquals("5 2400", check(0xa8, 0, 0, 0, 0, 0, 0xff, 0, 0, 0), "more than one command may have");
        assertEquals(
                "00 ff 3b 4a", HexFormat.ofDelimiter(" ").formatHex(reply(20, 0x43, 2, 0, 0, 0, 0, 0, 0, 99), 16, 20));
    }

    // ---- the tray ----

    private static final int[] EVENT = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};

    @Test
    void theHostChangesTheMedium_andTheGuestFindsOut() {
        ArrayDisk other = new ArrayDisk("other", 400);
        Arrays.fill(other.bytes, (byte) 7);
        assertEquals("00 06 04 10 00 02 00 00", hex(8, EVENT));
        assertThrows(IllegalStateException.class, drive::remove);
        assertTrue(drive.open(false));
        assertTrue(drive.open(false), "is open");
        assertEquals("00 06 04 10 03 01 00 00", hex(8, EVENT), "removed, and open");
        assertEquals("00 06 04 10 00 01 00 00", hex(8, EVENT), "told once");
        assertEquals("2 3a02", check(0));
        assertEquals("2 3a02", check(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
        assertEquals("00 10", hex(2, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8));
        assertThrows(IllegalStateException.class, () -> drive.insert(other));
        drive.remove();
        drive.close();
        assertEquals("2 3a01", check(0));
        assertEquals("00 06 04 10 00 00 00 00", hex(8, EVENT));
        drive.open(false);
        drive.insert(other);
        drive.close();
        assertEquals("00 06 04 10 02 02 00 00", hex(8, EVENT), "a new one");
        assertEquals("6 2800", check(0));
        assertEquals("", check(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
        assertEquals(7, f.memory.readByte(d.data(0)));
        assertEquals(List.of(true, false, true, false), moved);
    }

    @Test
    void otherEvents_areNone() {
        assertEquals("00 02 80 10", hex(4, 0x4a, 1, 0, 0, 4, 0, 0, 0, 8));
        drive.open(false);
        assertEquals("00 06 04 10", hex(4, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4), "the header alone …");
        assertEquals("00 06 04 10 03 01 00 00", hex(8, EVENT), "… tells no event");
    }

    @Test
    void theGuestLocksTheTray_andIsAskedToOpenIt() {
        assertEquals("", check(0x1e, 0, 0, 0, 1));
        assertTrue(drive.isLocked());
        assertFalse(drive.open(false));
        assertFalse(drive.isOpen());
        assertEquals("5 5302", check(0x1b, 0, 0, 0, 2), "not by itself either");
        assertEquals("00 06 04 10 01 02 00 00", hex(8, EVENT), "an eject request");
        assertEquals("", check(0x1e, 0, 0, 0, 0));
        assertEquals("", check(0x1b, 0, 0, 0, 2));
        assertTrue(drive.isOpen());
        assertTrue(drive.hasMedium());
        assertEquals("", check(0x1b, 0, 0, 0, 0), "stopped, and no more");
        assertEquals("", check(0x1b, 0, 0, 0, 3));
        assertFalse(drive.isOpen());
        assertEquals("6 2800", check(0));
        assertEquals("", check(0x1e, 0, 0, 0, 1));
        assertTrue(drive.open(true));
        assertFalse(drive.isLocked());
        assertEquals(List.of(true, false, true), moved);
    }

    @Test
    void openingTheTray_endsWhatIsRead() {
        d.packet(0, 2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        drive.open(false);
        assertEquals(0x2051, d.port(0, TFD));
        assertEquals(1 << 30, d.port(0, IS) & 1 << 30);
        f.io.doAll();
        assertEquals(0, d.transferred(0));
        d.start(0);
        assertEquals(
                "023a02",
                HexFormat.of().formatHex(reply(14, 3, 0, 0, 0, 18), 2, 3)
                        + HexFormat.of().formatHex(f.memory.read(d.data(0) + 12, 2)));
    }

    @Test
    void aReset_opensTheLock_andLeavesTheTray() {
        check(0x1e, 0, 0, 0, 1);
        f.ahci.reset();
        assertFalse(drive.isLocked());
        drive.open(false);
        f.ahci.reset();
        assertTrue(drive.isOpen());
    }

    @Test
    void saveAndRestore() {
        check(0x1e, 0, 0, 0, 1);
        drive.open(false);
        AhciState locked = f.ahci.save();
        drive.open(true);
        AhciState open = f.ahci.save();
        drive.remove();
        AhciState empty = f.ahci.save();
        for (AhciState s : List.of(locked, open, empty)) {
            CdDrive other = new CdDrive("cd-serial", iso);
            AhciFixture copy = new AhciFixture(f.memory, other);
            copy.ahci.restore(s);
            assertEquals(TestPc.text(s), TestPc.text(copy.ahci.save()));
            assertEquals(s != locked, other.isOpen());
            assertEquals(s == locked, other.isLocked());
            assertEquals(s != empty, other.hasMedium());
        }
        assertFalse(f.ahci.fits(open), "its medium is gone");
        assertTrue(f.ahci.fits(empty));
        AhciFixture without = new AhciFixture(new CdDrive("cd-serial", null));
        without.ahci.restore(empty);
        assertThrows(IllegalArgumentException.class, () -> without.ahci.restore(open));
    }
}
