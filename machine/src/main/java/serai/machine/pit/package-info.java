/** The 8254 interval timer and port 0x61. */
@NullMarked
package serai.machine.pit;

import org.jspecify.annotations.NullMarked;
