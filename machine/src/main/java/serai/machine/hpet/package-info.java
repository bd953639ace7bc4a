/** The high precision event timers, which a machine has if asked for. */
@NullMarked
package serai.machine.hpet;

import org.jspecify.annotations.NullMarked;
