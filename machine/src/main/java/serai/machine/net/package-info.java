/** What network interfaces need of the host ({@link serai.machine.net.NetBackend}). */
@NullMarked
package serai.machine.net;

import org.jspecify.annotations.NullMarked;
