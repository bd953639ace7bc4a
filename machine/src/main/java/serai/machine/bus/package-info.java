/** Port and memory buses, interrupt lines and messages: how devices and CPUs meet. */
@NullMarked
package serai.machine.bus;

import org.jspecify.annotations.NullMarked;
