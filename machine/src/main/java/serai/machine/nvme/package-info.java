/**
 * An NVMe controller with one namespace, after the NVM Express base specification 1.4: {@link serai.machine.nvme.Nvme} has registers and
 * queues, {@code AdminCommands} and {@code IoCommands} what the commands do.
 */
@NullMarked
package serai.machine.nvme;

import org.jspecify.annotations.NullMarked;
