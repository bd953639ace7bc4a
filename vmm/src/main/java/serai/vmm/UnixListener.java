package serai.vmm;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Unix sockets that are listened at: one that a dead process has left is replaced, nothing else is. */
final class UnixListener {
    private UnixListener() {}

    /**
     * Listens.
     *
     * @param what that is for, as a sentence begins with it
     * @throws VmmException if the path can't be had
     */
    static ServerSocketChannel listen(String what, Path path) throws VmmException {
        try {
            UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
            if (Files.exists(path) && isAbandoned(path, address)) {
                Files.delete(path);
            }
            ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                s.bind(address);
            } catch (IOException e) {
                s.close();
                throw e;
            }
            return s;
        } catch (IOException e) {
            throw new VmmException(
                    VmmException.HOST, "%s can't listen at %s: %s".formatted(what, path, Reasons.of(e)), e);
        }
    }

    private static boolean isAbandoned(Path path, UnixDomainSocketAddress address) throws IOException {
        if (Files.isRegularFile(path) || Files.isDirectory(path)) {
            return false;
        }
        try (SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            c.connect(address);
            return false;
        } catch (IOException e) {
            return true;
        }
    }
}
