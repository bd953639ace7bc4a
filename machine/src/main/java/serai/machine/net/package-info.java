/** What network interfaces need of the host ({@link serai.machine.net.NetBackend}), and what it has of them ({@link serai.machine.net.NetDevice}). */
@NullMarked
package serai.machine.net;

import org.jspecify.annotations.NullMarked;
