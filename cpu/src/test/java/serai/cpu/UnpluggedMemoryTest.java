package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.Outcome;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;

/** Memory that is unplugged under a program in real-address mode: bytes that it writes to port 0xe9 are what it sees of it. */
final class UnpluggedMemoryTest {
    private static final long RAM = 0x10000;
    private static final int CODE = 0x1000, EXIT = 0xf4;
    private static final String DS_IS_THE_REGION = "b800108ed8"; // mov ax, 0x1000; mov ds, ax
    private static final String TELL_BYTE_0 = "a00000e6e9"; // mov al, [0]; out 0xe9, al

    private final Arena arena = Arena.ofShared();
    private final MemorySegment region = arena.allocate(2 * 4096, 4096);
    private final PluggableRam pluggable = new PluggableRam(
            new RamRegion(RAM, region.byteSize(), region.address(), false, -1, 0),
            4096,
            0,
            (offset, length) -> region.asSlice(offset, length).fill((byte) 0));
    private final GuestMemory memory = new GuestMemory(
            List.of(new RamRegion(0, RAM, arena.allocate(RAM, 4096).address(), false, -1, 0)), pluggable);
    private final List<Integer> told = new ArrayList<>();

    private Outcome run(Clock clock, Consumer<Integer> onTold, String program) {
        MachineConfig config = new MachineConfig(
                1,
                1,
                X86Model.v1(1),
                clock,
                () -> 0,
                b -> {},
                b -> {
                    told.add(b & 0xff);
                    onTold.accept(told.size());
                },
                Numa.NONE,
                false,
                EXIT);
        pluggable.plug(0, 2);
        memory.write(CODE, HexFormat.of().parseHex(DS_IS_THE_REGION + program));
        try (Machine machine = new Machine(config, memory, new JavaEngine())) {
            Cpu cpu = (Cpu) machine.vcpu();
            cpu.selector[CpuRegisters.CS] = 0;
            cpu.base[CpuRegisters.CS] = 0;
            cpu.rip = CODE;
            cpu.modeChanged();
            return machine.run(Long.MAX_VALUE);
        }
    }

    @Test
    @Timeout(60)
    void whatIsUnpluggedByAnInstructionIsGoneForTheNext() {
        Outcome o = run(
                new VirtualClock(1_800_000_000, 1),
                n -> {
                    if (n == 1) {
                        pluggable.unplug(0, 1);
                    } else if (n == 3) {
                        pluggable.plug(0, 1);
                    }
                },
                "c60600002a" // mov byte [0], 42
                        + TELL_BYTE_0 // and it goes
                        + TELL_BYTE_0
                        + "c60600002b" // mov byte [0], 43: nobody is there
                        + TELL_BYTE_0 // and it comes again
                        + TELL_BYTE_0
                        + "c60600002c" // mov byte [0], 44
                        + TELL_BYTE_0
                        + "e6f4"); // out 0xf4, al
        assertEquals(new Outcome.DebugExit(44 << 1 | 1), o);
        assertEquals(List.of(42, 0xff, 0xff, 0, 44), told);
    }

    @Test
    @Timeout(60)
    void codeThatIsUnpluggedIsNotRunFromACache() {
        memory.write(0x2000, HexFormat.of().parseHex("b007e6e9cb")); // mov al, 7; out 0xe9, al; retf
        Outcome o = run(
                new VirtualClock(1_800_000_000, 1),
                n -> {
                    if (n == 2) {
                        pluggable.unplug(0, 1);
                        pluggable.plug(0, 1);
                        memory.write(RAM, HexFormat.of().parseHex("b008e6e9cb"));
                    }
                },
                "31f6" // xor si, si
                        + "268b840020" // mov ax, es:[si + 0x2000], of the routine's five bytes
                        + "8904" // mov [si], ax
                        + "46" // inc si
                        + "83fe05" // cmp si, 5
                        + "75f3" // jne to the copy
                        + "9a00000010".repeat(3) // call 0x1000:0
                        + "e6f4");
        assertEquals(new Outcome.DebugExit(8 << 1 | 1), o);
        assertEquals(List.of(7, 7, 8), told);
    }

    @Test
    @Timeout(60)
    void whatIsUnpluggedByAnotherThreadIsGoneSoon() throws InterruptedException {
        CountDownLatch looked = new CountDownLatch(1);
        Thread host = Thread.ofPlatform().start(() -> {
            try {
                looked.await();
                pluggable.unplug(0, 2);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        Outcome o = run(
                new RealClock(),
                n -> looked.countDown(),
                TELL_BYTE_0
                        + "a00000" // mov al, [0]
                        + "3cff" // cmp al, 0xff
                        + "75f9" // jne to the mov
                        + "e6f4");
        host.join();
        assertEquals(new Outcome.DebugExit(0xff << 1 | 1), o);
        assertEquals(List.of(0), told);
    }
}
