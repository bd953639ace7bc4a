/**
 * Networks of virtual machines. An interface is plugged into a {@link serai.network.NetworkPort}; behind that is a user-mode NAT, a switch in a process
 * of its own, or a TAP interface of the host. {@link serai.network.Offload} says which work on a frame its sender has left undone.
 */
@NullMarked
package serai.network;

import org.jspecify.annotations.NullMarked;
