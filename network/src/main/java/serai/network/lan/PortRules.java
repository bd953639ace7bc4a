package serai.network.lan;

import java.net.InetAddress;
import java.util.Set;

/**
 * What somebody at a port of a switch may do.
 *
 * @param name for counters and messages
 * @param mac the only address that its frames may come from, 48 bits; or -1 for any
 * @param addresses the only IP addresses that its packets may come from, besides those that every host needs to get one; empty for any
 * @param vlan the VLAN that it is in, 1 to {@value #MAX_VLAN}, by frames without a tag; 0 if it is a trunk
 * @param trunk the VLANs that it is in by tagged frames
 * @param bytesPerSecond that it may send, or 0 for any number
 */
public record PortRules(
        String name, long mac, Set<InetAddress> addresses, int vlan, Set<Integer> trunk, long bytesPerSecond) {
    /** The highest number of a VLAN: IEEE 802.1Q, 9.6. */
    public static final int MAX_VLAN = 4094;

    /** The VLAN of ports of which nothing is said. */
    public static final int DEFAULT_VLAN = 1;

    /** Refuses what can't be. */
    public PortRules {
        addresses = Set.copyOf(addresses);
        trunk = Set.copyOf(trunk);
        require(
                mac >= -1 && mac < 1L << 48 && (mac == -1 || (mac >>> 40 & 1) == 0),
                "a port's mac is of one interface");
        require(vlan >= 0 && vlan <= MAX_VLAN, "a VLAN is from 1 to " + MAX_VLAN + ", not " + vlan);
        require(vlan == 0 != trunk.isEmpty(), "a port is in one VLAN, or a trunk of some");
        require(trunk.stream().allMatch(v -> v > 0 && v <= MAX_VLAN), "VLANs are from 1 to " + MAX_VLAN);
        require(bytesPerSecond >= 0, "a rate is not negative");
    }

    private static void require(boolean good, String sentence) {
        if (!good) {
            throw new IllegalArgumentException(sentence);
        }
    }

    /** A port that may do anything, in the default VLAN. */
    public static PortRules open(String name) {
        return new PortRules(name, -1, Set.of(), DEFAULT_VLAN, Set.of(), 0);
    }

    /** The same with one address alone. */
    public PortRules withMac(long value) {
        return new PortRules(name, value, addresses, vlan, trunk, bytesPerSecond);
    }

    /** The same with these IP addresses alone. */
    public PortRules withAddresses(Set<InetAddress> value) {
        return new PortRules(name, mac, value, vlan, trunk, bytesPerSecond);
    }

    /** The same in another VLAN. */
    public PortRules withVlan(int value) {
        return new PortRules(name, mac, addresses, value, Set.of(), bytesPerSecond);
    }

    /** The same as a trunk. */
    public PortRules withTrunk(Set<Integer> value) {
        return new PortRules(name, mac, addresses, 0, value, bytesPerSecond);
    }

    /** The same with a limit. */
    public PortRules withRate(long value) {
        return new PortRules(name, mac, addresses, vlan, trunk, value);
    }

    /** Whether it is in a VLAN. */
    boolean in(int number) {
        return vlan == 0 ? trunk.contains(number) : vlan == number;
    }
}
