package serai.machine;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import serai.machine.acpi.Processors;
import serai.machine.hotplug.CpuHotplug;

/**
 * Which of a machine's vCPUs are in it, and how they come and go.
 *
 * <p>All that there can be are made with the machine, thread and local APIC included. One that is not in it waits, as after power-on, for a
 * start-up IPI that its APIC does not take; so nobody but this class has to know of it.
 */
public final class CpuSockets {
    /** Who is told of what the guest does with vCPUs; with the machine lock held. */
    public interface Listener {
        /** A vCPU has left the machine. */
        void ejected(int cpu);

        /** The guest has said what became of an event. */
        void reported(CpuHotplug.Report report);
    }

    private final List<MachineCpu> cpus;
    private final ReentrantLock lock;
    private final @Nullable CpuHotplug hotplug;
    private @Nullable Listener listener;

    /**
     * Empty.
     *
     * @param cpus of the machine, by index; to be filled before {@link #fill}
     * @param event raises the general-purpose event of hot-plug
     */
    CpuSockets(MachineConfig config, List<MachineCpu> cpus, ReentrantLock lock, Runnable event) {
        this.cpus = cpus;
        this.lock = lock;
        hotplug = config.cpusPluggable() ? new CpuHotplug(config.cpus(), config.maxCpus(), event, new Wires()) : null;
    }

    /** The registers; null in a machine whose vCPUs stay. */
    @Nullable
    CpuHotplug hotplug() {
        return hotplug;
    }

    /** Only those of the start are in the machine. With the machine lock held. */
    void fill() {
        for (MachineCpu c : cpus) {
            if ((mask() >>> c.index() & 1) == 0) {
                c.restorePresent(false);
            }
        }
    }

    private int mask() {
        return hotplug == null ? (1 << cpus.size()) - 1 : hotplug.present();
    }

    /** What the ACPI tables tell of them. With the machine lock held. */
    Processors processors() {
        return new Processors(cpus.size(), mask(), hotplug != null);
    }

    /** Whether a device's state is none that says that others are in the machine. With the machine lock held. */
    boolean fit(Record state) {
        return !(state instanceof CpuHotplug.State s) || s.present() == mask();
    }

    /** Before the machine's reset, while nobody runs: those that the guest was asked for are out. With the machine lock held. */
    void finish() {
        if (hotplug != null) {
            hotplug.finish();
            cpus.forEach(MachineCpu::settle);
        }
    }

    /** Who is told of what the guest does with them. */
    public void listener(Listener l) {
        listener = l;
    }

    /** Whether vCPUs come and go in this machine. */
    public boolean pluggable() {
        return hotplug != null;
    }

    /** A bit for each vCPU that is in the machine. */
    public int present() {
        lock.lock();
        try {
            return mask();
        } finally {
            lock.unlock();
        }
    }

    /** Whether a vCPU is in the machine. */
    public boolean present(int cpu) {
        return (present() >>> cpu & 1) != 0;
    }

    /** What the guest has last said by _OST of each vCPU that is in the machine. */
    public List<CpuHotplug.Report> reports() {
        lock.lock();
        try {
            return hotplug == null ? List.of() : hotplug.reports();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Plugs a vCPU into the running machine and tells the guest, which starts it by INIT and a start-up IPI.
     *
     * @throws IllegalArgumentException if there is no room for it
     */
    public void plug(int cpu) {
        lock.lock();
        try {
            registers().plug(cpu);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Asks the guest to give a vCPU back; {@link Listener#ejected} tells when it has. At a reset it is out.
     *
     * @throws IllegalArgumentException if it is the boot CPU or not in the machine
     */
    public void askBack(int cpu) {
        lock.lock();
        try {
            registers().askBack(cpu);
        } finally {
            lock.unlock();
        }
    }

    private CpuHotplug registers() {
        if (hotplug == null) {
            throw new IllegalArgumentException("the vCPUs of this machine stay");
        }
        return hotplug;
    }

    private final class Wires implements CpuHotplug.Sockets {
        @Override
        public void inserted(int cpu) {
            cpus.get(cpu).insert();
        }

        @Override
        public void ejected(int cpu) {
            cpus.get(cpu).pull();
            if (listener != null) {
                listener.ejected(cpu);
            }
        }

        @Override
        public void restored(int cpu, boolean present) {
            cpus.get(cpu).restorePresent(present);
        }

        @Override
        public void reported(CpuHotplug.Report report) {
            if (listener != null) {
                listener.reported(report);
            }
        }
    }
}
