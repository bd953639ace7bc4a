/** The ACPI tables of the machine (ACPI 6.5), written into the BIOS area where a scan finds the RSDP. */
@NullMarked
package serai.machine.acpi;

import org.jspecify.annotations.NullMarked;
