package serai.vmm.net;

import java.nio.file.Path;
import serai.network.nat.UserNetworkConfig;

/** What a network interface is plugged into. */
public sealed interface Network {
    /** Nothing. */
    record None() implements Network {}

    /**
     * A Unix stream socket with QEMU's framing: another VM, or a switch.
     *
     * @param path of the socket
     * @param server whether it is made here, and the other end connects
     */
    record Stream(Path path, boolean server) implements Network {}

    /**
     * A network of the guest's own, behind the host.
     *
     * @param config what the guest finds there
     */
    record User(UserNetworkConfig config) implements Network {}
}
