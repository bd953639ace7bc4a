/**
 * One VM's process: it reads a configuration, builds the machine on an engine, plugs disks, consoles and debuggers into
 * it, and drives it to its end.
 *
 * <pre>
 * java … serai.vmm.Main kernel=vmlinuz initrd=initrd.cpio append=console=ttyS0 memory=512M
 * </pre>
 *
 * <ul>
 *   <li>{@link serai.vmm.VmConfig}: the words of the command line, checked.
 *   <li>{@link serai.vmm.Vm}: the machine, built from them; {@code VcpuLoop} drives it.
 *   <li>{@code Console}: standard streams, the terminal's keys.
 *   <li>{@code Snapshot}: a stopped VM in a file.
 *   <li>{@link serai.vmm.gdb}: the debugger's door.
 * </ul>
 *
 * <p>Standard output belongs to the guest; everything of ours goes to standard error, a line at a time, beginning with
 * {@code serai: }. Every failure is one sentence and an even exit status ({@link serai.vmm.VmmException}).
 */
@NullMarked
package serai.vmm;

import org.jspecify.annotations.NullMarked;
