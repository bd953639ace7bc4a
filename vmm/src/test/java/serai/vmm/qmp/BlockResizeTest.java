package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.cpu.JavaEngine;
import serai.machine.InputLog;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.disk.DeterministicIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;
import serai.machine.virtio.VirtioState;
import serai.storage.ImageFormat;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;
import serai.vmm.plug.Peripherals;
import tools.jackson.databind.node.ObjectNode;

/** {@code block_resize} in QEMU's words, on a machine with a virtio disk and one that is read-only. */
final class BlockResizeTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    private final CommandTable table = new CommandTable();
    private final BlockNodes nodes = new BlockNodes(d -> d, null, false);
    private Path file = Path.of("");
    private Machine machine = machine(new RealClock());

    private static Machine machine(Clock clock) {
        long host = Arena.global().allocate(2 * MIB, 4096).address();
        return new Machine(
                new MachineConfig(1, 1, X86Model.v1(1), clock, () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                new GuestMemory(List.of(new RamRegion(0, 2 * MIB, host, false, -1, 0))),
                new JavaEngine());
    }

    @BeforeEach
    void plug() throws Exception {
        file = directory.resolve("disk.raw");
        Path other = directory.resolve("other.raw");
        for (Path p : List.of(file, other)) {
            try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
                f.setLength(MIB);
            }
        }
        Peripherals p = new Peripherals(machine, nodes, () -> new DeterministicIo(machine.timers(), 1), 1, () -> 0);
        nodes.open(new NodeConfig("node", file, ImageFormat.RAW, false));
        nodes.open(new NodeConfig("other", other, ImageFormat.RAW, true));
        p.addAtStart(Peripherals.VIRTIO_BLK, "disk", Layout.FIRST_DISK_SLOT, "node");
        machine.reset();
        new BlockCommands(nodes, p.sizes(), p.drives()).addTo(table);
    }

    @AfterEach
    void close() {
        nodes.close();
        machine.close();
    }

    private String execute(String arguments) throws QmpException {
        ObjectNode a = (ObjectNode) Json.MAPPER.readTree(arguments.replace('\'', '"'));
        return table.execute("block_resize", new Arguments(a)).toString();
    }

    /** What the driver sees change when it is told. */
    private int generation() {
        return machine.save().devices().stream()
                .filter(d -> d.name().equals("virtio-blk0"))
                .map(d -> ((VirtioState) d.state()).generation())
                .findFirst()
                .orElseThrow();
    }

    @Test
    void aDiskGrows_byItsNodeOrItsDevice_andTheDeviceIsTold() throws Exception {
        assertEquals("{}", execute("{'node-name': 'node', 'size': 2097152}"));
        assertEquals(2 * MIB, Files.size(file));
        assertEquals(1, generation());
        for (String device : List.of("disk", "/machine/peripheral/disk")) {
            assertEquals("{}", execute("{'device': '" + device + "', 'size': 4194304}"));
        }
        assertEquals(4 * MIB, Files.size(file));
        assertEquals(3, generation());
        assertEquals(4 * MIB, nodes.list().getFirst().bytes());
        assertEquals("{}", execute("{'node-name': 'node', 'size': 512, 'x-shrink': true}"));
        assertEquals(512, Files.size(file));
    }

    @Test
    void whatCantBeIsRefused_andNothingChanges() throws IOException {
        String[][] all = {
            {"{'node-name': 'nobody', 'size': 1024}", "Cannot find device='' nor node-name='nobody'"},
            {"{'device': 'node', 'size': 1024}", "Cannot find device='node' nor node-name=''"},
            {"{'size': 1024}", "Cannot find device='' nor node-name=''"},
            {"{'node-name': 'other', 'size': 4194304}", "Image is read-only"},
            {"{'node-name': 'node', 'size': -1}", "Parameter 'size' expects a >0 size"},
            {"{'node-name': 'node', 'size': 0}", "Parameter 'size' expects a >0 size"},
            {"{'node-name': 'node', 'size': 4194305}", "The new size must be a multiple of 512"},
            {
                "{'node-name': 'node', 'size': 1048064}",
                "node 'node' has 1048576 bytes, and shrinking it loses those behind the new end; say so with x-shrink"
            },
            {"{'node-name': 'node'}", "Parameter 'size' is missing"},
        };
        for (String[] bad : all) {
            QmpException e = assertThrows(QmpException.class, () -> execute(bad[0]), bad[0]);
            assertEquals(bad[1], e.getMessage());
        }
        assertThrows(QmpException.class, () -> execute("{'node-name': 'node', 'size': 9223372036854775296}"));
        assertEquals(MIB, Files.size(file));
        assertEquals(0, generation());
    }

    @Test
    void aDeterministicMachine_isToldBetweenTwoInstructions_andAReplayedOneTakesNone() throws Exception {
        close();
        machine = machine(new VirtualClock(1_800_000_000, 1));
        plug();
        assertEquals("{}", execute("{'node-name': 'node', 'size': 2097152}"));
        assertEquals(MIB, Files.size(file), "not before the guest gets there");
        assertEquals(1, generation()); // saving takes over what waits
        assertEquals(2 * MIB, Files.size(file));
        QmpException e =
                assertThrows(QmpException.class, () -> execute("{'node-name': 'node', 'size': 512, 'x-shrink': true}"));
        assertEquals("a disk of a run that repeats can't shrink: what it loses could not be had back", e.getMessage());
        Path log = directory.resolve("log");
        InputLog.record(log).close();
        machine.inputLog(InputLog.replay(log));
        e = assertThrows(QmpException.class, () -> execute("{'node-name': 'node', 'size': 4194304}"));
        assertEquals("this run repeats recorded inputs and takes no others", e.getMessage());
    }

    /** A recorded event is done whether the disk has the size already, as after a run before this one, or not. */
    @Test
    void recordedEvents() throws Exception {
        close();
        machine = machine(new VirtualClock(1_800_000_000, 1));
        plug();
        for (String event : List.of(
                "resize node 2097152",
                "resize node 2097152",
                "resize node 1048576",
                "resize nobody 1048576",
                "resize node x",
                "resize node")) {
            machine.hostEvent(event);
        }
        assertEquals(2, generation());
        assertEquals(2 * MIB, Files.size(file));
    }
}
