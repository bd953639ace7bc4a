package serai.network.lan;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import serai.network.NetworkPort;
import serai.network.nat.HostForward;
import serai.network.nat.UserNetwork;
import serai.network.nat.UserNetworkConfig;
import serai.network.pcap.CapturedPort;
import serai.network.stream.StreamPort;

/**
 * A switch as a process of its own, until it is told to end: {@code WORD...}, each a port.
 *
 * <pre>
 *   path=SOCKET[,KEY=VALUE]...   a Unix socket that is made for one VM: --net stream,path=SOCKET
 *   user[,KEY=VALUE]...          the way out: a user network that all VMs share; hostfwd= and restrict=on as there
 *   of both: name=NAME mac=ADDRESS ip=ADDRESS (repeated) vlan=N trunk=N (repeated) rate=BYTES capture=FILE
 * </pre>
 *
 * A comma in a value is written twice. At its end it tells what has gone through each port on standard error.
 */
public final class SwitchMain {
    private static final int USAGE = 2, HOST = 8;

    /** A port, as its word says. */
    private static final class Wanted {
        private @Nullable Path path;
        private UserNetworkConfig user = UserNetworkConfig.DEFAULT;
        private String name = "";
        private long mac = -1;
        private final Set<InetAddress> addresses = new HashSet<>();
        private int vlan;
        private final Set<Integer> trunk = new HashSet<>();
        private long rate;
        private @Nullable Path capture;

        PortRules rules() {
            int number = vlan == 0 && trunk.isEmpty() ? PortRules.DEFAULT_VLAN : vlan;
            return new PortRules(name, mac, addresses, number, trunk, rate);
        }
    }

    private SwitchMain() {}

    /** Runs it. */
    public static void main(String[] args) throws InterruptedException {
        List<Wanted> ports = new ArrayList<>();
        try {
            for (String a : args) {
                ports.add(parse(a, ports.size() + 1));
            }
            if (ports.isEmpty()) {
                throw new IllegalArgumentException("a switch needs ports, such as path=a.sock");
            }
            ports.forEach(Wanted::rules);
        } catch (IllegalArgumentException e) {
            System.err.println("serai: " + e.getMessage());
            System.exit(USAGE);
        }
        Switch s = new Switch(() -> System.nanoTime() / 1_000_000);
        try {
            for (Wanted w : ports) {
                s.add(w.rules(), open(w));
            }
        } catch (IOException e) {
            s.close();
            System.err.println("serai: a port of the switch can't be had: " + e.getMessage());
            System.exit(HOST);
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            s.close();
            s.counters()
                    .forEach((name, c) -> System.err.printf(
                            Locale.ROOT,
                            "serai: port %s: %d frames and %d bytes in, %d and %d out, %d malformed, %d forbidden, %d above the rate%n",
                            name,
                            c.received(),
                            c.receivedBytes(),
                            c.sent(),
                            c.sentBytes(),
                            c.malformed(),
                            c.forbidden(),
                            c.limited()));
        }));
        s.start();
        System.err.println("serai: the switch works, with " + ports.size() + " ports");
        new CountDownLatch(1).await();
    }

    private static NetworkPort open(Wanted w) throws IOException {
        Path path = w.path;
        NetworkPort p = path != null
                ? StreamPort.listen(path)
                : UserNetwork.start(w.user).port();
        Path capture = w.capture;
        return capture == null ? p : CapturedPort.of(p, capture);
    }

    private static Wanted parse(String word, int number) {
        Wanted w = new Wanted();
        w.name = Integer.toString(number);
        boolean user = false;
        for (String setting : word.replace(",,", "\0").split(",")) {
            String s = setting.replace('\0', ',');
            int eq = s.indexOf('=');
            String key = eq < 0 ? s : s.substring(0, eq);
            String value = eq < 0 ? "" : s.substring(eq + 1);
            switch (key) {
                case "path" -> w.path = Path.of(value);
                case "user" -> user = true;
                case "hostfwd" -> w.user = w.user.withForward(HostForward.parse(value));
                case "restrict" -> w.user = w.user.withRestrict(value.equals("on"));
                case "name" -> w.name = value;
                case "mac" -> w.mac = mac(value);
                case "ip" -> w.addresses.add(InetAddress.ofLiteral(value));
                case "vlan" -> w.vlan = (int) number(s, value, PortRules.MAX_VLAN);
                case "trunk" -> w.trunk.add((int) number(s, value, PortRules.MAX_VLAN));
                case "rate" -> w.rate = number(s, value, 1L << 40);
                case "capture" -> w.capture = Path.of(value);
                default -> throw new IllegalArgumentException("a port of a switch has no setting '" + key + "'");
            }
        }
        if (user == (w.path != null)) {
            throw new IllegalArgumentException("a port of a switch is path=SOCKET or user, not '" + word + "'");
        }
        return w;
    }

    private static long mac(String v) {
        if (!v.matches("\\p{XDigit}{2}(:\\p{XDigit}{2}){5}")) {
            throw new IllegalArgumentException("mac must be like 52:54:00:12:34:56, not '" + v + "'");
        }
        return Long.parseLong(v.replace(":", ""), 16);
    }

    private static long number(String setting, String v, long most) {
        if (!v.matches("\\d{1,15}") || Long.parseLong(v) < 1 || Long.parseLong(v) > most) {
            throw new IllegalArgumentException(setting + " must be a number from 1 to " + most);
        }
        return Long.parseLong(v);
    }
}
