package serai.storage.imported;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/** What the tests of imported formats do with disks. */
public final class Disks {
    private static final int PIECE = 1 << 20;

    private Disks() {}

    /** An opening that may fail. */
    @FunctionalInterface
    public interface Opener {
        /** Opens. */
        BlockDevice open() throws IOException;
    }

    /** A stretch of the disk by its position. */
    public record Stretch(long position, Extent extent) {}

    /** Some bytes of it. */
    public static byte[] read(BlockDevice d, long position, int length) throws IOException {
        try (Arena arena = Arena.ofConfined()) { // quicker to close than a NativeBuffer's
            MemorySegment m = arena.allocate(Math.max(1, length), 8);
            d.read(position, m.address(), length);
            return m.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** All bytes of a small one. */
    public static byte[] all(BlockDevice d) throws IOException {
        return read(d, 0, Math.toIntExact(d.size()));
    }

    /** What it is, from start to end; each answer has to be within what was asked for. */
    public static List<Stretch> map(BlockDevice d) throws IOException {
        List<Stretch> map = new ArrayList<>();
        for (long p = 0; p < d.size(); ) {
            Extent e = d.status(p, d.size() - p);
            assertTrue(e.length() > 0 && e.length() <= d.size() - p, e::toString);
            map.add(new Stretch(p, e));
            p += e.length();
        }
        return map;
    }

    /**
     * Holds the status of a disk against what is read: zeros are zeros, and bytes are in the topmost image's file where they are said to be.
     *
     * @param file of the topmost image, if all of it is in that
     */
    public static void assertStatusIsTrue(BlockDevice d, ImageFile... file) throws IOException {
        try (NativeBuffer a = new NativeBuffer(PIECE);
                NativeBuffer b = new NativeBuffer(PIECE)) {
            for (Stretch s : map(d)) {
                Extent e = s.extent;
                assertFalse(e.depth() == Extent.NOWHERE && !e.zero(), e::toString);
                for (long at = 0; at < e.length(); at += PIECE) {
                    long n = Math.min(PIECE, e.length() - at);
                    MemorySegment expected = b.segment().asSlice(0, n).fill((byte) 0);
                    if (!e.zero() && (e.depth() > 0 || e.offset() == Extent.NOWHERE || file.length == 0)) {
                        continue;
                    }
                    if (!e.zero()) {
                        file[0].read(e.offset() + at, b.address(), n);
                    }
                    d.read(s.position + at, a.address(), n);
                    assertEquals(-1, a.segment().asSlice(0, n).mismatch(expected), s::toString);
                }
            }
        }
    }

    /** Several threads read pieces of a disk at once; each has to be right. */
    public static void assertThreadsRead(BlockDevice d, byte[] expected) throws Exception {
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int t = 0; t < 4; t++) {
            Random random = new Random(t);
            threads.add(Thread.ofPlatform().start(() -> {
                try {
                    for (int i = 0; i < 200; i++) {
                        int sectors = (int) (d.size() / 512);
                        int from = random.nextInt(sectors);
                        int n = 1 + random.nextInt(Math.min(300, sectors - from));
                        byte[] got = read(d, from * 512L, n * 512);
                        assertEquals(
                                -1,
                                MemorySegment.ofArray(got)
                                        .mismatch(
                                                MemorySegment.ofArray(expected).asSlice(from * 512L, n * 512L)),
                                () -> "sectors %d+%d".formatted(from, n));
                    }
                } catch (Throwable e) {
                    failures.add(e);
                }
            }));
        }
        for (Thread t : threads) {
            t.join();
        }
        assertEquals(List.of(), failures);
    }

    /** A damaged image: refused when it is opened or read, in one sentence that has a text in it. */
    public static void assertRefused(String text, Opener opener) {
        DiskException e = assertThrows(DiskException.class, () -> {
            try (BlockDevice d = opener.open()) {
                map(d);
                all(d);
            }
        });
        String message = String.valueOf(e.getMessage());
        assertSentence(message);
        assertTrue(message.contains(text), () -> "'" + text + "' in: " + message);
    }

    /** One line, not too long, and no end of a sentence inside but in what is quoted from the image. */
    public static void assertSentence(String message) {
        assertTrue(
                message.length() < 500
                        && message.chars().noneMatch(Character::isISOControl)
                        && !message.replaceAll("'.*'", "''").matches(".*[a-z]\\. [A-Z].*"),
                message);
    }

    /** What a fuzz target does with an image: an answer or a refusal, both soon. */
    public static void probe(Opener opener) {
        try (BlockDevice d = opener.open()) {
            long size = d.size();
            assertTrue(size > 0 && size % 512 == 0, () -> "size " + size);
            int n = (int) Math.min(size, 64 << 10);
            long p = 0;
            for (int i = 0; i < 50 && p < size; i++) {
                Extent e = d.status(p, size - p);
                assertTrue(e.length() > 0 && e.length() <= size - p, e::toString);
                read(d, p, (int) Math.min(4096, size - p));
                p += (e.length() + 511) & -512;
            }
            read(d, 0, n);
            read(d, size - n, n);
        } catch (DiskException e) {
            assertSentence(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
