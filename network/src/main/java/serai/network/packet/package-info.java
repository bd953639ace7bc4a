/**
 * Layouts of what goes over an Ethernet: a class for each header, with the offsets of its fields and what is read of them more than once. All of them
 * work on absolute positions of a big-endian buffer and keep no state. Whoever reads has compared lengths before.
 */
@NullMarked
package serai.network.packet;

import org.jspecify.annotations.NullMarked;
