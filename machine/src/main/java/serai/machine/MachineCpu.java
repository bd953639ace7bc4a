package serai.machine;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import serai.machine.bus.MmioBus;
import serai.machine.bus.PortBus;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuState;
import serai.machine.engine.Engine;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.irq.LocalApic;
import serai.machine.memory.GuestMemory;

/** A vCPU in its machine: what it sees of the machine, its local APIC, and where its thread waits in HLT. */
final class MachineCpu implements VcpuHost, HaltPolling.Sleeper {
    /** What all vCPUs share. */
    record Shared(MachineConfig config, GuestMemory memory, ReentrantLock lock, PortBus ports, MmioBus mmio) {}

    private final Shared shared;
    private final ReentrantLock lock;
    private final int index;
    private final LocalApic apic;
    private final InterruptSource interrupts;
    /** Signalled when there is something to do for a vCPU that waits; with the machine lock. */
    private final Condition wake;

    private final Vcpu vcpu;
    /** The state after power-on, in which an application processor waits for a start-up IPI. */
    private final CpuState powerOn;

    /** Whether it is in the machine. Guarded by the machine lock; in deterministic mode only the thread that runs all vCPUs changes it. */
    private boolean present = true;
    /** It was pulled out and its registers are still those of then. Guarded likewise. */
    private boolean pulled;

    /** How often it was roused, or an interrupt may have come. Changed with the machine lock held. */
    private volatile int rouses;

    /** It waits in HLT with interrupts off. Guarded by the machine lock. */
    boolean haltedForEver;

    MachineCpu(int index, LocalApic apic, Shared shared, Engine engine) {
        this.shared = shared;
        this.index = index;
        this.apic = apic;
        lock = shared.lock;
        wake = lock.newCondition();
        interrupts = new Interrupts();
        vcpu = engine.createVcpu(this);
        powerOn = vcpu.save();
    }

    Vcpu vcpu() {
        return vcpu;
    }

    LocalApic apic() {
        return apic;
    }

    /** The registers are as after power-on; the count of instructions goes on. Only for the thread that runs it, or while nobody does. */
    void powerUp() {
        vcpu.restore(powerOn.withInstructions(vcpu.instructions()));
    }

    // ---- in the machine or not: all with the machine lock held ----

    boolean present() {
        return present;
    }

    /** Comes into the machine, and waits for its start. */
    void insert() {
        present = true;
        apic.present(true);
    }

    /** Leaves the machine. Whoever runs as this vCPU stops at its next instruction but one at the latest, and calls {@link #settle}. */
    void pull() {
        present = false;
        pulled = true;
        apic.present(false);
        rouse();
    }

    /** Whether {@link #settle} has something to do. */
    boolean unsettled() {
        return pulled;
    }

    /** After {@link #pull}: as if it had never run. By the thread that runs it, or while nobody does. */
    void settle() {
        if (pulled) {
            pulled = false;
            haltedForEver = false;
            if (!present) {
                apic.present(false); // what it may have done with it since
            }
            powerUp();
        }
    }

    /** As in a machine that was saved; its registers and its APIC are restored on their own. */
    void restorePresent(boolean now) {
        present = now;
        pulled = false;
        haltedForEver = false;
        apic.present(now);
    }

    /** Whoever runs or waits as this vCPU looks up soon. With the machine lock held. */
    void rouse() {
        vcpu.kick();
        wakeUp();
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // with the machine lock held
    private void wakeUp() {
        rouses++;
        wake.signalAll();
    }

    @Override
    public int rouses() {
        return rouses;
    }

    @Override
    public void await() {
        wake.awaitUninterruptibly();
    }

    /** Whether something waits that makes it run on from where it waits. With the machine lock held. */
    boolean canRun() {
        return apic.waitsForStartup() ? apic.startPending() : haltedForEver ? apic.unmaskablePending() : apic.pending();
    }

    /** Whether only INIT, a start-up IPI or an NMI could make it run, and none waits. With the machine lock held. */
    boolean dead() {
        return (haltedForEver || apic.waitsForStartup()) && !canRun();
    }

    // ---- VcpuHost ----

    @Override
    public int index() {
        return index;
    }

    @Override
    public GuestMemory memory() {
        return shared.memory;
    }

    @Override
    public int portRead(int port, int size) {
        lock.lock();
        try {
            return shared.ports.read(port, size);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void portWrite(int port, int size, int value) {
        lock.lock();
        try {
            shared.ports.write(port, size, value);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long mmioRead(long physical, int size) {
        lock.lock();
        try {
            return (physical & -4096) == apic.mmioBase()
                    ? apic.readMmio(physical & 4095, size)
                    : shared.mmio.read(physical, size);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void mmioWrite(long physical, int size, long value) {
        lock.lock();
        try {
            if ((physical & -4096) == apic.mmioBase()) {
                apic.writeMmio(physical & 4095, size, value);
            } else {
                shared.mmio.write(physical, size, value);
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public InterruptSource interrupts() {
        return interrupts;
    }

    @Override
    public long tsc() {
        // at 1 GHz a tick is a nanosecond
        return shared.config.clock().nanos();
    }

    @Override
    public CpuModel model() {
        return shared.config.model();
    }

    @Override
    public long readMsr(int msr) throws GeneralProtection {
        return apic.readMsr(msr);
    }

    @Override
    public void writeMsr(int msr, long value) throws GeneralProtection {
        apic.writeMsr(msr, value);
    }

    @Override
    public long random() {
        lock.lock();
        try {
            return shared.config.random().getAsLong();
        } finally {
            lock.unlock();
        }
    }

    /** The local APIC, with a second listener: whoever waits in HLT. */
    private final class Interrupts implements InterruptSource {
        @Override
        public boolean pending() {
            return apic.pending();
        }

        @Override
        public boolean externalPending() {
            return apic.externalPending();
        }

        @Override
        public int acknowledge() {
            return apic.acknowledge();
        }

        @Override
        public boolean takeNmi() {
            return apic.takeNmi();
        }

        @Override
        public boolean takeInit() {
            return apic.takeInit();
        }

        @Override
        public int takeStartup() {
            return apic.takeStartup();
        }

        @Override
        public int taskPriority() {
            return apic.taskPriority();
        }

        @Override
        public void taskPriority(int priority) {
            apic.taskPriority(priority);
        }

        @Override
        public void onPending(Runnable action) {
            apic.onPending(() -> {
                action.run();
                wakeUp();
            });
        }
    }
}
