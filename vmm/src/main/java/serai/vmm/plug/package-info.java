/**
 * What is plugged into a VM, at its start and while it runs: disks by name ({@link serai.vmm.block.BlockNodes}) and the devices that use them
 * ({@link serai.vmm.plug.Peripherals}), and vCPUs ({@link serai.vmm.plug.PluggedCpus}).
 */
@NullMarked
package serai.vmm.plug;

import org.jspecify.annotations.NullMarked;
