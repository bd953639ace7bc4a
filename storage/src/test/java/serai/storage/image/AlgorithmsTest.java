package serai.storage.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.DiskException;
import serai.storage.Extent;

/** Copies, comparisons, rebasing and commits of chains in memory, at random. */
class AlgorithmsTest {
    /** More than two chunks, and not a whole number of clusters. */
    private static final int SIZE = (1 << 20) + 37 * 512;

    private static Copy.Options copying(int sparse) {
        return new Copy.Options(4, sparse, false, null);
    }

    private static LayerDisk chain(Random r, int size) {
        LayerDisk lowest = new LayerDisk(size - 512 * r.nextInt(size / 1024), 4096, null).random(r);
        LayerDisk middle = new LayerDisk(size - 512 * r.nextInt(size / 1024), 65536, lowest).random(r);
        return new LayerDisk(size, 1 << 12 + r.nextInt(5), middle).random(r);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 512, 4096, 65536, 1 << 20})
    void copy_readsTheSame_whateverWasThereBefore(int sparse) throws IOException {
        Random r = new Random(sparse);
        for (int i = 0; i < 10; i++) {
            LayerDisk from = chain(r, SIZE);
            LayerDisk to = chain(r, SIZE + 512 * r.nextInt(1000));
            Copy.run(from, to, copying(sparse), Progress.NONE);
            assertArrayEquals(from.content((int) to.size()), to.content((int) to.size()));
        }
    }

    @Test
    void copy_toWhatReadsAsZeros_writesNoBlocksOfZeros() throws IOException {
        LayerDisk from = chain(new Random(1), SIZE);
        byte[] wanted = from.content(SIZE);
        LayerDisk to = new LayerDisk(SIZE, 4096, null);
        to.hook = (what, position, length) -> {
            assertEquals("write", what);
            for (long at = position & -4096; at < position + length; at += 4096) {
                byte[] block = Arrays.copyOfRange(wanted, (int) at, (int) Math.min(SIZE, at + 4096));
                assertFalse(Arrays.equals(block, new byte[block.length]), "zeros were written at " + at);
            }
        };
        Copy.run(from, to, copying(4096), Progress.NONE);
        assertArrayEquals(wanted, to.content(SIZE));
    }

    @Test
    void copy_withoutSparse_writesEverything() throws IOException {
        LayerDisk to = new LayerDisk(SIZE, 4096, null);
        Copy.run(new LayerDisk(SIZE, 4096, null), to, copying(0), Progress.NONE);
        Extent all = to.status(0, SIZE);
        AtomicLong bytes = new AtomicLong();
        DiskMap.walk(to, 0, SIZE, (position, extent) -> bytes.addAndGet(extent.data() ? extent.length() : 0));
        assertEquals(SIZE, bytes.get(), all.toString());
    }

    @Test
    void copy_uponABase_hasOnlyWhatDiffers() throws IOException {
        Random r = new Random(3);
        for (int i = 0; i < 10; i++) {
            LayerDisk base = chain(r, SIZE - 512 * r.nextInt(1000));
            LayerDisk from = chain(r, SIZE);
            LayerDisk to = new LayerDisk(SIZE, 4096, base);
            Copy.run(from, to, new Copy.Options(4, 4096, false, base), Progress.NONE);
            assertArrayEquals(from.content(SIZE), to.content(SIZE));
            LayerDisk same = new LayerDisk((int) base.size(), 4096, base);
            Copy.run(base, same, new Copy.Options(4, 4096, false, base), Progress.NONE);
            DiskMap.walk(same, 0, same.size(), (position, extent) -> assertTrue(extent.depth() != 0));
        }
    }

    @Test
    void copy_toASmallerDisk_isRefused() {
        assertThrows(
                DiskException.class,
                () -> Copy.run(
                        new LayerDisk(1024, 512, null), new LayerDisk(512, 512, null), copying(0), Progress.NONE));
    }

    @Test
    void aFailure_endsTheCopy_andIsTold() {
        LayerDisk from = new LayerDisk(16 << 20, 4096, null);
        LayerDisk to = new LayerDisk(16 << 20, 4096, null);
        AtomicInteger writes = new AtomicInteger();
        to.hook = (what, position, length) -> {
            if (writes.incrementAndGet() == 3) {
                throw new IOException("no space");
            }
            pause(1);
        };
        IOException e = assertThrows(IOException.class, () -> Copy.run(from, to, copying(0), Progress.NONE));
        assertEquals("no space", e.getMessage());
        assertTrue(writes.get() < 400, "went on for " + writes);
    }

    @Test
    void progress_endsWithAll_andNeverGoesBack() throws IOException {
        List<Long> told = Collections.synchronizedList(new ArrayList<>());
        LayerDisk from = new LayerDisk(4 << 20, 512 << 10, null).random(new Random(5));
        from.hook = (what, position, length) -> pause(50);
        Copy.run(from, new LayerDisk(4 << 20, 4096, null), new Copy.Options(1, 4096, false, null), (done, total) -> {
            assertEquals(4 << 20, total);
            told.add(done);
        });
        assertEquals(4L << 20, told.getLast());
        assertEquals(told.stream().sorted().toList(), told);
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void compare_findsTheFirstDifference() throws IOException {
        Random r = new Random(7);
        for (int i = 0; i < 50; i++) {
            LayerDisk a = chain(r, SIZE);
            LayerDisk b = new LayerDisk(SIZE, 8192, null);
            Copy.run(a, b, copying(4096), Progress.NONE);
            assertEquals(
                    OptionalLong.empty(),
                    Compare.run(a, b, false, 4, Progress.NONE).content());
            int first = SIZE;
            for (int n = r.nextInt(3); n >= 0; n--) {
                int at = r.nextInt(SIZE / 512) * 512;
                byte value = b.content(SIZE)[at];
                TestDisks.fill(b, at, 512, value == 0 ? 9 : 0);
                first = Math.min(first, at);
            }
            byte[] wanted = a.content(SIZE);
            int exact = Arrays.mismatch(wanted, b.content(SIZE));
            Compare.Result result = Compare.run(a, b, false, 4, Progress.NONE);
            assertEquals(OptionalLong.of(exact), result.content());
            assertTrue(exact >= first && result.sizes());
        }
    }

    @Test
    void compare_aShorterDisk_goesOnWithZeros() throws IOException {
        LayerDisk a = new LayerDisk(SIZE, 4096, null).random(new Random(8));
        LayerDisk b = new LayerDisk(SIZE + 512 * 100, 4096, null);
        Copy.run(a, b, copying(4096), Progress.NONE);
        assertEquals(
                new Compare.Result(false, OptionalLong.empty(), OptionalLong.empty()),
                Compare.run(a, b, false, 4, Progress.NONE));
        TestDisks.fill(b, SIZE + 512 * 99, 512, 1);
        assertEquals(
                OptionalLong.of(SIZE + 512 * 99),
                Compare.run(b, a, false, 4, Progress.NONE).content());
    }

    @Test
    void compare_strict_looksAtTheAllocation() throws IOException {
        LayerDisk a = new LayerDisk(SIZE, 4096, null);
        LayerDisk b = new LayerDisk(SIZE, 4096, null);
        TestDisks.fill(b, 40960, 512, 0);
        assertEquals(
                OptionalLong.empty(), Compare.run(a, b, false, 1, Progress.NONE).allocation());
        assertEquals(
                OptionalLong.of(40960),
                Compare.run(a, b, true, 1, Progress.NONE).allocation());
    }

    @Test
    void map_joinsWhatGoesOnAlike() throws IOException {
        LayerDisk d = new LayerDisk(64 << 10, 4096, null);
        TestDisks.fill(d, 8192, 12288, 1);
        List<String> told = new ArrayList<>();
        DiskMap.walk(
                d, 4096, 32 << 10, (position, extent) -> told.add(position + "+" + extent.length() + extent.data()));
        assertEquals(List.of("4096+4096false", "8192+12288true", "20480+16384false"), told);
    }

    @Test
    void rebase_keepsTheContent_atAnyMoment() throws IOException {
        Random r = new Random(11);
        for (int i = 0; i < 20; i++) {
            LayerDisk old = i % 5 == 0 ? null : chain(r, SIZE - 512 * r.nextInt(1000));
            LayerDisk other = chain(r, SIZE - 512 * r.nextInt(1000));
            LayerDisk image = new LayerDisk(SIZE, 8192, old).random(r);
            byte[] wanted = image.content(SIZE);
            AtomicInteger calls = new AtomicInteger();
            image.hook = (what, position, length) -> {
                if (!what.equals("read") && calls.incrementAndGet() % 8 == 0) {
                    assertArrayEquals(wanted, image.content(SIZE));
                }
            };
            Rebase.run(image, other, 8192, 4, Progress.NONE);
            assertArrayEquals(wanted, image.content(SIZE));
            assertArrayEquals(wanted, image.upon(other).content(SIZE));
        }
    }

    @Test
    void rebase_uponTheSameContent_writesNothing() throws IOException {
        Random r = new Random(12);
        LayerDisk old = chain(r, SIZE);
        LayerDisk copy = new LayerDisk(SIZE, 65536, null);
        Copy.run(old, copy, copying(4096), Progress.NONE);
        LayerDisk image = new LayerDisk(SIZE, 8192, old).random(r);
        image.hook = (what, position, length) -> assertTrue(what.equals("read") || what.equals("flush"), what);
        Rebase.run(image, copy, 8192, 4, Progress.NONE);
    }

    @Test
    void commit_keepsTheContent_atAnyMoment_andThenTheLowerImageHasIt() throws IOException {
        Random r = new Random(13);
        for (int i = 0; i < 20; i++) {
            int size = SIZE - 512 * r.nextInt(1000);
            LayerDisk lowest = new LayerDisk(SIZE - 512 * r.nextInt(1000), 4096, null).random(r);
            LayerDisk base = new LayerDisk(SIZE - 512 * r.nextInt(1000), 16384, lowest).random(r);
            LayerDisk middle = new LayerDisk(SIZE - 512 * r.nextInt(1000), 4096, base).random(r);
            int depth = 1 + i % 2;
            LayerDisk top = new LayerDisk(size, 8192, depth == 1 ? base : middle).random(r);
            byte[] wanted = top.content(size);
            AtomicInteger calls = new AtomicInteger();
            base.hook = (what, position, length) -> {
                if (!what.equals("read") && calls.incrementAndGet() % 8 == 0) {
                    assertArrayEquals(wanted, top.content(size));
                }
            };
            Commit.run(top, base, depth, 4, Progress.NONE);
            assertArrayEquals(wanted, top.content(size));
            assertArrayEquals(wanted, Arrays.copyOf(base.content((int) base.size()), size));
        }
    }

    @Test
    void commit_flushesTheLowerImageLast() throws IOException {
        LayerDisk base = new LayerDisk(SIZE, 4096, null);
        LayerDisk top = new LayerDisk(SIZE, 4096, base).random(new Random(14));
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        base.hook = (what, position, length) -> told.add(what);
        Commit.run(top, base, 1, 4, Progress.NONE);
        assertEquals("flush", told.getLast());
        assertEquals(1, Collections.frequency(told, "flush"));
    }

    @Test
    void bench_makesAllRequests_insideTheDisk() throws IOException {
        LayerDisk d = new LayerDisk(1 << 20, 4096, null);
        List<Long> positions = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger flushes = new AtomicInteger();
        d.hook = (what, position, length) -> {
            if (what.equals("flush")) {
                flushes.incrementAndGet();
            } else {
                assertEquals("write", what);
                assertEquals(8192, length);
                positions.add(position);
            }
        };
        Bench.run(d, new Bench.Plan(true, 300, 4, 8192, 4096, 8192, 5, 100), Progress.NONE);
        assertEquals(300, positions.size());
        assertEquals(3, flushes.get());
        assertTrue(positions.containsAll(List.of(4096L, 12288L, 0L)));
        assertEquals(5, d.content(1 << 20)[4096]);
    }
}
