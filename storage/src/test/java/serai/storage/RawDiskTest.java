package serai.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RawDiskTest {
    @TempDir
    private Path directory;

    private Path image(int bytes) throws IOException {
        Path p = directory.resolve("disk.img");
        Files.write(p, new byte[bytes]);
        return p;
    }

    private static void refused(String expected, Path path, boolean readOnly) {
        DiskException e = assertThrows(
                DiskException.class, () -> RawDisk.open(path, readOnly).close());
        assertEquals("disk " + path + " " + expected, e.getMessage());
    }

    @Test
    void whatIsWrittenIsInTheFile() throws IOException {
        Path p = image(4096);
        try (Arena arena = Arena.ofConfined();
                RawDisk d = RawDisk.open(p, false)) {
            assertEquals(4096, d.size());
            MemorySegment m = arena.allocate(512);
            m.fill((byte) 7);
            d.write(1024, m.address(), 512);
            d.flush();
            m.fill((byte) 0);
            d.read(1536 - 512, m.address(), 512);
            assertEquals(7, m.get(ValueLayout.JAVA_BYTE, 511));
            assertThrows(IOException.class, () -> d.read(4096, m.address(), 512));
            assertThrows(IOException.class, () -> d.write(-512, m.address(), 512));
            assertThrows(IOException.class, () -> d.read(0, m.address(), Long.MAX_VALUE));
        }
        byte[] expected = new byte[4096];
        java.util.Arrays.fill(expected, 1024, 1536, (byte) 7);
        assertArrayEquals(expected, Files.readAllBytes(p));
    }

    @Test
    void rangesAreZeroedAndDiscarded() throws IOException {
        byte[] full = new byte[64 << 10];
        java.util.Arrays.fill(full, (byte) 7);
        Path p = directory.resolve("disk.img");
        for (int how = 0; how < 3; how++) {
            Files.write(p, full);
            try (RawDisk d = RawDisk.open(p, false)) {
                int n = how;
                assertThrows(IOException.class, () -> change(d, n, 60 << 10, 8 << 10));
                change(d, how, 512, 32 << 10);
            }
            byte[] expected = full.clone();
            java.util.Arrays.fill(expected, 512, 512 + (32 << 10), (byte) 0);
            byte[] now = Files.readAllBytes(p);
            if (how == 2) {
                // a file system may leave what is discarded, but nothing else may change
                System.arraycopy(now, 512, expected, 512, 32 << 10);
            }
            assertArrayEquals(expected, now);
        }
    }

    private static void change(RawDisk d, int how, long position, long length) throws IOException {
        if (how == 2) {
            d.discard(position, length);
        } else {
            d.zero(position, length, how == 1);
        }
    }

    @Test
    void whatIsNoDiskIsRefusedInOneSentence() throws IOException {
        refused("does not exist", directory.resolve("none"), true);
        refused("is a directory", directory, true);
        refused("has 1000 bytes, and a raw disk has a multiple of 512", image(1000), false);
        refused("has 0 bytes, and a raw disk has a multiple of 512", image(0), false);
    }

    @Test
    void oneWriterOrManyReaders() throws IOException {
        Path p = image(1024);
        try (RawDisk d = RawDisk.open(p, false)) {
            assertTrue(!d.readOnly());
            refused("is in use by another VM", p, false);
            refused("is in use by another VM", p, true);
        }
        try (RawDisk a = RawDisk.open(p, true);
                RawDisk b = RawDisk.open(p, true)) {
            assertTrue(a.readOnly() && b.readOnly());
            refused("is in use by another VM", p, false);
        }
    }
}
