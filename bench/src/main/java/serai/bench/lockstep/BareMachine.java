package serai.bench.lockstep;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import serai.cpu.JavaEngine;
import serai.kvm.KvmEngine;
import serai.linux.SharedMapping;
import serai.machine.boot.BootSource;
import serai.machine.boot.BootState;
import serai.machine.boot.Loader;
import serai.machine.engine.CpuModel;
import serai.machine.engine.Engine;
import serai.machine.engine.Exit;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * The least machine round an engine: RAM, ports 0xe9 and 0xf4, and nothing else. To look at an engine without devices.
 *
 * <pre>java … serai.bench.lockstep.BareMachine java guests-binary</pre>
 */
public final class BareMachine implements VcpuHost {
    private final GuestMemory memory;
    private final StringBuilder transcript = new StringBuilder();
    private int exit = -1;
    private @org.jspecify.annotations.Nullable Vcpu vcpu;
    private final long start = System.nanoTime();

    BareMachine(GuestMemory memory) {
        this.memory = memory;
    }

    /** Runs one guest in this process and prints what it said, its exit and its speed. */
    public static void main(String[] args) throws Exception {
        try (SharedMapping ram = SharedMapping.create("ram", 64 << 20);
                Engine engine = args[0].equals("kvm") ? KvmEngine.open() : new JavaEngine()) {
            BareMachine m = new BareMachine(
                    new GuestMemory(List.of(new RamRegion(0, ram.size(), ram.address(), false, ram.fd(), 0))));
            BootState boot = Loader.load(m.memory, new BootSource(Path.of(args[1]), null, ""), 0);
            try (Vcpu v = engine.createVcpu(m)) {
                m.vcpu = v;
                v.restore(boot.cpu());
                long t = System.nanoTime();
                Exit e;
                do {
                    e = v.run(Long.MAX_VALUE);
                } while ((e == Exit.KICKED || e == Exit.BUDGET) && m.exit < 0);
                double seconds = (System.nanoTime() - t) / 1e9;
                System.out.print(m.transcript);
                System.out.printf(
                        "status %d (%s%s), %d instructions, %.1f MIPS%n",
                        m.exit < 0 ? -1 : m.exit << 1 | 1,
                        e,
                        e == Exit.FAILED ? ": " + v.failure() : "",
                        v.instructions(),
                        v.instructions() / seconds / 1e6);
                if (m.exit < 0) {
                    System.out.printf("rip %x%n", v.save().rip());
                }
            }
        }
    }

    @Override
    public int index() {
        return 0;
    }

    @Override
    public GuestMemory memory() {
        return memory;
    }

    @Override
    public int portRead(int port, int size) {
        return -1;
    }

    @Override
    public void portWrite(int port, int size, int value) {
        if (port == 0xe9) {
            transcript.append(new String(new byte[] {(byte) value}, StandardCharsets.ISO_8859_1));
        } else if (port == 0xf4) {
            exit = value & 0xff;
            Vcpu v = vcpu;
            if (v != null) {
                v.kick();
            }
        }
    }

    @Override
    public long mmioRead(long physical, int size) {
        return -1;
    }

    @Override
    public void mmioWrite(long physical, int size, long value) {}

    @Override
    public InterruptSource interrupts() {
        return new InterruptSource() {
            @Override
            public boolean pending() {
                return false;
            }

            @Override
            public boolean externalPending() {
                return false;
            }

            @Override
            public int acknowledge() {
                return -1;
            }

            @Override
            public boolean takeNmi() {
                return false;
            }

            @Override
            public boolean takeInit() {
                return false;
            }

            @Override
            public int takeStartup() {
                return -1;
            }

            @Override
            public int taskPriority() {
                return 0;
            }

            @Override
            public void taskPriority(int priority) {}

            @Override
            public void onPending(Runnable action) {}
        };
    }

    @Override
    public long tsc() {
        return System.nanoTime() - start;
    }

    @Override
    public CpuModel model() {
        return new CpuModel() {
            @Override
            public String name() {
                return "bare";
            }

            @Override
            public Leaf cpuid(int leaf, int subleaf, int apicId) {
                return switch (leaf) {
                    case 0 -> new Leaf(1, 0x756e6547, 0x6c65746e, 0x49656e69);
                    // FPU TSC MSR PAE CX8 APIC SEP PGE CMOV PAT MMX FXSR SSE SSE2; SSE3 CX16
                    case 1 -> new Leaf(0x663, 0, 0x80002001, 0x0783fbff);
                    case 0x80000000 -> new Leaf(0x80000008, 0, 0, 0);
                    case 0x80000001 -> new Leaf(0, 0, 1, 0x28100800);
                    case 0x80000008 -> new Leaf(0x3028, 0, 0, 0);
                    default -> Leaf.NONE;
                };
            }
        };
    }

    @Override
    public long readMsr(int index) throws GeneralProtection {
        return 0xfee00900L;
    }

    @Override
    public void writeMsr(int index, long value) throws GeneralProtection {}

    @Override
    public long random() {
        return 4;
    }
}
