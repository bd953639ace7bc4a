package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;

/** The console device, virtio 1.2, 5.3. */
class VirtioConsoleTest {
    private static final long MULTIPORT = GuestDriver.F_VERSION_1 | 2;
    private static final long DATA = 0x30000;

    private final GuestMemory memory = TestMemory.ram(1 << 20);

    /** Takes at most {@code room} bytes. */
    private static final class Host implements ConsolePort {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();
        final List<Boolean> opened = new ArrayList<>();
        final String name;
        int room = Integer.MAX_VALUE;

        Host(String name) {
            this.name = name;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public boolean isConsole() {
            return name.isEmpty();
        }

        @Override
        public int write(byte[] bytes, int offset) {
            int n = Math.min(room, bytes.length - offset);
            out.write(bytes, offset, n);
            room -= n;
            return n;
        }

        @Override
        public void guestOpen(boolean open) {
            opened.add(open);
        }
    }

    private final Host terminal = new Host("");
    private final Host agent = new Host("org.qemu.guest_agent.0");
    private final VirtioConsole console = new VirtioConsole(List.of(terminal, agent));
    private final VirtioPci pci = console.onPci("virtio-console0", memory, (a, d) -> {});
    private final GuestDriver d = new GuestDriver(memory, pci, 6);

    private static GuestDriver.Part in(long address, int length) {
        return new GuestDriver.Part(address, length, true);
    }

    private void control(int port, int event, int value) {
        memory.writeInt(DATA, port);
        memory.writeShort(DATA + 4, event);
        memory.writeShort(DATA + 6, value);
        d.submit(3, new GuestDriver.Part(DATA, 8, false));
        assertEquals(2, d.used(3).size());
    }

    private int next;

    /** Gives a buffer for the next message, or for data of a port. */
    private void buffer(int queue, int length) {
        d.submit(queue, in(DATA + 0x1000 + queue * 0x1000L + next++ % 8 * 0x100L, length));
    }

    /** The messages that have come, as text; buffers are used in the order in which they were given. */
    private List<String> messages() {
        List<String> l = new ArrayList<>();
        List<Integer> used = d.used(2);
        for (int i = 0; i < used.size(); i += 2) {
            long at = DATA + 0x3000 + seen++ % 8 * 0x100L;
            int n = used.get(i + 1);
            String name = new String(memory.read(at + 8, n - 8), StandardCharsets.ISO_8859_1);
            boolean resize = memory.readShort(at + 4) == 5;
            l.add("%d %d %d %s"
                    .formatted(
                            memory.readInt(at),
                            memory.readShort(at + 4),
                            memory.readShort(at + 6),
                            resize ? memory.readShort(at + 8) + "x" + memory.readShort(at + 10) : name)
                    .strip());
        }
        return l;
    }

    private int seen;

    private void start() {
        assertTrue(d.initialize(MULTIPORT, 6));
        for (int i = 0; i < 8; i++) {
            buffer(2, 64);
        }
    }

    private void open() {
        start();
        console.resize(80, 25);
        control(0, 0, 1);
        control(0, 3, 1);
        control(1, 3, 1);
        control(0, 6, 1);
        control(1, 6, 1);
        messages();
        for (int i = 0; i < 4; i++) {
            buffer(2, 64);
        }
    }

    @Test
    void sec5_3_5_portsAreFoundByMessages() {
        start();
        console.resize(132, 43);
        messages();
        control(0, 0, 1);
        assertEquals(List.of("0 1 1", "1 1 1"), messages());
        control(0, 3, 1);
        assertEquals(List.of("0 4 1", "0 6 1", "0 5 1 132x43"), messages());
        control(1, 3, 1);
        assertEquals(List.of("1 7 1 org.qemu.guest_agent.0", "1 6 1"), messages());
        assertEquals(8, d.mmio.read(d.bar + 0x2004, 4), "the most ports");
        assertEquals(132 | 43 << 16, d.mmio.read(d.bar + 0x2000, 4));
    }

    @Test
    void sec5_3_6_2_whatIsOfNoPortIsIgnored() {
        start();
        for (int port : new int[] {2, 77, -1}) {
            control(port, 3, 1);
            control(port, 6, 1);
        }
        control(0, 99, 1);
        memory.writeInt(DATA, 0);
        d.submit(3, new GuestDriver.Part(DATA, 3, false));
        assertEquals(List.of(), messages());
        assertEquals(0, d.status() & 0x40);
    }

    @Test
    void messagesWaitForBuffers_asOneOfEachKind() {
        assertTrue(d.initialize(MULTIPORT, 6));
        for (int i = 0; i < 100; i++) {
            control(0, 0, 1);
            control(1, 3, 1);
        }
        console.hostOpen(1, false);
        console.hostOpen(1, true);
        console.hostOpen(1, false);
        for (int i = 0; i < 8; i++) {
            buffer(2, 64);
        }
        assertEquals(List.of("0 1 1", "1 1 1", "1 7 1 org.qemu.guest_agent.0", "1 6 0"), messages());
    }

    @Test
    void dataGoBothWays_onThePortThatTheyAreFor() {
        open();
        memory.write(DATA + 0x800, new byte[] {'h', 'i'});
        d.submit(5, new GuestDriver.Part(DATA + 0x800, 2, false));
        assertEquals("hi", agent.out.toString(StandardCharsets.US_ASCII));
        assertEquals(0, terminal.out.size());
        console.input(1, new byte[] {1, 2, 3, 4, 5});
        assertEquals(5, console.pending(1));
        d.submit(4, in(DATA + 0x900, 3));
        assertEquals(2, console.pending(1));
        d.submit(4, in(DATA + 0x900, 3));
        assertEquals(0, console.pending(1));
        List<Integer> used = d.used(4);
        assertEquals(List.of(3, 2), List.of(used.get(1), used.get(3)));
        assertEquals(4, memory.readByte(DATA + 0x900));
    }

    @Test
    void inputWaitsForThePortToBeOpen() {
        start();
        console.input(0, new byte[] {'x'});
        d.submit(0, in(DATA + 0x900, 3));
        assertEquals(1, console.pending(0));
        control(0, 6, 1);
        assertEquals(0, console.pending(0));
        assertEquals('x', memory.readByte(DATA + 0x900));
        assertEquals(List.of(true), terminal.opened);
        control(0, 6, 0);
        assertEquals(List.of(true, false), terminal.opened);
    }

    @Test
    void aHostThatTakesNoMore_makesTheGuestWait() {
        open();
        agent.room = 3;
        memory.write(DATA + 0x800, "abcdefgh".getBytes(StandardCharsets.US_ASCII));
        d.submit(5, new GuestDriver.Part(DATA + 0x800, 4, false));
        d.submit(5, new GuestDriver.Part(DATA + 0x804, 4, false));
        assertEquals("abc", agent.out.toString(StandardCharsets.US_ASCII));
        assertEquals(2, d.used(5).size(), "the second stays with the guest");
        agent.room = 100;
        console.ready(1);
        assertEquals("abcdefgh", agent.out.toString(StandardCharsets.US_ASCII));
        assertEquals(2, d.used(5).size());
    }

    @Test
    void aPortThatNobodyHoldsOnTheHost_dropsWhatIsWritten() {
        open();
        agent.room = 0;
        d.submit(5, new GuestDriver.Part(DATA + 0x800, 4, false));
        d.submit(5, new GuestDriver.Part(DATA + 0x804, 4, false));
        assertEquals(2, d.used(5).size());
        console.hostOpen(1, false);
        assertEquals(2, d.used(5).size());
        assertEquals(0, agent.out.size());
        assertEquals(List.of("1 6 0"), messages());
    }

    @Test
    void sec5_3_withoutMultiport_thereIsPort0() {
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 6));
        console.input(0, new byte[] {'x'});
        d.submit(0, in(DATA + 0x900, 3));
        assertEquals(0, console.pending(0));
        d.submit(5, new GuestDriver.Part(DATA + 0x800, 4, false));
        assertEquals(0, agent.out.size());
        assertEquals(List.of(), d.used(5));
    }

    @Test
    void typedAhead_outlivesAResetOfTheDriver() {
        console.input(0, new byte[] {'x'});
        open();
        d.submit(0, in(DATA + 0x900, 3));
        assertEquals('x', memory.readByte(DATA + 0x900));
    }

    @Test
    void saveInTheMiddle_keepsWhatWaits() {
        open();
        agent.room = 1;
        memory.write(DATA + 0x800, "abcd".getBytes(StandardCharsets.US_ASCII));
        d.submit(5, new GuestDriver.Part(DATA + 0x800, 4, false));
        console.input(0, new byte[] {7, 8});
        console.hostOpen(1, false);
        console.hostOpen(1, true);
        VirtioState state = pci.save();

        Host otherAgent = new Host("org.qemu.guest_agent.0");
        VirtioConsole copy = new VirtioConsole(List.of(new Host(""), otherAgent));
        VirtioPci other = copy.onPci("virtio-console0", memory, (a, v) -> {});
        new GuestDriver(memory, other, 6);
        other.restore(state);
        assertEquals(List.of(true), otherAgent.opened);
        copy.ready(1);
        assertEquals("", otherAgent.out.toString(StandardCharsets.US_ASCII), "dropped as the port was closed");
        assertEquals(2, copy.pending(0));
        assertEquals(pci.save().queues(), other.save().queues());
        VirtioConsole one = new VirtioConsole(List.of(new Host("")));
        VirtioPci third = one.onPci("virtio-console0", memory, (a, v) -> {});
        new GuestDriver(memory, third, 6);
        assertThrows(IllegalArgumentException.class, () -> third.restore(state));
    }

    @Test
    void aMegabyteAndMoreAtOnceStopsTheDevice() {
        open();
        for (int n = 0; n < 2; n++) {
            d.descriptor(5, n, 0, 900_000, n == 0 ? 1 : 0, 1);
        }
        d.offer(5, 0);
        d.notify(5);
        assertEquals(0x40, d.status() & 0x40);
    }
}
