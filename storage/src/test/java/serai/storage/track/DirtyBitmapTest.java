package serai.storage.track;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DirtyBitmapTest {
    private static final long TIB = 1L << 40;

    @Test
    void aWriteMarksWhatItTouchesAndClearFreesWhatItCovers() {
        DirtyBitmap b = new DirtyBitmap("b", 1 << 20, 65536);
        b.set(65535, 2);
        assertEquals(2 * 65536, b.count());
        assertEquals(0, b.nextDirty(0));
        assertEquals(2 * 65536, b.nextClean(0));
        b.clear(1, 3 * 65536 - 1);
        assertEquals(65536, b.count(), "the first is covered in part only");
        assertTrue(b.dirty(65535));
        b.clear(0, 65536);
        assertEquals(1 << 20, b.nextDirty(0));
    }

    @Test
    void theLastGranuleMayBeAPart() {
        DirtyBitmap b = new DirtyBitmap("b", 65536 + 512, 65536);
        b.set(65536, 512);
        assertEquals(512, b.count());
        assertEquals(65536, b.nextDirty(0));
        assertEquals(65536 + 512, b.nextClean(65536));
        b.clear(65536, 512);
        assertEquals(0, b.count());
        b.set(0, b.size());
        assertEquals(b.size(), b.count());
        assertEquals(b.size(), b.nextClean(0));
    }

    @Test
    void aPositionInADirtyGranuleIsTheNextDirtyOne() {
        DirtyBitmap b = new DirtyBitmap("b", 1 << 20, 65536);
        b.set(65536, 1);
        assertEquals(70000, b.nextDirty(70000));
        assertEquals(131072, b.nextClean(70000));
        assertEquals(1, b.nextClean(1));
    }

    @Test
    void aDiskOf64TiBTakesLittleUntilItIsWritten() {
        long before = used();
        DirtyBitmap[] many = new DirtyBitmap[64];
        for (int i = 0; i < many.length; i++) {
            many[i] = new DirtyBitmap("b", 64 * TIB, 65536);
            many[i].set(64 * TIB - 512, 512);
            many[i].set(TIB, 32 * TIB);
        }
        assertEquals(32 * TIB + 65536, many[9].count());
        assertEquals(33 * TIB, many[9].nextClean(TIB));
        assertEquals(64 * TIB - 65536, many[9].nextDirty(33 * TIB));
        long each = (used() - before) / many.length;
        assertTrue(each < 1 << 20, each + " bytes");
        assertEquals(64, many.length); // and they live until here
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    @Test
    void whatCanBeNoBitmapIsRefused() {
        for (long g : new long[] {0, 256, 768, 1L << 32, -512}) {
            assertThrows(IllegalArgumentException.class, () -> new DirtyBitmap("b", 1 << 20, g));
        }
        assertThrows(IllegalArgumentException.class, () -> new DirtyBitmap("b", 64 * TIB, 512));
        assertThrows(IllegalArgumentException.class, () -> new DirtyBitmap("", 512, 512));
        assertEquals(1L << 31, new DirtyBitmap("b", 64 * TIB, DirtyBitmap.MAX_GRANULARITY).granularity());
        DirtyBitmap b = new DirtyBitmap("b", 1024, 512);
        assertThrows(IndexOutOfBoundsException.class, () -> b.set(512, 513));
        assertThrows(IndexOutOfBoundsException.class, () -> b.set(-1, 1));
        assertThrows(IllegalArgumentException.class, () -> b.merge(new DirtyBitmap("c", 512, 512)));
        assertEquals(0, b.count());
    }

    @Test
    void bitsOfAStreamBeginWithTheLowest() {
        DirtyBitmap b = new DirtyBitmap("b", 20 * 512, 512);
        b.set(0, 1);
        b.set(9 * 512, 512);
        b.set(19 * 512, 512);
        assertEquals(3, b.bytes());
        byte[] stream = new byte[16];
        stream[15] = 7;
        b.store(0, MemorySegment.ofArray(stream));
        assertArrayEquals(new byte[] {1, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, stream);
        stream[2] = (byte) 0xf0; // bits that stand for nothing
        DirtyBitmap c = new DirtyBitmap("c", 20 * 512, 512);
        c.set(5 * 512, 15 * 512);
        c.load(0, MemorySegment.ofArray(stream));
        assertEquals(1024, c.count());
        assertEquals(9 * 512, c.nextDirty(512));
    }

    @Test
    void disabledItMarksNoWrites() {
        DirtyBitmap b = new DirtyBitmap("b", 1 << 20, 512);
        b.disable();
        b.record(0, 512);
        assertEquals(0, b.count());
        b.set(0, 512);
        assertEquals(512, b.count());
        assertFalse(b.copy("c").enabled());
        b.enable();
        b.record(512, 512);
        assertEquals(1024, b.count());
        assertEquals(512, b.copy("c").nextDirty(512));
    }

    /** All operations in random order, against a set of bits. */
    @Test
    void itIsASetOfBits() {
        for (int seed = 0; seed < 40; seed++) {
            Random random = new Random(seed);
            Model m = new Model(random);
            for (int i = 0; i < 300; i++) {
                m.step(random);
                m.check("seed " + seed + " step " + i, random);
            }
        }
    }

    private static final class Model {
        private long size;
        private final long granularity;
        private DirtyBitmap map;
        private BitSet bits = new BitSet();

        Model(Random random) {
            granularity = 512L << random.nextInt(3);
            size = 512 * (1 + random.nextLong(400_000));
            map = new DirtyBitmap("m", size, granularity);
        }

        private int granules() {
            return (int) ((size + granularity - 1) / granularity);
        }

        void step(Random random) {
            long at = random.nextLong(size);
            long n = random.nextInt(4) == 0
                    ? size - at
                    : Math.min(size - at, random.nextLong(1 << random.nextInt(1, 28)));
            switch (random.nextInt(9)) {
                case 0, 1 -> {
                    map.set(at, n);
                    set(bits, at, n);
                }
                case 2, 3 -> {
                    map.clear(at, n);
                    int to = at + n == size ? granules() : (int) ((at + n) / granularity);
                    int from = (int) ((at + granularity - 1) / granularity);
                    if (from < to) {
                        bits.clear(from, to);
                    }
                }
                case 4 -> {
                    size = Math.max(512, (random.nextBoolean() ? at : size + 2 * at) & -512);
                    size = Math.min(size, 200 << 20);
                    map.resize(size);
                    bits.clear(granules(), Math.max(granules(), bits.length()));
                }
                case 5 -> {
                    DirtyBitmap other = new DirtyBitmap("o", size, 512L << random.nextInt(4));
                    other.set(at, n);
                    map.merge(other);
                    if (n > 0) {
                        long g = other.granularity();
                        long end = Math.min(size, (at + n + g - 1) / g * g);
                        set(bits, at / g * g, end - at / g * g);
                    }
                }
                case 6 -> map = map.copy("c");
                case 7 -> {
                    byte[] piece = new byte[random.nextInt(6000)];
                    long first = random.nextLong(map.bytes() + 1) & -8;
                    map.store(first, MemorySegment.ofArray(piece));
                    for (int i = 0; i < piece.length; i += 1 + random.nextInt(900)) {
                        piece[i] ^= (byte) (1 << random.nextInt(8));
                    }
                    MemorySegment off =
                            MemorySegment.ofArray(new byte[piece.length + 1]).asSlice(1);
                    MemorySegment.copy(piece, 0, off, ValueLayout.JAVA_BYTE, 0, piece.length);
                    map.load(first, off);
                    for (int i = 0; i < piece.length * 8L; i++) {
                        long bit = first * 8 + i;
                        if (bit < granules()) {
                            bits.set((int) bit, (piece[i / 8] & 1 << i % 8) != 0);
                        }
                    }
                }
                default -> {
                    if (random.nextInt(10) == 0) {
                        map.clearAll();
                        bits.clear();
                    }
                }
            }
        }

        private void set(BitSet b, long at, long n) {
            if (n > 0) {
                b.set((int) (at / granularity), (int) ((at + n - 1) / granularity) + 1);
            }
        }

        void check(String where, Random random) {
            long overhang = granules() * granularity - size;
            assertEquals(
                    bits.cardinality() * granularity - (bits.get(granules() - 1) ? overhang : 0), map.count(), where);
            for (int i = 0; i < 4; i++) {
                long from = random.nextLong(size);
                int g = (int) (from / granularity);
                int dirty = bits.nextSetBit(g);
                assertEquals(dirty < 0 ? size : Math.max(from, dirty * granularity), map.nextDirty(from), where);
                assertEquals(
                        Math.min(size, Math.max(from, bits.nextClearBit(g) * granularity)), map.nextClean(from), where);
            }
            assertEquals((granules() + 7) / 8, map.bytes(), where);
        }
    }
}
