package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import serai.cpu.JavaEngine;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuState;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;
import serai.vmm.plug.MemoryDevice;

/** Back in time across memory that goes and comes: a program in real-address mode has it unplugged and plugged by port 0xe9. */
final class HistoryMemoryTest {
    private static final long RAM = 0x10000;
    private static final int CODE = 0x1000;
    private static final int UNPLUG = 1;
    private static final String PROGRAM = "b80010" // 1: mov ax, 0x1000
            + "8ed8" // 2: mov ds, ax
            + "c60600002a" // 3: mov byte [0], 42
            + "b001e6e9" // 4, 5: unplug
            + "90" // 6
            + "b002e6e9" // 7, 8: plug
            + "c60600002b" // 9: mov byte [0], 43
            + "90ebfd"; // 10, …

    private final Arena arena = Arena.ofShared();

    private RamRegion region(long base) {
        return new RamRegion(base, RAM, arena.allocate(RAM, 4096).address(), false, -1, 0);
    }

    private static String seen(GuestMemory memory) {
        return memory.host(RAM) == 0 ? "gone" : "" + memory.readByte(RAM);
    }

    @Test
    @Timeout(60)
    void eachStepBackHasTheMemoryThatWasThere() {
        MemorySegment s = arena.allocate(2 * 4096, 4096);
        PluggableRam pluggable = new PluggableRam(
                new RamRegion(RAM, s.byteSize(), s.address(), false, -1, 0), 4096, 0, (offset, length) -> s.asSlice(
                                offset, length)
                        .fill((byte) 0));
        GuestMemory memory = new GuestMemory(List.of(region(0)), pluggable);
        memory.write(CODE, HexFormat.of().parseHex(PROGRAM));
        MachineConfig config = new MachineConfig(
                1,
                1,
                X86Model.v1(1),
                new VirtualClock(1_800_000_000, 1),
                () -> 0,
                b -> {},
                b -> {
                    if (b == UNPLUG) {
                        pluggable.unplug(0, 1);
                    } else {
                        pluggable.plug(0, 1);
                    }
                },
                Numa.NONE,
                false,
                -1);
        try (Machine machine = new Machine(config, memory, new JavaEngine())) {
            assertNotNull(MemoryDevice.plug(machine));
            pluggable.plug(0, 2);
            begin(machine);
            History history = new History(machine, new SeededRandom(1), new History.Parts(), 1 << 20, () -> false);
            history.begin();
            List<String> there = new ArrayList<>(List.of(seen(memory)));
            for (int n = 1; n <= 11; n++) {
                machine.run(n);
                there.add(seen(memory));
            }
            assertEquals(List.of("0", "0", "0", "42", "42", "gone", "gone", "gone", "0", "43", "43", "43"), there);
            for (int round = 0; round < 2; round++) {
                for (int n = 10; n >= 0; n--) {
                    history.stepBack(0);
                    assertEquals(n, machine.instructions());
                    assertEquals(there.get(n), seen(memory), "after " + n);
                }
                machine.run(11);
                assertEquals("43", seen(memory));
            }
        }
    }

    /** The state after power-on, but at the program. */
    private static void begin(Machine machine) {
        CpuState s = machine.vcpu().save();
        Segment cs = s.segments()[CpuState.CS];
        machine.start(s.withCode(new Segment(0, 0, cs.limit(), cs.attributes()), CODE));
    }
}
