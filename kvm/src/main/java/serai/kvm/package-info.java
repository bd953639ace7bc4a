/**
 * The engine that runs virtual CPUs on the host's /dev/kvm.
 *
 * <p>Ask {@link serai.kvm.KvmProbe} first: it measures. There are hosts where /dev/kvm opens and every ring-0
 * instruction is emulated at 1.5 million a second.
 *
 * {@snippet :
 * if (KvmProbe.measure().available()) {
 *     try (Engine engine = KvmEngine.open()) {
 *         Vcpu vcpu = engine.createVcpu(host);
 *         vcpu.restore(bootState);
 *         Exit why = vcpu.run(Long.MAX_VALUE);
 *     }
 * }
 * }
 *
 * <h2>Who does what</h2>
 *
 * The kernel runs instructions, pages and exceptions. Everything else of the PC is the machine's, the local APIC
 * included: no in-kernel interrupt controller or timer is made, so that a guest finds the same devices on either engine
 * and their state has one home. The price is an exit for each APIC access. Registers of the APIC that are MSRs go to
 * the machine too, by KVM's user-space MSR exits.
 *
 * <p>{@link serai.kvm.KvmVcpu} is the loop and its exits; {@code RunPage} the structure shared with the kernel;
 * {@code StateTransfer} brings {@link serai.machine.engine.CpuState} in and out; {@code XsaveLayout} translates between
 * the record's fixed layout of extended state and the host CPU's own.
 *
 * <h2>Time</h2>
 *
 * A guest's TSC runs at {@link serai.machine.engine.CpuModel#TSC_HZ}, on hosts that can scale it. On others RDTSC runs at
 * the host's own frequency while CPUID still tells the fixed one, and the guest's clock is wrong by that factor: see
 * {@link serai.kvm.KvmCapabilities.Tsc}. The probe does not recommend such a host.
 */
@NullMarked
package serai.kvm;

import org.jspecify.annotations.NullMarked;
