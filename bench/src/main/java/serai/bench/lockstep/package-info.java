/**
 * Runs a guest on Serai and on {@code qemu-system-x86_64} (TCG) side by side, one instruction at a time, and stops at
 * the first difference of registers.
 *
 * <p>QEMU is started in the very state that Serai is in: its RAM is a file that Serai's RAM is copied to, a ROM of ours
 * ({@link serai.bench.lockstep.StartRom}) loads what its gdb stub can't set, and the stub sets the rest. So a comparison
 * can begin at any instruction of a run, not only at its start. From then on QEMU logs its registers before every
 * instruction ({@code -singlestep -d cpu,nochain}) into a FIFO, and {@link serai.bench.lockstep.QemuLog} reads them as
 * they come.
 *
 * <pre>
 * java … serai.bench.lockstep.Lockstep kernel=vmlinuz append='console=ttyS0' memory=256M skip=1000000 count=500000
 * </pre>
 *
 * <p>Devices are each machine's own and differ, and so do clocks. An instruction that has read a port, device memory, the
 * clock, CPUID or an MSR therefore takes QEMU's result over, and an interrupt that QEMU takes is taken over with its
 * frame. Flags that the SDM leaves undefined are not compared.
 */
@NullMarked
package serai.bench.lockstep;

import org.jspecify.annotations.NullMarked;
