package serai.cpu;

import java.lang.foreign.Arena;
import java.util.List;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;

/** A machine with one vCPU, in 64-bit mode at CPL 0 by page tables that a test has made, and nothing else in its memory. */
final class LongModeGuest implements AutoCloseable {
    /** Bytes of memory. */
    static final long SIZE = 0x800000;

    private final Arena arena = Arena.ofShared();
    final GuestMemory memory = new GuestMemory(
            List.of(new RamRegion(0, SIZE, arena.allocate(SIZE, 4096).address(), false, -1, 0)));
    final Machine machine;
    final Cpu cpu;

    LongModeGuest(JavaEngine engine, X86Model model) {
        machine = new Machine(
                new MachineConfig(
                        1,
                        1,
                        model,
                        new VirtualClock(1_800_000_000, 1),
                        () -> 0,
                        b -> {},
                        b -> {},
                        Numa.NONE,
                        false,
                        0xf4),
                memory,
                engine);
        cpu = (Cpu) machine.vcpu();
    }

    /** Enters the mode, with CR4.PAE and what else is asked for in CR4 and EFER. */
    void enter(long pml4, long cr4, int efer) {
        cpu.cr3 = pml4;
        cpu.cr4 = CpuRegisters.CR4_PAE | cr4;
        cpu.efer = CpuRegisters.EFER_LME | CpuRegisters.EFER_LMA | efer;
        cpu.cr0 |= CpuRegisters.CR0_PG | CpuRegisters.CR0_PE;
        cpu.setSegment(CpuRegisters.CS, 8, 0, -1, 0x9b | Segment.L);
        cpu.flushTlb();
        cpu.modeChanged();
    }

    /** Writes code; the address behind it. */
    int write(int at, int... bytes) {
        for (int b : bytes) {
            memory.writeByte(at++, (byte) b);
        }
        return at;
    }

    @Override
    public void close() {
        machine.close();
        arena.close();
    }
}
