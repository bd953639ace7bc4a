package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.machine.disk.Disk;

/** What goes back in time with the machine: disks and outputs. */
final class UndoTest {
    /** Not a multiple of a block. */
    private static final int SECTORS = 37;

    private static final class ArrayDisk implements Disk {
        final byte[] bytes = new byte[SECTORS * 512];

        @Override
        public long sectors() {
            return SECTORS;
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public String id() {
            return "array";
        }

        private static MemorySegment host(long address, int length) {
            return MemorySegment.ofAddress(address).reinterpret(length);
        }

        @Override
        public void read(long offset, long host, int length) {
            MemorySegment.copy(bytes, (int) offset, host(host, length), ValueLayout.JAVA_BYTE, 0, length);
        }

        @Override
        public void write(long offset, long host, int length) {
            MemorySegment.copy(host(host, length), ValueLayout.JAVA_BYTE, 0, bytes, (int) offset, length);
        }

        @Override
        public void flush() {}

        @Override
        public void discard(long offset, long length) {
            zero(offset, length, true);
        }

        @Override
        public void zero(long offset, long length, boolean mayFree) {
            Arrays.fill(bytes, (int) offset, (int) (offset + length), (byte) 0);
        }
    }

    @Test
    void aDiskIsAsItWas_whateverWasWrittenZeroedAndDiscarded() throws IOException {
        Random random = new Random(5);
        ArrayDisk disk = new ArrayDisk();
        random.nextBytes(disk.bytes);
        UndoLog log = new UndoLog();
        UndoDisk undo = new UndoDisk(disk, 1, new History.Recorder() {
            @Override
            public boolean wants(UndoLog.Key key) {
                return !log.holds(key);
            }

            @Override
            public void keep(UndoLog.Key key, byte[] content) {
                log.put(key, content);
            }
        });
        byte[] before = disk.bytes.clone();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(SECTORS * 512L, 4096);
            for (int i = 0; i < 200; i++) {
                int first = random.nextInt(SECTORS);
                int count = 1 + random.nextInt(SECTORS - first);
                switch (random.nextInt(3)) {
                    case 0 -> {
                        buffer.fill((byte) i);
                        undo.write(first * 512L, buffer.address(), count * 512);
                        assertEquals((byte) i, disk.bytes[first * 512]);
                    }
                    case 1 -> {
                        undo.zero(first * 512L, count * 512L, false);
                        assertEquals(0, disk.bytes[first * 512]);
                    }
                    default -> undo.discard(first * 512L, count * 512L);
                }
            }
        }
        List<IOException> failed = new ArrayList<>();
        log.forEach((key, content) -> {
            try {
                undo.undo(key.offset(), content);
            } catch (IOException e) {
                failed.add(e);
            }
        });
        assertEquals(List.of(), failed);
        assertArrayEquals(before, disk.bytes);
    }

    @Test
    void twoLogsInOneLeadBackToTheEarlierMoment() {
        UndoLog.Key a = new UndoLog.Key(0, 0);
        UndoLog.Key b = new UndoLog.Key(0, 4096);
        byte[] first = new byte[UndoLog.SIZE];
        first[0] = 1;
        byte[] second = new byte[UndoLog.SIZE];
        second[0] = 2;
        UndoLog earlier = new UndoLog();
        earlier.put(a, first);
        UndoLog later = new UndoLog();
        later.put(a, second);
        later.put(b, new byte[UndoLog.SIZE]);
        long bytes = earlier.bytes();
        earlier.append(later);
        List<String> all = new ArrayList<>();
        earlier.forEach((key, content) -> all.add(key.offset() + "=" + content[0]));
        all.sort(null);
        assertEquals(List.of("0=1", "4096=0"), all);
        assertEquals(64, earlier.bytes() - bytes); // zeros cost no copy
    }

    @Test
    void anOutputSaysNothingTwiceUnlessItsFutureIsForgotten() {
        StringBuilder out = new StringBuilder();
        UndoOutput o = new UndoOutput(b -> out.append((char) b));
        say(o, "abcd");
        o.back(1);
        say(o, "bc");
        assertEquals("abcd", out.toString());
        o.forgetAfter(o.sent());
        say(o, "xy");
        assertEquals("abcdxy", out.toString());
    }

    private static void say(UndoOutput o, String text) {
        for (int i = 0; i < text.length(); i++) {
            o.transmit((byte) text.charAt(i));
        }
    }
}
