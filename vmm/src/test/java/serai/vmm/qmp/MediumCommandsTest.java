package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.cpu.JavaEngine;
import serai.machine.InputLog;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.disk.DeterministicIo;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;
import serai.storage.ImageFormat;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;
import serai.vmm.plug.Peripherals;
import tools.jackson.databind.node.ObjectNode;

/** Media of a CD-ROM drive in QEMU's words. */
final class MediumCommandsTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    private CommandTable table = new CommandTable();
    private BlockNodes nodes = new BlockNodes(d -> d, null, true);
    private Machine machine = machine(new RealClock());
    private final List<String> moved = new ArrayList<>();
    private Path second = Path.of("");

    private static Machine machine(Clock clock) {
        long host = Arena.global().allocate(2 * MIB, 4096).address();
        return new Machine(
                new MachineConfig(1, 1, X86Model.v1(1), clock, () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                new GuestMemory(List.of(new RamRegion(0, 2 * MIB, host, false, -1, 0))),
                new JavaEngine());
    }

    @BeforeEach
    void plug() throws Exception {
        Path first = directory.resolve("first.iso");
        second = directory.resolve("second.iso");
        Files.write(first, new byte[4096]);
        Files.write(second, new byte[8192]);
        Files.write(directory.resolve("small.iso"), new byte[512]);
        IoExecutor io = new DeterministicIo(machine.timers(), 1);
        Peripherals p = new Peripherals(machine, nodes, () -> io, 1, () -> 0);
        nodes.open(new NodeConfig("cd", first, ImageFormat.RAW, true));
        p.addSata(Peripherals.IDE_CD, "cd", "cd");
        p.plugSata();
        p.drives().onMoved((id, open) -> moved.add(id + " " + open));
        machine.reset();
        new BlockCommands(nodes, p.sizes(), p.drives()).addTo(table);
        new MediumCommands(p.drives()).addTo(table);
    }

    private void deterministic() throws Exception {
        close();
        table = new CommandTable();
        nodes = new BlockNodes(d -> d, null, true);
        machine = machine(new VirtualClock(1_800_000_000, 1));
        plug();
    }

    @AfterEach
    void close() {
        nodes.close();
        machine.close();
    }

    private String execute(String command, String arguments) throws QmpException {
        ObjectNode a = (ObjectNode) Json.MAPPER.readTree(arguments.replace('\'', '"'));
        return table.execute(command, new Arguments(a)).toString().replace('"', '\'');
    }

    private void done(String command, String arguments) throws QmpException {
        assertEquals("{}", execute(command, arguments));
    }

    private void refused(String sentence, String command, String arguments) {
        QmpException e = assertThrows(QmpException.class, () -> execute(command, arguments));
        assertEquals(sentence, e.getMessage());
    }

    private String drive() throws QmpException {
        String s = execute("query-block", "{}");
        return s.replaceAll(".*'tray_open':(\\w+)[,}](?:.*'node-name':'([^']*)')?.*", "$1 $2");
    }

    private void add(String node, String file) throws QmpException {
        done(
                "blockdev-add",
                "{'driver': 'file', 'node-name': '%s', 'filename': '%s', 'read-only': true}"
                        .formatted(node, directory.resolve(file)));
    }

    @Test
    void theMediumIsChanged_stepByStep() throws Exception {
        assertEquals("false cd", drive());
        refused("Tray of device 'cd' is not open", "blockdev-remove-medium", "{'id': 'cd'}");
        done("blockdev-open-tray", "{'id': 'cd'}");
        done("blockdev-open-tray", "{'device': '/machine/peripheral/cd', 'force': true}");
        assertEquals("true cd", drive());
        add("n", "second.iso");
        refused("There already is a medium in the device", "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
        done("blockdev-remove-medium", "{'id': 'cd'}");
        assertEquals("true ", drive());
        assertEquals(1, nodes.list().size(), "what was given at the start is closed");
        done("blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
        done("blockdev-close-tray", "{'id': 'cd'}");
        assertEquals("false n", drive());
        refused("Tray of the device is not open", "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
        refused("Node n is in use by device 'cd'", "blockdev-del", "{'node-name': 'n'}");
        done("eject", "{'device': 'cd'}");
        assertEquals("true ", drive());
        done("blockdev-del", "{'node-name': 'n'}");
        assertEquals(List.of("cd true", "cd false", "cd true"), moved);
    }

    @Test
    void changeMedium_isAllOfThatAtOnce() throws Exception {
        done("blockdev-change-medium", "{'id': 'cd', 'filename': '%s', 'format': 'raw'}".formatted(second));
        assertEquals("false medium-0", drive());
        assertEquals(1, nodes.list().size());
        done("blockdev-change-medium", "{'id': 'cd', 'filename': '%s'}".formatted(second));
        assertEquals("false medium-1", drive());
        assertEquals(1, nodes.list().size());
        String before = drive();
        for (String file : List.of("small.iso", "nothing.iso")) {
            assertThrows(
                    QmpException.class,
                    () -> execute(
                            "blockdev-change-medium",
                            "{'id': 'cd', 'filename': '%s'}".formatted(directory.resolve(file))));
        }
        assertEquals(before, drive(), "nothing has changed");
        assertEquals(1, nodes.list().size());
    }

    @Test
    void whatCantBe_isRefused() throws Exception {
        refused("Need exactly one of 'device' and 'id'", "eject", "{}");
        refused("Need exactly one of 'device' and 'id'", "eject", "{'id': 'cd', 'device': 'cd'}");
        refused("Device 'dc' not found", "blockdev-open-tray", "{'id': 'dc'}");
        refused(
                "Parameter 'format' does not accept value 'qcow2'",
                "blockdev-change-medium",
                "{'id': 'cd', 'filename': 'x', 'format': 'qcow2'}");
        refused(
                "Parameter 'read-only-mode' does not accept value 'read-write'",
                "blockdev-change-medium",
                "{'id': 'cd', 'filename': 'x', 'read-only-mode': 'read-write'}");
        done("eject", "{'id': 'cd'}");
        refused("Node 'n' not found", "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
        add("small", "small.iso");
        QmpException e = assertThrows(
                QmpException.class, () -> execute("blockdev-insert-medium", "{'id': 'cd', 'node-name': 'small'}"));
        assertTrue(String.valueOf(e.getMessage()).contains("has 512 bytes, and a CD has 1 to"), e.getMessage());
    }

    @Test
    void inDeterministicMode_commandsFollowEachOther_andAreDoneBetweenTwoInstructions() throws Exception {
        deterministic();
        add("n", "second.iso");
        done("blockdev-open-tray", "{'id': 'cd'}");
        assertEquals("false cd", drive(), "not yet");
        done("blockdev-remove-medium", "{'id': 'cd'}");
        done("blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
        done("blockdev-close-tray", "{'id': 'cd'}");
        refused("Tray of device 'cd' is not open", "blockdev-remove-medium", "{'id': 'cd'}");
        machine.save(); // which takes over what waits
        assertEquals("false n", drive());
        assertEquals(List.of("cd true", "cd false"), moved);
        done("blockdev-change-medium", "{'id': 'cd', 'filename': '%s'}".formatted(directory.resolve("first.iso")));
        machine.save();
        assertEquals("false medium-0", drive());
    }

    /** Recorded events open what they name; those that can't be done are left out. A replayed run takes no others. */
    @Test
    void replayed() throws Exception {
        deterministic();
        for (String event : List.of(
                "cdrom cd insert x raw /nowhere",
                "cdrom cd open true",
                "cdrom cd remove",
                "cdrom cd insert x raw /nowhere",
                "cdrom cd insert x raw",
                "cdrom cd insert x fat " + second,
                "cdrom dc open true",
                "cdrom cd",
                "cdrom cd turn",
                "cdrom cd insert x raw " + second,
                "cdrom cd close")) {
            machine.hostEvent(event);
        }
        machine.save();
        assertEquals("false x", drive());
        Path log = directory.resolve("log");
        InputLog.record(log).close();
        machine.inputLog(InputLog.replay(log));
        refused(
                "this run repeats recorded inputs and takes no others",
                "blockdev-change-medium",
                "{'id': 'cd', 'filename': '%s'}".formatted(directory.resolve("first.iso")));
        assertEquals(1, nodes.list().size());
    }
}
