package serai.storage.nbd;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import serai.storage.DiskException;

/**
 * Where an export is: {@code nbd://HOST[:PORT]/[EXPORT]} and {@code nbd+unix:///[EXPORT]?socket=PATH} as doc/uri.md of NetworkBlockDevice/nbd has
 * them, and what QEMU had before, {@code nbd:HOST:PORT[:exportname=EXPORT]} and {@code nbd:unix:PATH[:exportname=EXPORT]}.
 */
public sealed interface NbdUri {
    /** The export's name; "" is the default export. */
    String export();

    /** Addresses to try, one after another; of a host name those it has now. */
    List<SocketAddress> addresses() throws UnknownHostException;

    /**
     * On a TCP port.
     *
     * @param host name or address, without brackets
     * @param port 1 to 65535
     */
    record Tcp(String host, int port, String export) implements NbdUri {
        @Override
        public List<SocketAddress> addresses() throws UnknownHostException {
            return Arrays.stream(InetAddress.getAllByName(host))
                    .<SocketAddress>map(a -> new InetSocketAddress(a, port))
                    .toList();
        }

        @Override
        public String toString() {
            return "nbd://" + (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port + "/" + encoded(export);
        }
    }

    /** On a Unix socket. */
    record Unix(Path socket, String export) implements NbdUri {
        @Override
        public List<SocketAddress> addresses() {
            return List.of(UnixDomainSocketAddress.of(socket));
        }

        @Override
        public String toString() {
            return "nbd+unix:///" + encoded(export) + "?socket=" + encoded(socket.toString());
        }
    }

    /**
     * Parses one.
     *
     * @throws DiskException in one sentence if it is none, or needs what we don't have
     */
    static NbdUri parse(String text) throws DiskException {
        if (text.startsWith("nbd:") && !text.startsWith("nbd://")) {
            return NbdUriParser.qemu(text);
        }
        return NbdUriParser.standard(text);
    }

    /** Percent-encoding of all that RFC 3986 §2.3 does not have among its unreserved characters, slashes excepted. */
    private static String encoded(String s) {
        StringBuilder out = new StringBuilder();
        for (byte b : s.getBytes(StandardCharsets.UTF_8)) {
            if (b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || "-._~/".indexOf(b) >= 0) {
                out.append((char) b);
            } else {
                out.append("%%%02X".formatted(b & 0xff));
            }
        }
        return out.toString();
    }
}
