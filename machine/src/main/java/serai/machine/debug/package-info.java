/** Debug console, debug-exit port, and the keyboard controller's reset line. */
@NullMarked
package serai.machine.debug;

import org.jspecify.annotations.NullMarked;
