package serai.network.nat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Locale;

/**
 * A port of the host that leads to one of the guest.
 *
 * @param host where it listens; port 0 is one that is free
 * @param guest where it leads; an address of zeros stands for the first that DHCP gives
 */
public record HostForward(Protocol protocol, InetSocketAddress host, InetSocketAddress guest) {
    /** What is forwarded. */
    public enum Protocol {
        TCP,
        UDP
    }

    /** Refuses names that have no address, and port 0 of the guest. */
    public HostForward {
        if (host.isUnresolved() || guest.isUnresolved()) {
            throw new IllegalArgumentException("a forwarded port needs addresses, not names");
        }
        if (guest.getPort() == 0) {
            throw new IllegalArgumentException("the guest's port of a forwarded port is 1 to 65535");
        }
    }

    /**
     * Reads it as QEMU's {@code hostfwd} has it: {@code tcp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT}; addresses are numeric, those of IPv6 in
     * brackets. Without an address it is all of the host's.
     *
     * @throws IllegalArgumentException with a sentence that says what is wrong
     */
    public static HostForward parse(String text) {
        int colon = text.indexOf(':');
        int dash = text.indexOf('-', Math.max(colon, 0));
        if (colon < 0 || dash < 0) {
            throw bad(text);
        }
        Protocol protocol =
                switch (text.substring(0, colon).toLowerCase(Locale.ROOT)) {
                    case "tcp", "" -> Protocol.TCP;
                    case "udp" -> Protocol.UDP;
                    default -> throw bad(text);
                };
        InetSocketAddress guest = endpoint(text, text.substring(dash + 1));
        if (guest.getPort() == 0) {
            throw bad(text);
        }
        return new HostForward(protocol, endpoint(text, text.substring(colon + 1, dash)), guest);
    }

    private static InetSocketAddress endpoint(String text, String part) {
        int colon = part.lastIndexOf(':');
        if (colon < 0) {
            throw bad(text);
        }
        String address = part.substring(0, colon);
        if (address.startsWith("[") && address.endsWith("]")) {
            address = address.substring(1, address.length() - 1);
        }
        try {
            int port = Integer.parseInt(part.substring(colon + 1));
            return new InetSocketAddress(InetAddress.ofLiteral(address.isEmpty() ? "0.0.0.0" : address), port);
        } catch (IllegalArgumentException e) {
            throw bad(text);
        }
    }

    private static IllegalArgumentException bad(String text) {
        return new IllegalArgumentException(
                "bad forwarded port '" + text + "': it is tcp or udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT");
    }
}
