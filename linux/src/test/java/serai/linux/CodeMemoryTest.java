package serai.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class CodeMemoryTest {
    private static final long SIZE = 1 << 20;

    private static MemorySegment at(long address) {
        return MemorySegment.ofAddress(address).reinterpret(SIZE);
    }

    /** What this process has of a mapping in its page table, in KiB. */
    private static long resident(long address) throws IOException {
        String mapping = Long.toHexString(address) + "-";
        boolean found = false;
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
            if (found && line.startsWith("Rss:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
            found |= line.startsWith(mapping);
        }
        throw new AssertionError("no mapping at " + mapping);
    }

    @Test
    void whatIsWrittenAtOneAddressIsReadAtTheOther() throws LinuxException {
        try (CodeMemory m = CodeMemory.create(SIZE)) {
            at(m.writable()).set(ValueLayout.JAVA_LONG, SIZE - 8, 42);
            assertEquals(42, at(m.executable()).get(ValueLayout.JAVA_LONG, SIZE - 8));
        }
    }

    @Test
    void whatHasBeenWrittenStaysAndCanBeWrittenAgain() throws Exception {
        try (CodeMemory m = CodeMemory.create(SIZE)) {
            MemorySegment writable = at(m.writable());
            writable.fill((byte) 7);
            assertEquals(SIZE >> 10, resident(m.writable()));
            m.written(m.writable() + 1, m.writable() + SIZE);
            assertTrue(resident(m.writable()) <= 4, "more than the page that is written in part");
            assertEquals(7, at(m.executable()).get(ValueLayout.JAVA_BYTE, SIZE - 1));
            writable.set(ValueLayout.JAVA_BYTE, SIZE - 1, (byte) 8);
            assertEquals(8, at(m.executable()).get(ValueLayout.JAVA_BYTE, SIZE - 1));
            assertEquals(7, writable.get(ValueLayout.JAVA_BYTE, SIZE - 2));
        }
    }

    @Test
    void whatIsDiscardedIsGoneFromBothMappingsAndCanBeWrittenAgain() throws Exception {
        try (CodeMemory m = CodeMemory.create(SIZE)) {
            MemorySegment writable = at(m.writable());
            MemorySegment executable = at(m.executable());
            writable.fill((byte) 7);
            assertEquals(7, executable.get(ValueLayout.JAVA_BYTE, SIZE / 2));
            m.discard(m.writable() + 1, m.writable() + SIZE - 1);
            assertEquals(8, resident(m.writable()), "the first and the last page");
            assertTrue(resident(m.executable()) <= 8);
            assertEquals(0, executable.get(ValueLayout.JAVA_BYTE, SIZE / 2), "of the file, too");
            assertEquals(7, writable.get(ValueLayout.JAVA_BYTE, 4095));
            writable.set(ValueLayout.JAVA_BYTE, SIZE / 2, (byte) 8);
            assertEquals(8, executable.get(ValueLayout.JAVA_BYTE, SIZE / 2));
        }
    }

    @Test
    void aSizeThatIsNotOfWholePagesIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> CodeMemory.create(4097));
        assertThrows(IllegalArgumentException.class, () -> CodeMemory.create(0));
    }
}
