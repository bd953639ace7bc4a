/** The MC146818 real-time clock and its CMOS memory. */
@NullMarked
package serai.machine.rtc;

import org.jspecify.annotations.NullMarked;
