package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SocketPortTest {
    @TempDir
    Path directory;

    @Test
    void withoutAClient_whatTheGuestWritesIsDropped() throws Exception {
        try (SocketPort p = SocketPort.listen("name", directory.resolve("s"))) {
            assertEquals(3, p.write(new byte[] {1, 2, 3}, 0));
            assertEquals(1, p.write(new byte[] {1, 2, 3}, 2));
            assertFalse(p.isConsole());
        }
        assertFalse(Files.exists(directory.resolve("s")), "it is gone with the port");
    }

    @Test
    void aSocketThatSomebodyUses_orAFile_isNotReplaced() throws Exception {
        Path path = directory.resolve("s");
        try (SocketPort p = SocketPort.listen("name", path)) {
            VmmException e = assertThrows(
                    VmmException.class, () -> SocketPort.listen("name", path).close());
            assertTrue(String.valueOf(e.getMessage()).startsWith("port name can't listen at " + path), e.getMessage());
            assertTrue(Files.exists(path));
        }
        Files.writeString(path, "precious");
        assertThrows(VmmException.class, () -> SocketPort.listen("name", path).close());
        assertEquals("precious", Files.readString(path));
    }

    @Test
    void whatADeadProcessHasLeft_isReplaced() throws Exception {
        Path path = directory.resolve("s");
        try (ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            s.bind(UnixDomainSocketAddress.of(path));
        }
        assertTrue(Files.exists(path));
        SocketPort.listen("name", path).close();
    }
}
