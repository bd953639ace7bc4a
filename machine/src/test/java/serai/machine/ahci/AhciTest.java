package serai.machine.ahci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.ahci.AhciDriver.CI;
import static serai.machine.ahci.AhciDriver.CMD;
import static serai.machine.ahci.AhciDriver.IE;
import static serai.machine.ahci.AhciDriver.IS;
import static serai.machine.ahci.AhciDriver.SACT;
import static serai.machine.ahci.AhciDriver.SCTL;
import static serai.machine.ahci.AhciDriver.SERR;
import static serai.machine.ahci.AhciDriver.SIG;
import static serai.machine.ahci.AhciDriver.SSTS;
import static serai.machine.ahci.AhciDriver.TFD;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.TestPc;
import serai.machine.disk.ArrayDisk;

/** The adapter and its ports, by the sections of AHCI 1.3.1. */
class AhciTest {
    private static final int READ_DMA_EXT = 0x25, HBFS = 1 << 29, IFS = 1 << 27, TFES = 1 << 30;

    private final ArrayDisk disk = new ArrayDisk("serial-1", 4096);
    private final ArrayDisk iso = new ArrayDisk("iso", 400);
    private final AhciFixture f = new AhciFixture(new AtaDisk(disk), new CdDrive("cd-1", iso));
    private final AhciDriver d = f.driver;

    @Test
    void s3_1_globalRegisters() {
        assertEquals(0xc1348000 | 31 << 8 | 7, d.register(0), "64 bits, queuing, CLO, Gen 3, AHCI alone, 8 ports");
        assertEquals(0x80000000, d.register(4));
        assertEquals(3, d.register(0xc), "two ports with devices");
        assertEquals(0x10301, d.register(0x10));
        d.register(4, 2);
        assertEquals(0x80000002, d.register(4));
        assertEquals(0, d.port(2, SSTS), "not implemented");
    }

    @Test
    void s10_1_2_afterPowerOn_theDeviceTellsWhoItIs() {
        assertEquals(0x133, d.port(0, SSTS));
        assertEquals(0x101, d.port(0, SIG));
        assertEquals(0xeb140101, d.port(1, SIG));
        assertEquals(0x150, d.port(0, TFD));
        assertEquals(0x100, d.port(1, TFD));
        assertEquals(0x4010000, d.port(0, SERR), "connected");
        assertEquals(0x400040, d.port(0, IS));
        assertEquals(6, d.port(0, CMD), "spun up, powered");
        f.start();
        assertEquals(0, d.port(0, IS));
        assertEquals(0xc017, d.port(0, CMD));
        assertArrayEquals(
                new byte[] {0x34, 0, 0x50, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1},
                f.memory.read(d.fis(0, 0x40), 13),
                "as soon as it may be written");
        assertArrayEquals(
                new byte[] {0x34, 0, 0, 1, 1, 0x14, (byte) 0xeb, 0, 0, 0, 0, 0, 1}, f.memory.read(d.fis(1, 0x40), 13));
    }

    @Test
    void s10_4_2_aResetOfTheCable() {
        f.start();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        assertEquals(0xd0, d.port(0, TFD) & 0xff, "busy");
        f.memory.zero(d.fis(0, 0), 256);
        d.port(0, SCTL, 1);
        assertEquals(0, d.port(0, SSTS));
        assertEquals(0x7f, d.port(0, TFD));
        d.port(0, SCTL, 0);
        assertEquals(0x133, d.port(0, SSTS));
        assertEquals(0x150, d.port(0, TFD));
        assertEquals(0x34, f.memory.readByte(d.fis(0, 0x40)));
        assertEquals(0, d.port(0, CI));
        assertEquals(0x400040, d.port(0, IS) & 0x400040);
        f.io.doAll();
        assertEquals(0, d.transferred(0), "the command is gone");
        d.port(0, SCTL, 4);
        assertEquals(4, d.port(0, SSTS), "off");
        d.port(0, CI, 1);
        assertTrue(f.io.isEmpty());
    }

    @Test
    void s10_4_1_aSoftReset() {
        f.start();
        for (int slot = 0; slot < 2; slot++) {
            d.put(1, slot, slot == 0 ? AhciDriver.CLEAR_BUSY : 0, 0, 0, 0, 0, 0);
            f.memory.writeByte(d.table(1, slot) + 1, 0); // no command, but device control
            f.memory.writeByte(d.table(1, slot) + 15, slot == 0 ? 4 : 0);
        }
        f.memory.zero(d.fis(1, 0), 256);
        d.issue(1, 1, false);
        assertEquals(0, d.port(1, CI));
        assertEquals(0, f.memory.readByte(d.fis(1, 0x40)), "not yet");
        d.issue(1, 2, false);
        assertEquals(0, d.port(1, CI));
        assertEquals(0x100, d.port(1, TFD));
        assertEquals(0xeb1401, f.memory.readInt(d.fis(1, 0x44)));
    }

    @Test
    void s10_4_3_aResetOfTheAdapter_keepsAddresses() {
        f.start();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        int list = d.port(0, 0);
        d.register(4, 3);
        assertEquals(0x80000000, d.register(4));
        assertEquals(list, d.port(0, 0));
        assertEquals(6, d.port(0, CMD));
        assertEquals(0, d.port(0, CI));
        assertEquals(0, d.port(0, IE));
        f.io.doAll();
        assertEquals(0, d.transferred(0));
    }

    @Test
    void s5_5_commandsInTurn_fromTheOneBehindTheLast() {
        f.start();
        for (int slot = 0; slot < 4; slot++) {
            d.put(0, slot, 0, READ_DMA_EXT, slot, 1, 0, new long[][] {{d.data(0) + slot * 512, 512}});
            disk.bytes[slot * 512] = (byte) (1 + slot);
        }
        d.issue(0, 0b1010, false);
        assertEquals(1, f.io.size(), "one after the other");
        assertEquals(1, d.port(0, CMD) >>> 8 & 0x1f);
        d.issue(0, 0b0101, false);
        f.io.doOne();
        assertEquals(0b1101, d.port(0, CI));
        assertEquals(2, d.port(0, CMD) >>> 8 & 0x1f, "slot 2 is next to 1");
        f.io.doAll();
        assertEquals(0, d.port(0, CI));
        for (int slot = 0; slot < 4; slot++) {
            assertEquals(1 + slot, f.memory.readByte(d.data(0) + slot * 512));
        }
    }

    @Test
    void s5_5_3_queuedCommands_togetherAndDoneByTheirTags() {
        f.start();
        for (int slot = 0; slot < 3; slot++) {
            d.put(0, slot, 0, 0x60, slot, slot << 3, 1, new long[][] {{d.data(0) + slot * 512, 512}});
            disk.bytes[slot * 512] = (byte) (1 + slot);
        }
        d.issue(0, 7, true);
        assertEquals(3, f.io.size());
        assertEquals(0, d.port(0, CI), "the device has them");
        assertEquals(7, d.port(0, SACT));
        f.io.doOne();
        assertEquals(6, d.port(0, SACT));
        assertEquals(8, d.port(0, IS));
        assertArrayEquals(new byte[] {(byte) 0xa1, 0x40, 0x50, 0, 1, 0, 0, 0}, f.memory.read(d.fis(0, 0x58), 8));
        d.issue(0, 1, true);
        f.io.doAll();
        assertEquals(0, d.port(0, SACT));
        assertEquals(3, f.memory.readByte(d.data(0) + 1024));
    }

    /** What a driver must not do with queued commands ends in an abort: a tag that is not the slot, one not in PxSACT, one twice, others beside. */
    @ParameterizedTest
    @CsvSource({"1, false, true", "0, false, false", "0, true, true"})
    void queuedCommands_thatCantBe(int tag, boolean twice, boolean announced) {
        f.start();
        d.put(0, 0, 0, 0x60, 0, tag << 3, 1, 512);
        d.issue(0, 1, announced);
        if (twice) {
            d.issue(0, 1, true);
        }
        assertEquals(0x451, d.port(0, TFD));
        assertEquals(TFES, d.port(0, IS) & TFES);
        f.io.doAll();
        assertEquals(announced ? 1 : 0, d.port(0, SACT), "which it is not told to be done");
        d.start(0);
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        assertEquals(0x50, f.finish());
    }

    @Test
    void queuedAndOtherCommands_endEachOther() {
        f.start();
        d.putQueued(0, 0, false, 0, 1);
        d.issue(0, 1, true);
        d.put(0, 1, 0, READ_DMA_EXT, 0, 1, 0, 512);
        d.issue(0, 2, false);
        assertEquals(0x451, d.port(0, TFD));
        assertEquals(1, d.port(0, SACT));
        assertEquals(2, d.port(0, CI));
    }

    @Test
    void s6_2_2_1_anError_stopsTheListUntilItIsStartedAnew() {
        f.start();
        disk.failing = true;
        d.put(0, 0, 0, READ_DMA_EXT, 7, 1, 0, 512);
        d.put(0, 1, 0, READ_DMA_EXT, 0, 1, 0, 512);
        d.issue(0, 3, false);
        assertEquals(0x4051, f.finish());
        assertEquals(3, d.port(0, CI));
        assertEquals(TFES | 1, d.port(0, IS));
        assertEquals(0, d.port(0, CMD) >>> 8 & 0x1f, "where to look");
        assertEquals(7, f.memory.readInt(d.fis(0, 0x44)) & 0xffffff);
        assertTrue(f.io.isEmpty());
        disk.failing = false;
        d.start(0);
        assertEquals(0, d.port(0, CI));
        d.issue(0, 2, false);
        assertEquals(0x50, f.finish());
    }

    /** What is wrong, and which interrupt tells it. */
    @ParameterizedTest
    @CsvSource({
        "0, 4, IFS", // a FIS of 4 double words
        "0, 0x10005, 0", // sound
        "0, 0x10205, IFS", // a built-in test
        "0, 0x3005, IFS", // a port multiplier's
        "0, 0x8010005, IFS", // 2049 buffers
        "8, 0x7ffff000, HBFS", // a table outside RAM
    })
    void commandsThatAreNone_stopThePort(int at, int value, String interrupt) {
        f.start();
        d.put(0, 0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.memory.writeInt(d.header(0, 0) + at, value);
        d.issue(0, 1, false);
        int expected = interrupt.equals("IFS") ? IFS : interrupt.equals("HBFS") ? HBFS : 0;
        assertEquals(expected, d.port(0, IS) & (IFS | HBFS));
        assertEquals(expected == 0 ? 1 : 0, f.io.size());
        f.io.doAll();
        d.put(0, 1, 0, READ_DMA_EXT, 0, 1, 0, 512);
        d.issue(0, 2, false);
        assertEquals(expected == 0 ? 1 : 0, f.io.size(), "stopped");
        f.io.doAll();
        d.start(0);
        d.issue(0, 2, false);
        assertEquals(0x50, f.finish());
    }

    @Test
    void aFisOfAnotherType_stopsThePort() {
        f.start();
        d.put(0, 0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.memory.writeByte(d.table(0, 0), 0x46);
        d.issue(0, 1, false);
        assertEquals(IFS, d.port(0, IS));
    }

    @Test
    void buffersAndReceiveAreaOutsideRam_stopThePort() {
        f.start();
        d.put(0, 0, 0, READ_DMA_EXT, 0, 1, 0, new long[][] {{0x7ffff000L, 512}});
        d.issue(0, 1, false);
        assertEquals(HBFS, d.port(0, IS));
        d.start(0);
        d.port(0, AhciDriver.FB, 0x7ffff000);
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.io.doAll();
        assertEquals(HBFS, d.port(0, IS));
    }

    @Test
    void tooSmallBuffers_areAnOverflow() {
        f.start();
        d.put(0, 0, 0, READ_DMA_EXT, 0, 2, 0, 1000);
        d.issue(0, 1, false);
        assertEquals(0x451, d.port(0, TFD));
        assertEquals(1 << 24, d.port(0, IS) & 1 << 24);
    }

    @Test
    void s10_3_2_stoppingTheList_endsWhatIsUnderWay() {
        f.start();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        d.port(0, CMD, 0x10);
        assertEquals(0, d.port(0, CI));
        assertEquals(0x4016, d.port(0, CMD));
        f.io.doAll();
        assertEquals(0, d.port(0, IS));
        d.port(0, CI, 1);
        assertEquals(0, d.port(0, CI), "which is not written while it does not run");
        d.port(0, CMD, 0x11);
        d.port(0, CMD, 1);
        assertEquals(0xc017, d.port(0, CMD), "FRE stays while the list runs");
    }

    // ---- interrupts ----

    @Test
    void s10_7_1_theLine_isHighAsLongAsABitIsSet() {
        f.start();
        f.line.clear();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.finish();
        assertEquals(true, f.line.getLast());
        assertEquals(1, d.register(8));
        d.register(8, 1);
        assertEquals(1, d.register(8), "the port's is not cleared");
        d.port(0, IS, -1);
        assertEquals(true, f.line.getLast());
        d.register(8, 1);
        assertEquals(false, f.line.getLast());
        assertEquals(0, d.register(8));
        d.port(0, IE, 0);
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.finish();
        assertEquals(0, d.register(8), "not enabled");
        d.register(4, 0);
        d.port(0, IE, 1);
        assertEquals(1, d.register(8));
        assertEquals(false, f.line.getLast(), "not enabled in GHC");
        d.register(4, 2);
        assertEquals(true, f.line.getLast());
    }

    private void enableMessages() {
        f.config(0x44, 0xfee00000);
        f.config(0x4c, 0x31);
        f.config(0x40, 1 << 16);
    }

    @Test
    void s10_7_2_aMessage_forEachBitThatIsSet() {
        assertEquals(0x800005, f.read(0x40), "MSI with 64 bits, one message");
        f.start();
        enableMessages();
        f.line.clear();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.finish();
        assertEquals(List.of(0x31), f.messages);
        assertFalse(f.line.contains(true));
        d.packet(1, 0, 0, 0, 0, 0, 0, 0);
        assertEquals(List.of(0x31, 0x31), f.messages, "of the other port");
        d.port(0, IS, -1);
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.finish();
        assertEquals(2, f.messages.size(), "its bit in IS has not been cleared");
        d.register(8, 1);
        assertEquals(3, f.messages.size(), "so it is set anew");
        f.config(4, 2);
        f.config(4, 6);
        assertEquals(4, f.messages.size(), "what may have been missed");
    }

    @Test
    void withoutBusMastering_nothingIsReadOrWritten() {
        f.start();
        disk.bytes[0] = 42;
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        f.config(4, 2);
        f.io.doAll();
        assertEquals(1, d.port(0, CI));
        d.put(0, 1, 0, READ_DMA_EXT, 0, 1, 0, 512);
        d.issue(0, 2, false);
        assertTrue(f.io.isEmpty());
        f.config(4, 6);
        assertEquals(2, d.port(0, CI), "the first waited");
        assertEquals(1, f.io.size(), "and so did the second");
        f.io.doAll();
        assertEquals(0, d.port(0, CI));
        assertEquals(42, f.memory.readByte(d.data(0)));
    }

    // ---- state ----

    private AhciFixture copy() {
        AhciFixture copy = new AhciFixture(f.memory, new AtaDisk(disk), new CdDrive("cd-1", iso));
        copy.ahci.restore(f.ahci.save());
        return copy;
    }

    @Test
    void saveInTheMiddle_aNewAdapterDoesTheCommandsAgain() {
        f.start();
        Arrays.fill(disk.bytes, 512, 1536, (byte) 42);
        Arrays.fill(iso.bytes, 0, 2048, (byte) 43);
        d.packet(1, 0, 0); // takes the news of the reset
        d.start(1);
        d.packet(1, 2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        for (int slot = 1; slot < 3; slot++) {
            d.put(0, slot, 0, 0x60, slot, slot << 3, 1, new long[][] {{d.data(0) + slot * 512, 512}});
        }
        d.issue(0, 6, true);
        enableMessages();
        AhciFixture second = copy();
        assertEquals(TestPc.text(f.ahci.save()), TestPc.text(second.ahci.save()));
        assertEquals(3, second.io.size());
        // whatever the driver does to its tables meanwhile
        f.memory.zero(d.table(0, 0), 0x800);
        second.io.doAll();
        assertEquals(0, second.driver.port(0, SACT));
        assertEquals(0, second.driver.port(1, CI));
        assertEquals(42, f.memory.readByte(d.data(0) + 1024));
        assertEquals(43, f.memory.readByte(d.data(1) + 2047));
        assertEquals(List.of(0x31, 0x31), second.messages, "one a port");
    }

    @Test
    void saveInTheMiddle_ofAnErrorAndASoftReset() {
        f.start();
        disk.failing = true;
        d.putQueued(0, 3, true, 9, 1);
        d.issue(0, 8, true);
        f.finish();
        d.put(1, 0, AhciDriver.CLEAR_BUSY, 0, 0, 0, 0, 0);
        f.memory.writeByte(d.table(1, 0) + 1, 0);
        f.memory.writeByte(d.table(1, 0) + 15, 4);
        d.issue(1, 1, false);
        AhciFixture second = copy();
        assertEquals(TestPc.text(f.ahci.save()), TestPc.text(second.ahci.save()));
        second.driver.start(0);
        second.driver.command(0, 0, 0x2f, 0x10, 1, 0, 512);
        assertEquals(3, f.memory.readByte(d.data(0)), "the tag that failed");
        f.memory.writeByte(d.table(1, 0) + 15, 0);
        second.driver.issue(1, 1, false);
        assertEquals(0x100, second.driver.port(1, TFD));
    }

    @Test
    void restore_refusesWhatCanNotBe() {
        f.start();
        d.command(0, 0, READ_DMA_EXT, 0, 1, 0, 512);
        AhciState s = f.ahci.save();
        AhciState.Port p = s.ports().getFirst();
        long[] cut = Arrays.copyOf(p.commands(), p.commands().length - 1);
        long[] twice = Arrays.copyOf(p.commands(), p.commands().length * 2);
        System.arraycopy(p.commands(), 0, twice, p.commands().length, p.commands().length);
        long[] slot = p.commands().clone();
        slot[1] = 32;
        long[] length = p.commands().clone();
        length[length.length - 1] = 1L << 40;
        for (long[] commands : List.of(cut, twice, slot, length)) {
            assertThrows(IllegalArgumentException.class, () -> f.ahci.restore(with(s, port(p, 0, commands))));
        }
        assertThrows(IllegalArgumentException.class, () -> f.ahci.restore(with(s, port(p, 1, p.commands()))));
        assertThrows(IllegalArgumentException.class, () -> f.ahci.restore(with(s, port(p, 7, p.commands()))));
        assertThrows(
                IllegalArgumentException.class,
                () -> new AhciFixture(new AtaDisk(disk)).ahci.restore(s),
                "a port less");
        assertThrows(IllegalArgumentException.class, () -> new AhciFixture(new CdDrive("cd-1", iso), new AtaDisk(disk))
                .ahci.restore(s));
        f.ahci.reset();
    }

    private static AhciState with(AhciState s, AhciState.Port first) {
        return new AhciState(
                1,
                s.pci(),
                s.control(),
                s.interrupts(),
                s.told(),
                List.of(first, s.ports().getLast()));
    }

    private static AhciState.Port port(AhciState.Port p, int number, long[] commands) {
        return new AhciState.Port(
                number,
                p.list(),
                p.area(),
                p.interrupts(),
                p.enabled(),
                p.command(),
                p.taskFile(),
                p.signature(),
                p.control(),
                p.errors(),
                p.active(),
                p.issued(),
                p.last(),
                p.stopped(),
                p.unsent(),
                p.inSoftReset(),
                p.device(),
                commands);
    }
}
