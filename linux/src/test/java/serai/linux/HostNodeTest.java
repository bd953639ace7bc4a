package serai.linux;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class HostNodeTest {
    @TempDir
    Path dir;

    private static byte[] name(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void whatIsInATreeIsFoundNameByName() throws Exception {
        Files.createDirectories(dir.resolve("tree/sub"));
        Files.writeString(dir.resolve("tree/sub/f"), "hello");
        try (HostNode root = HostNode.directory(dir.resolve("tree"));
                HostNode sub = root.child(name("sub"));
                HostNode f = sub.child(name("f"));
                HostReader r = f.open();
                HostReader d = sub.open()) {
            assertEquals(HostNode.DIRECTORY, sub.status().type());
            assertEquals(HostNode.REGULAR, f.status().type());
            assertEquals(5, f.status().size());
            assertEquals(
                    Files.getAttribute(dir.resolve("tree/sub/f"), "unix:ino"),
                    f.status().inode());
            assertEquals(
                    Files.getAttribute(dir.resolve("tree/sub/f"), "unix:dev"),
                    f.status().device());
            assertEquals(
                    Files.getLastModifiedTime(dir.resolve("tree/sub/f"))
                            .toInstant()
                            .getEpochSecond(),
                    f.status().modified().seconds());
            assertArrayEquals(name("llo"), r.read(2, 100));
            assertEquals(0, r.read(100, 100).length);
            TreeSet<String> names = new TreeSet<>();
            for (HostReader.Entry e : d.entries(0)) {
                names.add(new String(e.name(), StandardCharsets.UTF_8));
            }
            assertEquals("[., .., f]", names.toString());
            assertTrue(root.space().blocks() > 0);
        }
    }

    @Test
    void nothingLeadsOut() throws Exception {
        Files.createDirectories(dir.resolve("tree"));
        Files.writeString(dir.resolve("secret"), "secret");
        Files.createSymbolicLink(dir.resolve("tree/l"), Path.of("../secret"));
        Files.createSymbolicLink(dir.resolve("tree/d"), Path.of(".."));
        try (HostNode root = HostNode.directory(dir.resolve("tree"));
                HostNode l = root.child(name("l"));
                HostNode d = root.child(name("d"))) {
            for (String bad : new String[] {"", ".", "..", "/", "a/b", "../secret", "/etc", "a\0b", "x".repeat(256)}) {
                assertFalse(HostNode.isName(name(bad)));
                LinuxException e = assertThrows(
                        LinuxException.class, () -> root.child(name(bad)).close());
                assertEquals(Errno.EINVAL, e.errno());
            }
            assertTrue(HostNode.isName(name("...")));
            assertEquals(HostNode.LINK, l.status().type());
            assertArrayEquals(name("../secret"), l.link());
            assertEquals(
                    Errno.ENXIO,
                    assertThrows(LinuxException.class, () -> l.open().close()).errno());
            assertThrows(LinuxException.class, () -> d.child(name("secret")).close());
            assertEquals(
                    Errno.EINVAL, assertThrows(LinuxException.class, root::link).errno());
        }
    }

    @Test
    void fifosAreNeverOpened() throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", dir.resolve("p").toString())
                        .start()
                        .waitFor());
        try (HostNode root = HostNode.directory(dir);
                HostNode p = root.child(name("p"))) {
            assertEquals(
                    Errno.ENXIO,
                    assertThrows(LinuxException.class, () -> p.open().close()).errno());
        }
    }
}
