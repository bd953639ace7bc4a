/** Guest time: clocks, real and virtual, and the timer queue that devices schedule on. */
@NullMarked
package serai.machine.time;

import org.jspecify.annotations.NullMarked;
