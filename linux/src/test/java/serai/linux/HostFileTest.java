package serai.linux;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("try")
class HostFileTest {
    private final Path dir;

    HostFileTest(@TempDir Path dir) {
        this.dir = dir;
    }

    @Test
    void transfers_goByRawAddress() throws IOException {
        try (SharedMapping m = SharedMapping.create("ram", 1 << 20);
                HostFile f = HostFile.open(dir.resolve("disk"), HostFile.Access.CREATE_NEW)) {
            for (int i = 0; i < 512; i++) {
                m.segment().set(ValueLayout.JAVA_BYTE, 4000 + i, (byte) (i * 7));
            }
            f.truncate(1 << 16);
            f.write(1024, m.address() + 4000, 512);
            f.flush();
            f.sync();
            assertEquals(1 << 16, f.size());
            f.readFully(1024, m.address() + 9000, 512);
            assertEquals(-1, m.segment().asSlice(4000, 512).mismatch(m.segment().asSlice(9000, 512)));
            // what has just been written is in memory, unless the file system can't tell
            if (f.readNow(1024, m.address() + 19000, 512)) {
                assertEquals(
                        -1, m.segment().asSlice(4000, 512).mismatch(m.segment().asSlice(19000, 512)));
            }
            assertFalse(f.readNow((1 << 16) - 100, m.address(), 4096), "the file ends before");
            assertFalse(f.readNow(0, 8, 100), "no memory there");
            assertEquals(100, f.read((1 << 16) - 100, m.address(), 4096));
            LinuxException e =
                    assertThrows(LinuxException.class, () -> f.readFully((1 << 16) - 100, m.address(), 4096));
            assertEquals(Errno.EIO, e.errno());
        }
    }

    @Test
    void badAddress_isEfaultNotACrash() throws IOException {
        try (HostFile f = HostFile.open(Files.write(dir.resolve("disk"), new byte[100]), HostFile.Access.READ_ONLY)) {
            LinuxException e = assertThrows(LinuxException.class, () -> f.read(0, 8, 100));
            assertEquals("EFAULT", e.errnoName());
        }
    }

    @Test
    void punchZeroAllocate_changeWhatTheFileSystemHolds() throws IOException {
        try (SharedMapping m = SharedMapping.create("ram", 1 << 20);
                HostFile f = HostFile.open(dir.resolve("disk"), HostFile.Access.CREATE_NEW)) {
            m.segment().fill((byte) 1);
            f.write(0, m.address(), 1 << 20);
            f.sync();
            long full = f.allocated();
            assertTrue(full >= 1 << 20, "allocated " + full);
            f.punch(0, 1 << 19);
            assertTrue(f.allocated() <= full - (1 << 19), "allocated " + f.allocated());
            f.zero((1 << 20) - 4096, 4096);
            f.readFully(0, m.address(), 1 << 20);
            assertEquals(0, m.segment().get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(1, m.segment().get(ValueLayout.JAVA_BYTE, (1 << 20) - 4097));
            assertEquals(0, m.segment().get(ValueLayout.JAVA_BYTE, (1 << 20) - 1));
            f.allocate(1 << 20, 4096);
            assertEquals((1 << 20) + 4096, f.size());
        }
    }

    @Test
    void writer_locksOutEverybody() throws IOException {
        Path p = Files.write(dir.resolve("disk"), new byte[512]);
        try (HostFile a = HostFile.open(p, HostFile.Access.READ_WRITE);
                HostFile b = HostFile.open(p, HostFile.Access.READ_WRITE);
                HostFile c = HostFile.open(p, HostFile.Access.READ_ONLY)) {
            a.lock();
            LinuxException e = assertThrows(LinuxException.class, b::lock);
            assertEquals(Errno.EAGAIN, e.errno());
            assertTrue(e.getMessage().contains("is locked by another"), e.getMessage());
            assertThrows(LinuxException.class, c::lock);
            a.unlock();
            b.lock();
            b.close();
            c.lock();
        }
    }

    @Test
    void readers_shareALock() throws IOException {
        Path p = Files.write(dir.resolve("disk"), new byte[512]);
        try (HostFile a = HostFile.open(p, HostFile.Access.READ_ONLY);
                HostFile b = HostFile.open(p, HostFile.Access.READ_ONLY);
                HostFile w = HostFile.open(p, HostFile.Access.READ_WRITE)) {
            a.lock();
            b.lock();
            assertThrows(LinuxException.class, w::lock);
        }
    }

    @Test
    void lock_holdsAgainstAnotherProcess() throws Exception {
        Path p = Files.write(dir.resolve("disk"), new byte[512]);
        try (HostFile a = HostFile.open(p, HostFile.Access.READ_WRITE)) {
            assertEquals("free", lockElsewhere(p));
            a.lock();
            assertEquals("locked", lockElsewhere(p));
        }
        assertEquals("free", lockElsewhere(p));
    }

    /** As when a process is started at the moment of closing: it has the descriptor until its exec. */
    @Test
    void lastClose_unlocksAlthoughAnotherProcessHasTheDescriptor() throws IOException {
        Path p = Files.write(dir.resolve("disk"), new byte[512]);
        HostFile a = HostFile.open(p, HostFile.Access.READ_WRITE);
        a.lock();
        HostFile again = a.again();
        int copy = Libc.check(Libc.fcntl(a.fd(), 1030, 0), "F_DUPFD_CLOEXEC");
        try (HostFile b = HostFile.open(p, HostFile.Access.READ_WRITE)) {
            a.close();
            assertThrows(LinuxException.class, b::lock);
            again.close();
            b.lock();
        } finally {
            Libc.close(copy);
        }
    }

    private static String lockElsewhere(Path p) throws Exception {
        Process other = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xshare:auto",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Other.class.getName(),
                        p.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String said = new String(other.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertTrue(other.waitFor(30, TimeUnit.SECONDS));
        return said.strip();
    }

    /** The other process: tries a POSIX lock, which conflicts with ours. */
    static final class Other {
        private Other() {}

        public static void main(String[] args) throws IOException {
            try (FileChannel c = FileChannel.open(Path.of(args[0]), StandardOpenOption.WRITE)) {
                System.out.println(c.tryLock() == null ? "locked" : "free");
            }
        }
    }

    @Test
    void refusals_nameTheFileAndTheReason() throws IOException {
        Path none = dir.resolve("none");
        LinuxException e = assertThrows(LinuxException.class, () -> HostFile.open(none, HostFile.Access.READ_ONLY));
        assertEquals("can't read " + none + ": no such file (ENOENT)", e.getMessage());
        Path there = Files.write(dir.resolve("there"), new byte[] {1, 2, 3});
        e = assertThrows(LinuxException.class, () -> HostFile.open(there, HostFile.Access.CREATE_NEW));
        assertEquals("EEXIST", e.errnoName());
        try (HostFile f = HostFile.open(there, HostFile.Access.READ_ONLY)) {
            assertThrows(LinuxException.class, () -> f.truncate(0));
            f.close();
        }
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(there));
    }
}
