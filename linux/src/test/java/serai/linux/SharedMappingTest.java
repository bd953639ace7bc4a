package serai.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SharedMappingTest {
    private static final long TWO_GIB = 2L << 30;

    @Test
    void twoGib_mapInMilliseconds_andStayUnresident() throws LinuxException {
        SharedMapping.create("warm-up", 4096).close();
        long start = System.nanoTime();
        SharedMapping m = SharedMapping.create("ram", TWO_GIB);
        long micros = (System.nanoTime() - start) / 1000;
        try (m) {
            assertTrue(micros < 100_000, micros + " us"); // 7 s by Arena.allocate; well below 1 ms when measured
            assertEquals(0, m.resident());
            m.segment().set(ValueLayout.JAVA_BYTE, TWO_GIB - 1, (byte) 1);
            assertEquals(4096, m.resident());
        }
    }

    @Test
    void secondMapping_seesTheFirstOnesData() throws LinuxException {
        try (SharedMapping a = SharedMapping.create("ram", 1 << 20);
                SharedMapping b = SharedMapping.map(a.fd(), 4096, 8192, true);
                SharedMapping other = SharedMapping.map(
                        Path.of("/proc/" + ProcessHandle.current().pid() + "/fd/" + a.fd()), true)) {
            a.segment().set(ValueLayout.JAVA_LONG, 4096, 0x1122334455667788L);
            assertEquals(0x1122334455667788L, b.segment().get(ValueLayout.JAVA_LONG, 0));
            b.segment().set(ValueLayout.JAVA_LONG, 8, 42);
            assertEquals(42, other.segment().get(ValueLayout.JAVA_LONG, 4104));
        }
    }

    @Test
    void discard_givesPagesBackAndReadsZero() throws LinuxException {
        try (SharedMapping m = SharedMapping.create("ram", 1 << 20)) {
            m.segment().fill((byte) 7);
            assertEquals(1 << 20, m.resident());
            m.discard(4096, 8192);
            assertEquals((1 << 20) - 8192, m.resident());
            assertEquals(0, m.segment().get(ValueLayout.JAVA_BYTE, 4096));
            assertEquals(7, m.segment().get(ValueLayout.JAVA_BYTE, 4095));
            assertEquals(7, m.segment().get(ValueLayout.JAVA_BYTE, 12288));
            assertThrows(IllegalArgumentException.class, () -> m.discard(100, 4096));
            assertThrows(IllegalArgumentException.class, () -> m.discard(1 << 20, 4096));
        }
    }

    @Test
    void memfdSize_isSealed() throws LinuxException {
        try (SharedMapping m = SharedMapping.create("ram", 8192)) {
            assertEquals(-Errno.EPERM, Libc.ftruncate(m.fd(), 4096));
        }
    }

    @Test
    void file_isMappedWhole(@TempDir Path dir) throws Exception {
        Path f = Files.write(dir.resolve("ram"), new byte[8192]);
        try (SharedMapping m = SharedMapping.map(f, true)) {
            assertEquals(8192, m.size());
            m.segment().set(ValueLayout.JAVA_BYTE, 5000, (byte) 9);
        }
        assertEquals(9, Files.readAllBytes(f)[5000]);
        LinuxException e = assertThrows(LinuxException.class, () -> SharedMapping.map(dir.resolve("none"), true));
        assertEquals("ENOENT", e.errnoName());
        Files.write(f, new byte[1]);
        assertThrows(LinuxException.class, () -> SharedMapping.map(f, true));
    }

    @Test
    void notWholePages_areRefused() {
        assertThrows(IllegalArgumentException.class, () -> SharedMapping.create("x", 100));
        assertThrows(IllegalArgumentException.class, () -> SharedMapping.create("x", 0));
    }

    @Test
    void moreThanTheAddressSpace_isOneSentence() {
        LinuxException e = assertThrows(LinuxException.class, () -> SharedMapping.create("x", 1L << 60));
        assertTrue(e.getMessage().startsWith("can't "), e.getMessage());
    }

    @Test
    void segment_beginsAtTheAddress() throws LinuxException {
        try (SharedMapping m = SharedMapping.create("ram", 4096)) {
            MemorySegment s = m.segment();
            assertEquals(m.address(), s.address());
            assertEquals(m.size(), s.byteSize());
            m.adviseGuestMemory();
        }
    }
}
