package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;

/** The socket device, virtio 1.2, 5.10. */
class VirtioVsockTest {
    private static final int RECEIVE = 0, TRANSMIT = 1, EVENT = 2;
    private static final int REQUEST = 1,
            RESPONSE = 2,
            RST = 3,
            SHUTDOWN = 4,
            RW = 5,
            CREDIT_UPDATE = 6,
            CREDIT_REQUEST = 7;
    private static final long CID = 42;
    private static final int HEADER = 44, BROKEN = 0x40;
    /** Where the guest's packets and its buffers for the host's are. */
    private static final long OUT = 0x30000, IN = 0x80000;

    private static final int IN_BYTES = 4096;

    /** A program of the host. */
    private static class Program implements VsockEnd {
        final StringBuilder log = new StringBuilder();
        final ByteArrayOutputStream received = new ByteArrayOutputStream();
        int buffer = VirtioVsock.BUFFER;

        @Override
        public int buffer() {
            return buffer;
        }

        @Override
        public void established() {
            log.append("established ");
        }

        @Override
        public void receive(byte[] bytes) {
            received.writeBytes(bytes);
        }

        @Override
        public void guestFinished() {
            log.append("finished ");
        }

        @Override
        public void ready() {}

        @Override
        public void closed() {
            log.append("closed ");
        }
    }

    private final GuestMemory memory = TestMemory.ram(1 << 20);
    private final List<VirtioVsock.Connection> asked = new ArrayList<>();
    private final List<Program> programs = new ArrayList<>();
    private boolean refuse;
    private final VirtioVsock device = new VirtioVsock(CID, this::connect);
    private final VirtioPci pci = device.onPci("virtio-vsock0", memory, (a, d) -> {});
    private GuestDriver d = new GuestDriver(memory, pci, 3);
    private int given;
    private long guestBuffer = 1 << 16;
    private int guestForwarded;

    VirtioVsockTest() {
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | 1, 3));
    }

    private @Nullable VsockEnd connect(VirtioVsock.Connection c) {
        if (refuse) {
            return null;
        }
        asked.add(c);
        Program p = new Program();
        programs.add(p);
        return p;
    }

    /** Gives the device so many buffers. */
    private void give(int n) {
        for (int i = 0; i < n; i++) {
            d.submit(RECEIVE, new GuestDriver.Part(IN + given++ % 8 * IN_BYTES, IN_BYTES, true));
        }
    }

    private void header(long from, long to, int fromPort, int toPort, int length, int type, int operation, int flags) {
        memory.writeLong(OUT, from);
        memory.writeLong(OUT + 8, to);
        memory.writeInt(OUT + 16, fromPort);
        memory.writeInt(OUT + 20, toPort);
        memory.writeInt(OUT + 24, length);
        memory.writeShort(OUT + 28, type);
        memory.writeShort(OUT + 30, operation);
        memory.writeInt(OUT + 32, flags);
        memory.writeInt(OUT + 36, (int) guestBuffer);
        memory.writeInt(OUT + 40, guestForwarded);
    }

    private void send(int bytes) {
        d.submit(TRANSMIT, new GuestDriver.Part(OUT, bytes, false));
        d.used(TRANSMIT);
    }

    /** A packet from the guest's port 7 to a port of the host. */
    private void say(int hostPort, int operation, int flags, String data) {
        byte[] b = data.getBytes(StandardCharsets.US_ASCII);
        header(CID, 2, 7, hostPort, b.length, 1, operation, flags);
        memory.write(OUT + HEADER, b);
        send(HEADER + b.length);
    }

    private int heardFrom = 0;

    /** What the device said since the last time: from port, to port, operation, flags, data. */
    private String heard() {
        StringBuilder s = new StringBuilder();
        List<Integer> used = d.used(RECEIVE);
        for (int i = 0; i < used.size(); i += 2) {
            long at = IN + heardFrom++ % 8 * IN_BYTES;
            assertEquals(CID, memory.readLong(at + 8));
            int length = memory.readInt(at + 24);
            assertEquals(HEADER + length, used.get(i + 1));
            s.append("%s%d>%d %d"
                    .formatted(
                            s.isEmpty() ? "" : ", ",
                            memory.readInt(at + 16),
                            memory.readInt(at + 20),
                            memory.readShort(at + 30)));
            int flags = memory.readInt(at + 32);
            s.append(flags == 0 ? "" : "/" + flags);
            s.append(length == 0 ? "" : " " + new String(memory.read(at + HEADER, length), StandardCharsets.US_ASCII));
        }
        return s.toString();
    }

    private VirtioVsock.Connection open(int hostPort) {
        say(hostPort, REQUEST, 0, "");
        VirtioVsock.Connection c = asked.getLast();
        c.accept();
        give(1);
        assertEquals(hostPort + ">7 2", heard());
        return c;
    }

    @Test
    void sec5_10_1_to_4_idQueuesFeaturesConfiguration() {
        assertEquals(0x1af4 | 0x1053 << 16, d.config(0));
        assertEquals(3, d.common(18, 2));
        d.common(0, 4, 0);
        assertEquals(1, d.common(4, 4) & 0xff, "STREAM");
        assertEquals(CID, d.mmio.read(d.bar + 0x2000, 8));
        for (long bad : new long[] {0, 1, 2, 0xffff_ffffL, 1L << 40, -1}) {
            assertThrows(IllegalArgumentException.class, () -> new VirtioVsock(bad, c -> null));
        }
    }

    @Test
    void sec5_10_6_4_theGuestConnects_talksAndCloses() {
        VirtioVsock.Connection c = open(1024);
        assertEquals(7, c.guestPort());
        say(1024, RW, 0, "hello");
        assertEquals("hello", programs.getFirst().received.toString(StandardCharsets.US_ASCII));
        c.taken(5);
        c.send("good day".getBytes(StandardCharsets.US_ASCII));
        give(2);
        assertEquals("1024>7 5 good day", heard());
        say(1024, SHUTDOWN, 3, "");
        assertEquals("1024>7 3", heard());
        assertEquals("closed ", programs.getFirst().log.toString());
        c.send(new byte[10]);
        c.finish();
        c.taken(1);
        c.reset();
        give(1);
        assertEquals("", heard(), "it is over");
    }

    @Test
    void sec5_10_6_4_theHostConnects() {
        Program p = new Program();
        VirtioVsock.Connection c = Objects.requireNonNull(device.connect(7, p));
        give(1);
        assertEquals(c.hostPort() + ">7 1", heard());
        c.send("early".getBytes(StandardCharsets.US_ASCII));
        give(1);
        assertEquals("", heard());
        say(c.hostPort(), RESPONSE, 0, "");
        assertEquals("established ", p.log.toString());
        assertEquals(c.hostPort() + ">7 5 early", heard());
        Program q = new Program();
        VirtioVsock.Connection other = Objects.requireNonNull(device.connect(7, q));
        say(other.hostPort(), RST, 0, "");
        assertEquals("closed ", q.log.toString(), "refused");
        d.common(20, 1, 0);
        assertEquals("established closed ", p.log.toString());
        assertNull(device.connect(7, q), "nobody is there");
    }

    @Test
    void refusedConnectionsAreReset() {
        refuse = true;
        give(4);
        say(1, REQUEST, 0, "");
        assertEquals("1>7 3", heard());
        refuse = false;
        say(2, REQUEST, 0, "");
        asked.getFirst().reset();
        assertEquals("2>7 3", heard());
        say(2, RW, 0, "x");
        assertEquals("2>7 3", heard(), "no connection any more");
        say(2, RST, 0, "");
        assertEquals("", heard(), "a reset is not answered");
    }

    @Test
    void whatIsOfNobodyIsResetOrDropped() {
        header(CID, 5, 7, 9, 0, 1, REQUEST, 0);
        send(HEADER);
        give(1);
        assertEquals("9>7 3", heard());
        assertEquals(5, memory.readLong(IN), "in the name of whom it was for");
        header(CID, 2, 7, 9, 0, 2, REQUEST, 0);
        send(HEADER);
        give(1);
        assertEquals("9>7 3", heard());
        assertEquals(2, memory.readShort(IN + IN_BYTES + 28), "of the same type");
        header(CID + 1, 2, 7, 9, 0, 1, REQUEST, 0);
        send(HEADER);
        give(1);
        assertEquals("", heard(), "from somebody else");
        assertEquals(List.of(), asked);
        for (int operation : new int[] {0, REQUEST, RESPONSE, 8, 0xffff}) {
            say(9, REQUEST, 0, "");
            asked.getLast().accept();
            assertEquals("9>7 2", heard());
            say(9, operation, 0, "");
            give(1);
            assertEquals("9>7 3", heard(), "operation " + operation);
            give(1);
        }
    }

    @Test
    void sec5_10_6_3_theGuestGetsNoMoreThanItHasRoomFor() {
        guestBuffer = 6;
        VirtioVsock.Connection c = open(5);
        c.send("0123456789".getBytes(StandardCharsets.US_ASCII));
        give(3);
        assertEquals("5>7 5 012345", heard());
        assertEquals(VirtioVsock.BUFFER - 4, c.room());
        guestForwarded = 3;
        say(5, CREDIT_UPDATE, 0, "");
        assertEquals("5>7 5 678", heard());
        guestForwarded = 77; // more than it ever got
        say(5, CREDIT_UPDATE, 0, "");
        assertEquals("", heard());
        guestBuffer = 0xffff_ffffL;
        guestForwarded = 9;
        say(5, CREDIT_UPDATE, 0, "");
        assertEquals("5>7 5 9", heard());
    }

    @Test
    void sec5_10_6_3_theGuestMaySendWhatThereIsRoomFor_andIsToldInTime() {
        VirtioVsock.Connection c = open(5);
        Program p = programs.getFirst();
        p.buffer = 4000;
        say(5, CREDIT_REQUEST, 0, "");
        give(1);
        assertEquals("5>7 6", heard());
        assertEquals(4000, memory.readInt(IN + IN_BYTES + 36));
        say(5, RW, 0, "x".repeat(3000));
        c.taken(999);
        give(1);
        assertEquals("", heard(), "that is little");
        c.taken(1);
        assertEquals("5>7 6", heard());
        assertEquals(1000, memory.readInt(IN + 2 * IN_BYTES + 40));
        say(5, RW, 0, "x".repeat(2000));
        assertEquals(5000, p.received.size());
        say(5, RW, 0, "x");
        give(1);
        assertEquals("5>7 3", heard(), "it has no room");
        assertEquals("closed ", p.log.toString());
    }

    @Test
    void sec5_10_6_5_halvesOfAConnection() {
        VirtioVsock.Connection c = open(5);
        Program p = programs.getFirst();
        c.send("last".getBytes(StandardCharsets.US_ASCII));
        c.finish();
        give(4);
        assertEquals("5>7 5 last, 5>7 4/2", heard(), "no more after the data");
        say(5, RW, 0, "an answer");
        assertEquals(9, p.received.size());
        say(5, SHUTDOWN, 2, "");
        assertEquals("finished ", p.log.toString());
        assertEquals("5>7 4/3", heard());
        say(5, RST, 0, "");
        assertEquals("finished closed ", p.log.toString());
        c = open(6);
        c.send("x".getBytes(StandardCharsets.US_ASCII));
        say(6, SHUTDOWN, 1, "");
        give(1);
        heard();
        c.send("y".getBytes(StandardCharsets.US_ASCII));
        assertEquals(VirtioVsock.BUFFER, c.room(), "what it does not want goes nowhere");
        say(6, SHUTDOWN, 2, "");
        assertEquals("closed ", programs.get(1).log.toString());
    }

    @Test
    void connectionsTakeTurns() {
        VirtioVsock.Connection a = open(1);
        VirtioVsock.Connection b = open(2);
        a.send(new byte[6000]);
        b.send(new byte[10]);
        give(1);
        assertEquals(1, memory.readInt(IN + 2 * IN_BYTES + 16));
        give(1);
        assertEquals(2, memory.readInt(IN + 3 * IN_BYTES + 16));
        give(1);
        assertEquals(1, memory.readInt(IN + 4 * IN_BYTES + 16));
    }

    @Test
    void aGuestThatTakesNothingIsNotListenedTo() {
        refuse = true;
        for (int i = 0; i < 71; i++) {
            say(i, REQUEST, 0, "");
        }
        assertTrue(device.saveWork().length <= 3 + 4 * 65, "bounded");
        assertNull(device.connect(1, new Program()));
        int heard = 0;
        for (int i = 0; i < 80; i++) {
            give(1);
            heard += heard().isEmpty() ? 0 : 1;
        }
        assertEquals(71, heard, "64 that waited, and those in its ring");
    }

    @Test
    void connectionsAreBounded_andMakingAndBreakingThemLeavesNothing() {
        for (int i = 0; i < 5000; i++) {
            say(i, REQUEST, 0, "");
            asked.getLast().accept();
            say(i, RST, 0, "");
        }
        for (int i = 0; i < VirtioVsock.MAX_CONNECTIONS; i++) {
            say(i, REQUEST, 0, "");
        }
        int n = asked.size();
        say(VirtioVsock.MAX_CONNECTIONS, REQUEST, 0, "");
        assertEquals(n, asked.size());
        give(1);
        assertEquals(VirtioVsock.MAX_CONNECTIONS + ">7 3", heard());
        assertNull(device.connect(1, new Program()));
    }

    @Test
    void anEndThatAnswersAtOnceDoesNotMixUpTheOrder() {
        VirtioVsock.Connection[] c = {null};
        int[] next = {0};
        Program p = new Program() {
            @Override
            public void ready() {
                if (next[0] < 5) {
                    Objects.requireNonNull(c[0]).send(new byte[] {(byte) ('a' + next[0]++)});
                }
            }
        };
        c[0] = assertNotNullConnection(device.connect(7, p));
        give(7);
        say(c[0].hostPort(), RESPONSE, 0, "");
        heard();
        c[0].send(new byte[] {'!'});
        String port = c[0].hostPort() + ">7 5 ";
        assertEquals(port + "!, " + port + "a, " + port + "b, " + port + "c, " + port + "d, " + port + "e", heard());
    }

    private static VirtioVsock.Connection assertNotNullConnection(VirtioVsock.@Nullable Connection c) {
        assertNotNull(c);
        return c;
    }

    @Test
    void packetsThatAreNoneStopTheDevice() {
        for (int i = 0; i < 4; i++) {
            d = new GuestDriver(memory, pci, 3);
            assertTrue(d.initialize(GuestDriver.F_VERSION_1 | 1, 3));
            memory.zero(d.queue(0), 0x3000);
            header(CID, 2, 7, 9, i == 1 ? 1 : i == 2 ? -1 : 0, 1, REQUEST, 0);
            if (i == 3) {
                d.submit(RECEIVE, new GuestDriver.Part(IN, HEADER, true));
                refuse = true;
            }
            d.submit(TRANSMIT, new GuestDriver.Part(OUT, i == 0 ? HEADER - 1 : HEADER, false));
            assertEquals(BROKEN, d.status() & BROKEN, "case " + i);
        }
    }

    @Test
    void sec5_10_6_7_aRestoredDeviceTellsThatConnectionsAreGone() {
        d.submit(EVENT, new GuestDriver.Part(0x2000, 8, true));
        VirtioState without = pci.save();
        open(5);
        VirtioState with = pci.save();
        pci.restore(without);
        assertEquals("closed ", programs.getFirst().log.toString());
        device.start();
        assertEquals(List.of(), d.used(EVENT));
        pci.restore(with);
        assertArrayEquals(with.work(), pci.save().work());
        memory.writeInt(0x2000, -1);
        device.start();
        assertEquals(List.of(0, 4), d.used(EVENT));
        assertEquals(0, memory.readInt(0x2000));
        device.start();
        assertEquals(List.of(), d.used(EVENT), "once");
        VirtioVsock other = new VirtioVsock(CID + 1, c -> null);
        VirtioPci moved = other.onPci("virtio-vsock0", memory, (a, b) -> {});
        new GuestDriver(memory, moved, 3);
        moved.restore(without);
        assertEquals(1, other.saveWork()[2], "another address");
        for (long[] bad : new long[][] {{}, {2, CID, 0}, {1, CID, 0, 0}, new long[3 + 4 * 3000]}) {
            VirtioState b = new VirtioState(
                    with.version(), with.pci(), 0, 0, 0, 0, with.status(), 0, 0, 0, false, with.queues(), bad);
            assertThrows(IllegalArgumentException.class, () -> pci.restore(b));
        }
    }

    @Test
    void resetsThatWaitAreSaved() {
        refuse = true;
        say(1, REQUEST, 0, "");
        VirtioState s = pci.save();
        pci.restore(s);
        give(1);
        assertEquals("1>7 3", heard());
    }
}
