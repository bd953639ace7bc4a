package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.function.UnaryOperator;
import serai.network.NetworkPort;

/**
 * A guest's network that needs no privilege: NAT to the host's sockets, with DHCP, a name server and forwarded ports. See the package for how it works. From any
 * thread.
 */
public final class UserNetwork implements AutoCloseable {
    private final Nat nat;

    private UserNetwork(Nat nat) {
        this.nat = nat;
    }

    /**
     * Starts one, and its thread.
     *
     * @throws IOException with a sentence, if a port of the host can't be listened on
     */
    public static UserNetwork start(UserNetworkConfig config) throws IOException {
        Nat nat = new Nat(config, () -> System.nanoTime() / 1_000_000 - START + 1, UnaryOperator.identity());
        nat.start();
        return new UserNetwork(nat);
    }

    private static final long START = System.nanoTime() / 1_000_000;

    /** Where the guest's interface is plugged in. There is one. */
    public NetworkPort port() {
        return nat;
    }

    /**
     * Makes a port of the host lead to one of the guest.
     *
     * @return where it listens, with the port if that was 0
     * @throws IOException with a sentence, if the host refuses
     */
    public InetSocketAddress forward(HostForward forward) throws IOException {
        return nat.forward(forward);
    }

    /**
     * Ends that; connections that there are go on.
     *
     * @param host where it listens
     * @return whether there was one
     */
    public boolean unforward(HostForward.Protocol protocol, InetSocketAddress host) {
        return nat.unforward(protocol, host);
    }

    /** The forwarded ports, by where they listen. */
    public Map<InetSocketAddress, HostForward> forwards() {
        return nat.forwards();
    }

    /** What has gone through. */
    public UserNetworkStatistics statistics() {
        return nat.statistics();
    }

    /** Ends all connections; the port gives and takes nothing any more. */
    @Override
    public void close() {
        nat.closeAll();
    }
}
