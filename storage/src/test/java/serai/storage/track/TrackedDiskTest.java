package serai.storage.track;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;

class TrackedDiskTest {
    private static final int SIZE = 1 << 20;

    @TempDir
    private Path directory;

    private final TrackedDisk disk = new TrackedDisk(new MemoryDisk(SIZE));

    private DirtyBitmap bitmap(String name) throws IOException {
        DirtyBitmap b = new DirtyBitmap(name, SIZE, 4096);
        disk.add(b);
        return b;
    }

    @Test
    void writesZeroesAndDiscardsAreMarkedInAllBitmaps() throws IOException {
        DirtyBitmap a = bitmap("a");
        MemoryDisk.fill(disk, 0, 512, 1);
        DirtyBitmap b = bitmap("b");
        disk.zero(8192, 4096, true);
        disk.discard(16384, 4096);
        MemoryDisk.read(disk, 65536, 512);
        assertEquals(3 * 4096, a.count());
        assertEquals(2 * 4096, b.count());
        assertEquals(16384, b.nextDirty(12288));
    }

    @Test
    void aWriteThatFailsIsMarkedAndOneOutsideIsNot() throws IOException {
        TrackedDisk broken = new TrackedDisk(new MemoryDisk(SIZE) {
            @Override
            void pause() throws IOException {
                throw new IOException("half");
            }
        });
        DirtyBitmap b = new DirtyBitmap("b", SIZE, 4096);
        broken.add(b);
        assertThrows(IOException.class, () -> MemoryDisk.fill(broken, 4096, 4096, 1));
        assertEquals(4096, b.count());
        assertThrows(IOException.class, () -> MemoryDisk.fill(broken, SIZE, 512, 1));
        assertThrows(IOException.class, () -> broken.zero(100, 512, true));
        assertEquals(4096, b.count());
    }

    @Test
    void rotateGivesTheOldBitmapAndGoesOnWithACleanOne() throws IOException {
        bitmap("b");
        MemoryDisk.fill(disk, 0, 512, 1);
        DirtyBitmap old = disk.rotate("b");
        MemoryDisk.fill(disk, 8192, 512, 1);
        assertEquals(4096, old.count());
        DirtyBitmap now = disk.bitmap("b").orElseThrow();
        assertEquals(4096, now.count());
        assertTrue(now.enabled());
        now.merge(old);
        assertEquals(8192, now.count());
        assertEquals(
                "the disk has no bitmap 'c'",
                assertThrows(DiskException.class, () -> disk.rotate("c")).getMessage());
        assertEquals(
                "the disk has a bitmap 'b' already",
                assertThrows(DiskException.class, () -> bitmap("b")).getMessage());
    }

    @Test
    void bitmapsFollowTheDisksSizeAndWhatIsAddedIsMarked() throws IOException {
        DirtyBitmap b = bitmap("b");
        disk.resize(SIZE / 2);
        assertEquals(0, b.count());
        disk.resize(SIZE);
        assertEquals(SIZE, b.size());
        assertEquals(SIZE / 2, b.nextDirty(0));
        assertEquals(SIZE / 2, b.count());
    }

    @Test
    void aCheckpointIsTheDiskAsItWas() throws IOException {
        MemoryDisk.fill(disk, 0, SIZE / 2, 1);
        bitmap("b");
        MemoryDisk.fill(disk, 4096, 4096, 2);
        byte[] then = MemoryDisk.read(disk, 0, SIZE);
        CheckpointDisk view =
                TrackedDisk.atBoundary(List.of(disk), () -> disk.checkpoint(directory, List.of(disk.rotate("b"))));
        MemoryDisk.fill(disk, 0, 512, 3);
        disk.zero(200_704, 4096, true);
        disk.discard(SIZE / 2 - 65536, 100_352);
        MemoryDisk.fill(disk, SIZE - 512, 512, 4);
        assertArrayEquals(then, MemoryDisk.read(view, 0, SIZE));
        assertEquals(4096, view.bitmap("b").orElseThrow().count());
        assertEquals(4096, view.bitmap("b").orElseThrow().nextDirty(0));
        assertTrue(view.readOnly());
        assertThrows(IOException.class, () -> view.zero(0, 512, true));
        assertStatusTells(view, then);
        disk.resize(65536);
        assertArrayEquals(then, MemoryDisk.read(view, 0, SIZE));
        assertStatusTells(view, then);
        disk.resize(2 * SIZE);
        assertEquals(SIZE, view.size());
        assertArrayEquals(then, MemoryDisk.read(view, 0, SIZE));
        view.close();
        view.close();
        assertThrows(IOException.class, () -> MemoryDisk.read(view, 0, 512));
        MemoryDisk.fill(disk, 65536, 512, 5);
        try (var left = Files.list(directory)) {
            assertEquals(0, left.count(), "copies have no names");
        }
    }

    private static void assertStatusTells(BlockDevice view, byte[] content) throws IOException {
        boolean zeros = false;
        for (long at = 0; at < view.size(); ) {
            Extent e = view.status(at, view.size() - at);
            assertTrue(e.length() > 0 && e.length() <= view.size() - at);
            assertEquals(Extent.NOWHERE, e.offset());
            for (long i = at; e.zero() && i < at + e.length(); i++) {
                assertEquals(0, content[(int) i], "byte " + i);
            }
            zeros |= e.zero();
            at += e.length();
        }
        assertTrue(zeros, "half of it is zeros, and some of that has to be told");
    }

    @Test
    void aClusterIsCopiedOnceAndZerosAreNot() throws IOException {
        MemoryDisk.fill(disk, 0, SIZE / 2, 1);
        CheckpointDisk view = disk.checkpoint(directory, List.of());
        MemoryDisk.fill(disk, 0, 4096, 2);
        MemoryDisk.fill(disk, 0, 65536, 3);
        assertEquals(65536, view.allocated());
        disk.discard(0, SIZE);
        assertEquals(SIZE / 2, view.allocated());
        assertEquals(1, MemoryDisk.read(view, 0, 512)[0]);
        view.close();
    }

    @Test
    void copiesThatCannotBeWrittenAreTheCheckpointsLossAndNotTheDisks() throws IOException {
        MemoryDisk.fill(disk, 0, SIZE, 1);
        Path gone = Files.createDirectory(directory.resolve("gone"));
        CopyStore store = CopyStore.in(gone, 131072);
        CheckpointDisk view = disk.checkpoint(store, List.of());
        MemoryDisk.fill(disk, 0, 512, 2);
        assertEquals(1, MemoryDisk.read(view, 0, 512)[0]);
        Files.delete(gone);
        MemoryDisk.fill(disk, 262144, 512, 2);
        assertEquals(2, MemoryDisk.read(disk, 262144, 512)[0]);
        IOException e = assertThrows(IOException.class, () -> MemoryDisk.read(view, 0, 512));
        assertTrue(
                String.valueOf(e.getMessage()).startsWith("the checkpoint is lost, as a block could not be copied: "),
                e::toString);
        view.close();
        assertThrows(DiskException.class, () -> disk.checkpoint(gone, List.of()));
    }

    @Test
    void aBoundaryThatAWriteKeepsAwayIsGivenUpAndTheOthersGoOn() throws Exception {
        CountDownLatch writing = new CountDownLatch(1);
        CountDownLatch stalled = new CountDownLatch(1);
        TrackedDisk slow = new TrackedDisk(new MemoryDisk(SIZE) {
            @Override
            void pause() throws IOException {
                writing.countDown();
                try {
                    stalled.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
        });
        List<Throwable> wrong = new ArrayList<>();
        Thread t = Thread.ofPlatform().start(() -> {
            try {
                MemoryDisk.fill(slow, 0, 512, 1);
            } catch (IOException | RuntimeException e) {
                wrong.add(e);
            }
        });
        writing.await();
        AtomicBoolean done = new AtomicBoolean();
        assertThrows(
                DiskException.class,
                () -> TrackedDisk.atBoundary(List.of(disk, slow), Duration.ofMillis(10), () -> {
                    done.set(true);
                    return 0;
                }));
        assertFalse(done.get());
        MemoryDisk.fill(disk, 0, 512, 1); // is not held
        stalled.countDown();
        TrackedDisk.atBoundary(List.of(disk, slow), () -> {
            done.set(true);
            return 0;
        });
        t.join();
        assertTrue(done.get());
        assertEquals(List.of(), wrong);
    }
}
