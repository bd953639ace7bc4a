package serai.network.stream;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Unix sockets that have a place in the file system. */
public final class UnixSockets {
    private UnixSockets() {}

    /**
     * Listens.
     *
     * @throws IOException if the path can't be had: a socket that a dead process has left there is replaced, nothing else is
     */
    public static ServerSocketChannel listen(Path path) throws IOException {
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        if (Files.exists(path) && isAbandoned(path, address)) {
            Files.delete(path);
        }
        ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            s.bind(address);
            return s;
        } catch (IOException e) {
            s.close();
            throw e;
        }
    }

    private static boolean isAbandoned(Path path, UnixDomainSocketAddress address) {
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
