/** Hot-plug of what is not on the PCI bus: vCPUs, by ACPI. */
@NullMarked
package serai.machine.hotplug;

import org.jspecify.annotations.NullMarked;
