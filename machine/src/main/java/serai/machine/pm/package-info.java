/** ACPI fixed hardware: power management events and control, the PM timer, reset. */
@NullMarked
package serai.machine.pm;

import org.jspecify.annotations.NullMarked;
