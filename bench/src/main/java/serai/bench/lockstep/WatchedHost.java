package serai.bench.lockstep;

import serai.machine.engine.CpuModel;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/**
 * A vCPU's host that notes when an instruction took something from outside (a port, device memory, the clock, CPUID,
 * an MSR of the machine), and that, once {@link #hold} is called, keeps interrupts back: which
 * instruction they hit is then taken from QEMU.
 */
final class WatchedHost implements VcpuHost {
    private final VcpuHost host;
    private final InterruptSource held;
    private final CpuModel model;
    private boolean touched;
    private boolean holding;

    WatchedHost(VcpuHost host) {
        this.host = host;
        InterruptSource real = host.interrupts();
        held = new InterruptSource() {
            @Override
            public boolean pending() {
                return !holding && real.pending();
            }

            @Override
            public boolean externalPending() {
                return !holding && real.externalPending();
            }

            @Override
            public int acknowledge() {
                return holding ? -1 : real.acknowledge();
            }

            @Override
            public boolean takeNmi() {
                return !holding && real.takeNmi();
            }

            @Override
            public boolean takeInit() {
                return !holding && real.takeInit();
            }

            @Override
            public int takeStartup() {
                return holding ? -1 : real.takeStartup();
            }

            @Override
            public int taskPriority() {
                return real.taskPriority();
            }

            @Override
            public void taskPriority(int priority) {
                real.taskPriority(priority);
            }

            @Override
            public void onPending(Runnable action) {
                real.onPending(action);
            }
        };
        CpuModel inner = host.model();
        model = new CpuModel() {
            @Override
            public String name() {
                return inner.name();
            }

            @Override
            public Leaf cpuid(int leaf, int subleaf, int apicId) {
                touched = true;
                return inner.cpuid(leaf, subleaf, apicId);
            }
        };
    }

    /** From now on no interrupt is delivered. */
    void hold() {
        holding = true;
    }

    /** Whether the last instruction took something from outside; forgets it. */
    boolean takeTouched() {
        boolean t = touched;
        touched = false;
        return t;
    }

    @Override
    public int index() {
        return host.index();
    }

    @Override
    public GuestMemory memory() {
        return host.memory();
    }

    @Override
    public int portRead(int port, int size) {
        touched = true;
        return host.portRead(port, size);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        host.portWrite(port, size, value);
    }

    @Override
    public long mmioRead(long physical, int size) {
        touched = true;
        return host.mmioRead(physical, size);
    }

    @Override
    public void mmioWrite(long physical, int size, long value) {
        host.mmioWrite(physical, size, value);
    }

    @Override
    public InterruptSource interrupts() {
        return held;
    }

    @Override
    public long tsc() {
        touched = true;
        return host.tsc();
    }

    @Override
    public CpuModel model() {
        return model;
    }

    @Override
    public boolean ownsMsr(int index) {
        return host.ownsMsr(index);
    }

    @Override
    public long readMsr(int index) throws GeneralProtection {
        touched = true;
        return host.readMsr(index);
    }

    @Override
    public void writeMsr(int index, long value) throws GeneralProtection {
        host.writeMsr(index, value);
    }

    @Override
    public long random() {
        touched = true;
        return host.random();
    }
}
