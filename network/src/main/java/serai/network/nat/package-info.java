/**
 * A user-mode NAT: a guest's network without any privilege on the host, as QEMU's {@code -netdev user} gives it. A guest is given an address by DHCP,
 * and its connections become sockets of this process.
 *
 * {@snippet :
 * UserNetworkConfig config = UserNetworkConfig.DEFAULT.withForward(HostForward.parse("tcp:127.0.0.1:2222-:22"));
 * try (UserNetwork network = UserNetwork.start(config)) {
 *     NetworkPort port = network.port(); // for the interface
 * }
 * }
 *
 * <p>A TCP connection of the guest ends here ({@link serai.network.nat.TcpConnection}) and is coupled with a socket, so that nothing is asked of the
 * host's kernel but what a program may. Payload goes from the guest's frames to the socket at once, in the thread that brings the frame; what a socket
 * has for the guest is read by the {@link serai.network.nat.Loop}'s thread into pages of a bounded pool, and leaves in frames that
 * {@code receive} builds when the guest has room. There is no queue of TCP frames, so there is nothing to overflow.
 */
@NullMarked
package serai.network.nat;

import org.jspecify.annotations.NullMarked;
