package serai.vmm;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.network.nat.HostForward;
import serai.network.nat.UserNetworkConfig;
import serai.vmm.net.Network;

/** The settings of one kind of network. */
abstract class NetworkWords {
    /** Takes a setting; false if it is none of this kind's. */
    abstract boolean take(String key, String value) throws VmmException;

    abstract Network finish() throws VmmException;

    static NetworkWords of(String kind) throws VmmException {
        return switch (kind) {
            case "none" -> new None();
            case "stream" -> new Stream();
            case "user" -> new User();
            default -> throw Words.usage("a network is user, stream or none, not '" + kind + "'");
        };
    }

    private static boolean onOff(String key, String v) throws VmmException {
        return Words.oneOf(key + " of a network", v, "on", "off").equals("on");
    }

    private static final class None extends NetworkWords {
        @Override
        boolean take(String key, String value) {
            return false;
        }

        @Override
        Network finish() {
            return new Network.None();
        }
    }

    private static final class Stream extends NetworkWords {
        private @Nullable Path path;
        private boolean server;

        @Override
        boolean take(String key, String value) throws VmmException {
            switch (key) {
                case "path", "addr.path" -> path = Words.path("path of a network", value);
                case "server" -> server = onOff("server", value);
                case "addr.type" -> {
                    String unused = Words.oneOf("addr.type of a network", value, "unix");
                }
                default -> {
                    return false;
                }
            }
            return true;
        }

        @Override
        Network finish() throws VmmException {
            if (path == null) {
                throw Words.usage("a network of 'stream' needs path=PATH, its socket");
            }
            return new Network.Stream(path, server);
        }
    }

    private static final class User extends NetworkWords {
        private UserNetworkConfig config = UserNetworkConfig.DEFAULT;

        @Override
        boolean take(String key, String value) throws VmmException {
            switch (key) {
                case "hostfwd" -> change(c -> c.withForward(HostForward.parse(value)));
                case "restrict" -> {
                    boolean on = onOff(key, value);
                    change(c -> c.withRestrict(on));
                }
                case "ipv4" -> {
                    boolean on = onOff(key, value);
                    change(c -> c.withVersions(on, c.ipv6()));
                }
                case "ipv6" -> {
                    boolean on = onOff(key, value);
                    change(c -> c.withVersions(c.ipv4(), on));
                }
                case "net" -> net(value);
                case "hostname" -> change(c -> c.withNames(value, c.domain()));
                case "domainname" -> change(c -> c.withNames(c.hostname(), value));
                case "resolver" -> resolver(value);
                default -> {
                    return false;
                }
            }
            return true;
        }

        /** Addresses within the network as QEMU numbers them: 2 the host, 3 the name server, from 15 on those that DHCP gives. */
        private void net(String value) throws VmmException {
            int slash = value.indexOf('/');
            int prefix = slash < 0 ? 24 : (int) Words.number("bits of a network", value.substring(slash + 1), 8, 28);
            try {
                if (slash < 0 || !(InetAddress.ofLiteral(value.substring(0, slash)) instanceof Inet4Address net)) {
                    throw Words.usage("net of a network must be like 10.0.2.0/24, not '" + value + "'");
                }
                change(c -> c.withIpv4(net, prefix, within(net, 2), within(net, 3), within(net, prefix > 27 ? 4 : 15)));
            } catch (IllegalArgumentException e) {
                throw Words.usage("net of a network must be like 10.0.2.0/24, not '" + value + "'");
            }
        }

        private static Inet4Address within(Inet4Address net, int number) {
            byte[] b = net.getAddress();
            b[3] += (byte) number;
            try {
                return (Inet4Address) InetAddress.getByAddress(b);
            } catch (java.net.UnknownHostException e) {
                throw new IllegalStateException(e); // only of a wrong length
            }
        }

        private void resolver(String value) throws VmmException {
            int colon = value.lastIndexOf(':');
            boolean port = colon > 0 && (value.indexOf(':') == colon || value.charAt(colon - 1) == ']');
            String address = port ? value.substring(0, colon) : value;
            int number = port ? (int) Words.number("resolver's port", value.substring(colon + 1), 1, 65_535) : 53;
            String literal = address.startsWith("[") ? address.substring(1, address.length() - 1) : address;
            try {
                InetSocketAddress at = new InetSocketAddress(InetAddress.ofLiteral(literal), number);
                change(c -> c.withResolvers(
                        java.util.stream.Stream.concat(c.resolvers().stream(), java.util.stream.Stream.of(at))
                                .toList()));
            } catch (IllegalArgumentException e) {
                throw Words.usage("resolver of a network must be an address, perhaps with :PORT, not '" + value + "'");
            }
        }

        private void change(UnaryOperator<UserNetworkConfig> how) throws VmmException {
            try {
                config = how.apply(config);
            } catch (IllegalArgumentException e) {
                throw Words.usage(String.valueOf(e.getMessage()));
            }
        }

        @Override
        Network finish() {
            return new Network.User(config);
        }
    }
}
