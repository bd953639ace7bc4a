package serai.machine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuState;
import serai.machine.engine.Engine;
import serai.machine.engine.Exit;
import serai.machine.engine.Segment;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.engine.VcpuStats;
import serai.machine.engine.Watchpoint;

/**
 * An engine whose CPUs run a program of Java lambdas: RIP counts them, each is an instruction, RAX holds what the last load gave. A start-up
 * IPI starts an application processor at the instruction of its vector.
 *
 * <pre>{@code
 * FakeEngine e = new FakeEngine(out(0x80, 1, 42), in(0x61, 1), hlt());
 * }</pre>
 */
public final class FakeEngine implements Engine {
    /** One instruction; what it makes run return, or null to go on. */
    @FunctionalInterface
    public interface Instruction {
        /** Executes on {@code cpu}. */
        @Nullable
        Exit execute(Cpu cpu);
    }

    private final List<Instruction> program;
    private final List<Cpu> cpus = new ArrayList<>();

    /** With the program of its CPU; after the last instruction it halts for ever. */
    public FakeEngine(Instruction... program) {
        this.program = List.of(program);
    }

    /** OUT. */
    public static Instruction out(int port, int size, int value) {
        return c -> {
            c.host.portWrite(port, size, value);
            return null;
        };
    }

    /** IN, noted in the trace. */
    public static Instruction in(int port, int size) {
        return c -> {
            c.load("in %x".formatted(port), c.host.portRead(port, size));
            return null;
        };
    }

    /** A load outside RAM, noted in the trace. */
    public static Instruction load(long address, int size) {
        return c -> {
            c.load("load %x".formatted(address), c.host.mmioRead(address, size));
            return null;
        };
    }

    /** A store outside RAM. */
    public static Instruction store(long address, int size, long value) {
        return c -> {
            c.host.mmioWrite(address, size, value);
            return null;
        };
    }

    /** RDTSC, noted in the trace. */
    public static Instruction rdtsc() {
        return c -> {
            c.load("tsc", c.host.tsc());
            return null;
        };
    }

    /** STI, which lets one more instruction pass before an interrupt; taking one turns them off again. */
    public static Instruction sti() {
        return c -> {
            c.interruptsOn = true;
            c.shadow = 2;
            return null;
        };
    }

    /** HLT. */
    public static Instruction hlt() {
        return c -> {
            c.halted = true;
            return null;
        };
    }

    /** A jump to an instruction of the program, by its number. */
    public static Instruction jump(int to) {
        return c -> {
            c.rip = to;
            return null;
        };
    }

    /** Whatever the engine may say. */
    public static Instruction exit(Exit exit) {
        return c -> exit;
    }

    /** The boot CPU. */
    public Cpu cpu() {
        return cpu(0);
    }

    /** A CPU by its index. */
    public Cpu cpu(int index) {
        return cpus.get(index);
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public Vcpu createVcpu(VcpuHost host) {
        Cpu cpu = new Cpu(host, program);
        cpus.add(cpu);
        return cpu;
    }

    @Override
    public void close() {}

    /** The CPU, which a test may also drive by hand through {@link #host}. */
    public static final class Cpu implements Vcpu {
        /** The machine. */
        public final VcpuHost host;
        /** Loads and interrupts: what the guest has seen, with the count of instructions. */
        public final List<String> trace = new ArrayList<>();
        /** Instructions completed; a test that drives the CPU by hand makes time pass by it. */
        public long count;

        private final List<Instruction> program;
        private long rip;
        private long rax;
        private volatile boolean halted;
        private boolean waitForSipi;
        private boolean interruptsOn;
        private int shadow;
        private volatile boolean kicked;

        Cpu(VcpuHost host, List<Instruction> program) {
            this.host = host;
            this.program = program;
            waitForSipi = host.index() != 0;
            host.interrupts().onPending(() -> {});
        }

        /** Whether it waits in HLT. */
        public boolean halted() {
            return halted;
        }

        void load(String what, long value) {
            rax = value;
            trace.add("%d %s: %x".formatted(count, what, value));
        }

        @Override
        public Exit run(long maxInstructions) {
            long end = maxInstructions > Long.MAX_VALUE - count ? Long.MAX_VALUE : count + maxInstructions;
            while (count < end) {
                if (kicked) {
                    kicked = false;
                    return Exit.KICKED;
                }
                if (host.interrupts().takeInit()) {
                    waitForSipi = host.index() != 0;
                }
                if (waitForSipi) {
                    int v = host.interrupts().takeStartup();
                    if (v < 0) {
                        return Exit.HALTED;
                    }
                    waitForSipi = false;
                    rip = v;
                }
                shadow = Math.max(0, shadow - 1);
                if (interruptsOn && shadow == 0 && host.interrupts().externalPending()) {
                    int v = host.interrupts().acknowledge();
                    if (v >= 0) {
                        trace.add("%d interrupt %x".formatted(count, v));
                        halted = false;
                        interruptsOn = false;
                    }
                }
                if (halted || rip >= program.size()) {
                    return halted && interruptsOn ? Exit.HALTED : Exit.HALTED_FOR_EVER;
                }
                Exit e = program.get((int) rip++).execute(this);
                count++;
                if (e != null) {
                    return e;
                }
            }
            return Exit.BUDGET;
        }

        @Override
        public void kick() {
            kicked = true;
        }

        @Override
        public boolean countsInstructions() {
            return true;
        }

        @Override
        public long instructions() {
            return count;
        }

        @Override
        public CpuState save() {
            Segment[] segments = new Segment[8];
            Arrays.fill(segments, new Segment(0, 0, 0, 0));
            long[] gpr = new long[16];
            gpr[0] = rax;
            return new CpuState(
                    CpuState.VERSION,
                    gpr,
                    rip,
                    interruptsOn ? 0x202 : 2,
                    segments,
                    0,
                    0,
                    0,
                    0,
                    new long[5],
                    new long[6],
                    1,
                    new byte[CpuState.XSAVE_SIZE],
                    new long[0],
                    0,
                    new byte[0],
                    new CpuState.Events(
                            waitForSipi
                                    ? CpuState.Activity.WAIT_FOR_SIPI
                                    : halted ? CpuState.Activity.HALTED : CpuState.Activity.RUNNING,
                            false,
                            0,
                            false,
                            0,
                            false,
                            0,
                            false,
                            false,
                            false,
                            shadow == 2,
                            false,
                            false,
                            false),
                    0x30000,
                    count);
        }

        @Override
        public void restore(CpuState s) {
            rip = s.rip();
            rax = s.gpr()[0];
            shadow = s.events().stiShadow() ? 2 : 0;
            interruptsOn = (s.rflags() & 0x200) != 0;
            halted = s.events().activity() == CpuState.Activity.HALTED;
            waitForSipi = s.events().activity() == CpuState.Activity.WAIT_FOR_SIPI;
            count = s.instructions();
        }

        @Override
        public void breakpoints(long[] linearAddresses) {}

        @Override
        public void passBreakpoint() {}

        @Override
        public void watchpoints(List<Watchpoint> list) {}

        @Override
        public @Nullable Watchpoint watchpointHit() {
            return null;
        }

        @Override
        public long translate(long linear) {
            return linear;
        }

        @Override
        public String failure() {
            return "the program says so";
        }

        @Override
        public VcpuStats stats() {
            return new VcpuStats(count, Map.of(), -1);
        }

        @Override
        public void close() {}
    }
}
