/** The 16550A serial port. */
@NullMarked
package serai.machine.uart;

import org.jspecify.annotations.NullMarked;
