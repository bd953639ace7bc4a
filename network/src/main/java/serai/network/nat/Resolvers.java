package serai.network.nat;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The host's name servers, to which queries of the guest are passed on as they are. The file that names them is read by the NAT's thread alone, and again when they are
 * used more than 5 seconds after; the guest's thread takes what is known.
 */
final class Resolvers {
    static final int PORT = 53;

    private static final Logger LOG = System.getLogger(Resolvers.class.getName());

    private static final Path FILE = Path.of("/etc/resolv.conf");
    private static final long MAX_FILE = 64 << 10;
    private static final int MOST = 3; // as the C library
    private static final long FRESH_MILLIS = 5000;

    private final boolean given;
    private List<InetSocketAddress> servers;
    private long read;
    private boolean stale;
    private final Core core;

    Resolvers(Core core, List<InetSocketAddress> servers) {
        this.core = core;
        given = !servers.isEmpty();
        this.servers = given ? servers : parse(contents());
        read = core.now();
    }

    /** The one to ask. */
    InetSocketAddress first() {
        if (!given && !stale && core.now() - read >= FRESH_MILLIS) {
            stale = true;
            core.loop.arm(core.now());
        }
        return servers.getFirst();
    }

    /** Whether the file should be read again. */
    boolean isStale() {
        return stale;
    }

    void update(List<InetSocketAddress> fresh) {
        servers = fresh;
        read = core.now();
        stale = false;
    }

    /** The file, without any lock. */
    static String contents() {
        try {
            return Files.size(FILE) > MAX_FILE ? "" : Files.readString(FILE, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return "";
        }
    }

    /** The name servers of such a file (resolv.conf(5)): three at most; the host itself if there is none. */
    static List<InetSocketAddress> parse(String contents) {
        List<InetSocketAddress> found = new ArrayList<>();
        for (String line : contents.split("\n")) {
            String[] words = line.strip().split("\\s+");
            if (words.length >= 2 && words[0].equals("nameserver") && found.size() < MOST) {
                try {
                    found.add(new InetSocketAddress(InetAddress.ofLiteral(words[1]), PORT));
                } catch (IllegalArgumentException e) {
                    LOG.log(
                            Level.DEBUG,
                            "not the address of a name server, as the C library sees it, too: {0}",
                            words[1]);
                }
            }
        }
        if (found.isEmpty()) {
            found.add(new InetSocketAddress(Ip.v4(0x7f000001).toInetAddress(), PORT));
        }
        return List.copyOf(found);
    }
}
