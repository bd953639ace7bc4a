package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.cpu.JavaEngine;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.disk.DeterministicIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.RealClock;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.qcow2.Qcow2Options;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;
import serai.vmm.block.Troubles;
import serai.vmm.plug.Peripherals;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The commands of disks on a machine that does not run, for tests; what they say has apostrophes for quotation marks. */
final class BlockTable implements AutoCloseable {
    private static final long RAM = 2 << 20;

    final BlockNodes nodes;
    final Peripherals peripherals;
    /** Events told, with their data. */
    final List<String> events = new ArrayList<>();

    private final CommandTable table = new CommandTable();
    private final Machine machine;

    BlockTable() {
        this(null);
    }

    /** @param troubles as {@link BlockNodes} has them; with null there are no limits */
    BlockTable(@Nullable Troubles troubles) {
        nodes = new BlockNodes(d -> d, troubles, true);
        long host = Arena.global().allocate(RAM, 4096).address();
        machine = new Machine(
                new MachineConfig(
                        1, 1, X86Model.v1(1), new RealClock(), () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                new GuestMemory(List.of(new RamRegion(0, RAM, host, false, -1, 0))),
                new JavaEngine());
        peripherals = new Peripherals(machine, nodes, () -> new DeterministicIo(machine.timers(), 1), 1, () -> 0);
        new BlockCommands(nodes, peripherals.sizes(), peripherals.drives()).addTo(table);
    }

    /** Makes a qcow2 image of a size and opens it as a node. */
    void qcow2(String node, Path file, long bytes) throws IOException {
        try (HostImageFile f = HostImageFile.create(file)) {
            Qcow2Disk.create(f, Qcow2Options.ofSize(bytes));
        }
        open(node, file, ImageFormat.QCOW2);
    }

    void open(String node, Path file, ImageFormat format) throws IOException {
        nodes.open(new NodeConfig(node, file, format, false));
    }

    /** The disk as its device has it. */
    BlockDevice disk(String node) throws IOException {
        return nodes.find(node).tracked().orElseThrow();
    }

    /** Fills a range of a disk with a byte. */
    void write(String node, long position, int length, int value) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(length, 4096).fill((byte) value);
            disk(node).write(position, m.address(), length);
        }
    }

    JsonNode ask(String command, String arguments) throws QmpException {
        ObjectNode a = (ObjectNode) Json.MAPPER.readTree(arguments.replace('\'', '"'));
        return table.execute(command, new Arguments(a));
    }

    void done(String command, String arguments) throws QmpException {
        assertEquals("{}", ask(command, arguments).toString());
    }

    void refused(String sentence, String command, String arguments) {
        QmpException e = assertThrows(QmpException.class, () -> ask(command, arguments), sentence);
        assertEquals(sentence, e.getMessage());
    }

    /** What a disk's bitmaps are, as far as it is asked for: {@code name field…}, one after another. */
    String bitmaps(String node, String... fields) throws QmpException {
        List<String> all = new ArrayList<>();
        for (JsonNode n : ask("query-named-block-nodes", "{}")) {
            if (n.path("node-name").asString("").equals(node)) {
                for (JsonNode b : n.path("dirty-bitmaps")) {
                    StringBuilder s = new StringBuilder(b.path("name").asString(""));
                    for (String f : fields) {
                        s.append(' ').append(b.path(f));
                    }
                    all.add(s.toString());
                }
            }
        }
        return String.join(", ", all);
    }

    @Override
    public void close() {
        nodes.close();
        machine.close();
    }
}
