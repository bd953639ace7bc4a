package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.machine.disk.HeldIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;

/** The 9P transport. */
class Virtio9pTest {
    private static final long DATA = 0x30000;
    private static final int BROKEN = 0x40;

    private final List<String> asked = new ArrayList<>();
    private int resets;
    private final FileServer server = new FileServer() {
        @Override
        public byte[] answer(byte[] message) {
            String s = new String(message, StandardCharsets.US_ASCII);
            asked.add(s.length() > 10 ? s.length() + "" : s);
            return ("re " + s).getBytes(StandardCharsets.US_ASCII);
        }

        @Override
        public void reset() {
            resets++;
        }
    };
    private final GuestMemory memory = TestMemory.ram(1 << 20);
    private final HeldIo io = new HeldIo();
    private final Virtio9p device = new Virtio9p("home", server, io);
    private final VirtioPci pci = device.onPci("virtio-9p0", memory, (a, d) -> {});
    private final GuestDriver d = new GuestDriver(memory, pci, 1);

    Virtio9pTest() {
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | 1, 1));
    }

    private void ask(String words, int room) {
        byte[] b = words.getBytes(StandardCharsets.US_ASCII);
        memory.write(DATA, b);
        memory.zero(DATA + 0x100, 64);
        d.submit(
                0,
                new GuestDriver.Part(DATA, b.length, false),
                new GuestDriver.Part(DATA + 0x100, room / 2, true),
                new GuestDriver.Part(DATA + 0x120, room - room / 2, true));
    }

    @Test
    void idFeatureAndMountTag() {
        assertEquals(0x1af4 | 0x1049 << 16, d.config(0));
        d.common(0, 4, 0);
        assertEquals(1, d.common(4, 4) & 0xff, "MOUNT_TAG");
        assertEquals(4 | (long) 'h' << 16 | (long) 'o' << 24, d.mmio.read(d.bar + 0x2000, 4));
        assertEquals('m' | 'e' << 8, d.mmio.read(d.bar + 0x2004, 4));
        for (String bad : new String[] {"", "x".repeat(32)}) {
            assertThrows(IllegalArgumentException.class, () -> new Virtio9p(bad, server, io));
        }
    }

    @Test
    void messagesAreAnsweredApart_andAResetEndsThem() {
        ask("one", 16);
        assertEquals(List.of(), asked);
        io.doAll();
        assertEquals(List.of("one"), asked);
        assertEquals(List.of(0, 6), d.used(0));
        assertArrayEquals("re one".getBytes(StandardCharsets.US_ASCII), memory.read(DATA + 0x100, 6));
        ask("a word", 4);
        io.doAll();
        assertEquals(4, d.used(0).get(1), "as far as there is room");
        ask("two", 16);
        int before = resets;
        d.common(20, 1, 0);
        io.doAll();
        assertEquals(before + 1, resets);
        assertEquals(List.of("one", "a word"), asked);
    }

    @Test
    void ofALongMessageTheBeginningIsLookedAt() {
        d.submit(0, new GuestDriver.Part(0, 1 << 19, false), new GuestDriver.Part(DATA, 8, true));
        io.doAll();
        assertEquals(List.of(String.valueOf(FileServer.MAX_REQUEST)), asked);
    }

    @Test
    void aDescriptorInUseStopsTheDevice() {
        ask("one", 16);
        d.offer(0, 0);
        d.notify(0);
        assertEquals(BROKEN, d.status() & BROKEN);
    }

    @Test
    void aRestoredDeviceAsksAgain() {
        ask("one", 16);
        VirtioState s = pci.save();
        pci.restore(s);
        io.doAll();
        assertEquals(List.of("one"), asked);
        assertEquals(List.of(0, 6), d.used(0));
        for (long[] bad : new long[][] {{0}, {0, 0, 1, 0, 0, 1 << 30}, {0, 0, 1, 0, 0}, {0, 0, 1, 0, 0, 5, 1}}) {
            VirtioState b =
                    new VirtioState(s.version(), s.pci(), 0, 0, 0, 0, s.status(), 0, 0, 0, false, s.queues(), bad);
            assertThrows(IllegalArgumentException.class, () -> pci.restore(b));
        }
    }
}
