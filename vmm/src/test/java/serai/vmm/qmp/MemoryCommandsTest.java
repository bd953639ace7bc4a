package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.cpu.JavaEngine;
import serai.machine.InputLog;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.time.RealClock;
import serai.vmm.plug.MemoryDevice;
import tools.jackson.databind.node.ObjectNode;

/** The words that libvirt and people use for a virtio-mem device of QEMU, on a machine with 2 MiB and 4 MiB to plug. */
final class MemoryCommandsTest {
    private static final long MIB = 1 << 20;
    private static final String REQUEST =
            "{'path': '/machine/peripheral/virtiomem0', 'property': 'requested-size', 'value': %s}";

    @TempDir
    Path directory;

    private final CommandTable table = new CommandTable();
    private final Machine machine;

    MemoryCommandsTest() {
        PluggableRam pluggable =
                new PluggableRam(region(Layout.pluggableRam(2 * MIB), 4 * MIB), 2 * MIB, 0, (offset, length) -> {});
        GuestMemory memory = new GuestMemory(List.of(region(0, 2 * MIB)), pluggable);
        machine = new Machine(
                new MachineConfig(
                        1, 1, X86Model.v1(1), new RealClock(), () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                memory,
                new JavaEngine());
        addTo(table, new MemoryCommands(memory.ramSize(), MemoryDevice.plug(machine)));
    }

    private static void addTo(CommandTable table, MemoryCommands commands) {
        commands.addTo(table);
        new QomCommands(commands.objects()).addTo(table);
    }

    private static RamRegion region(long base, long size) {
        return new RamRegion(base, size, Arena.global().allocate(size, 4096).address(), false, -1, 0);
    }

    @AfterEach
    void close() {
        machine.close();
    }

    private static String execute(CommandTable t, String command, @Nullable String arguments) throws QmpException {
        ObjectNode a =
                arguments == null ? Json.object() : (ObjectNode) Json.MAPPER.readTree(arguments.replace('\'', '"'));
        return t.execute(command, new Arguments(a)).toString().replace('"', '\'');
    }

    private String execute(String command, @Nullable String arguments) throws QmpException {
        return execute(table, command, arguments);
    }

    @Test
    void qomSet_asksForMemory_inBytesOrAsPeopleWriteThem() throws QmpException {
        assertEquals("{}", execute("qom-set", REQUEST.formatted(4 * MIB)));
        assertEquals(
                "[{'type':'virtio-mem','data':{'id':'virtiomem0','memaddr':4294967296,'requested-size':4194304,'size':0,"
                        + "'max-size':4194304,'block-size':2097152,'node':0,'memdev':'/objects/memvirtiomem0'}}]",
                execute("query-memory-devices", null));
        execute("qom-set", REQUEST.formatted("'2M'"));
        for (String path : List.of("virtiomem0", "/machine/peripheral/virtiomem0")) {
            assertEquals("2097152", execute("qom-get", "{'path': '" + path + "', 'property': 'requested-size'}"));
        }
        assertEquals("0", execute("qom-get", "{'path': 'virtiomem0', 'property': 'size'}"));
        assertEquals("{'base-memory':2097152,'plugged-memory':0}", execute("query-memory-size-summary", null));
    }

    @Test
    void whatCantBeIsRefused() {
        String[][] all = {
            {REQUEST.formatted(MIB), "'requested-size' has to be multiples of 0x200000"},
            {REQUEST.formatted(6 * MIB), "'requested-size' cannot exceed the memory backend size (0x400000)"},
            {REQUEST.formatted("'999999T'"), "'requested-size' cannot exceed the memory backend size (0x400000)"},
            {REQUEST.formatted("'999999999T'"), "Invalid parameter type for 'value', expected: integer"},
            {REQUEST.formatted("-1"), "Parameter 'value' must be from 0 to 9223372036854775807"},
            {REQUEST.formatted("'much'"), "Invalid parameter type for 'value', expected: integer"},
            {"{'path': 'virtiomem1', 'property': 'size', 'value': 0}", "Device 'virtiomem1' not found"},
            {"{'path': 'virtiomem0', 'property': 'size', 'value': 0}", "Property 'virtio-mem-pci.size' is not writable"
            },
            {"{'path': 'virtiomem0', 'property': 'colour', 'value': 0}", "Property 'virtio-mem-pci.colour' not found"},
        };
        for (String[] bad : all) {
            QmpException e = assertThrows(QmpException.class, () -> execute("qom-set", bad[0]), bad[0]);
            assertEquals(bad[1], e.getMessage());
        }
    }

    @Test
    void aMachineThatCantGrowHasNoDevice() throws QmpException {
        CommandTable t = new CommandTable();
        addTo(t, new MemoryCommands(2 * MIB, null));
        assertEquals("[]", execute(t, "query-memory-devices", null));
        assertEquals("{'base-memory':2097152,'plugged-memory':0}", execute(t, "query-memory-size-summary", null));
        assertThrows(QmpException.class, () -> execute(t, "qom-set", REQUEST.formatted(0)));
    }

    @Test
    void aReplayedRunTakesNoOtherRequests() throws IOException {
        Path log = directory.resolve("log");
        InputLog.record(log).close();
        machine.inputLog(InputLog.replay(log));
        QmpException e = assertThrows(QmpException.class, () -> execute("qom-set", REQUEST.formatted(0)));
        assertEquals("this run repeats recorded inputs and takes no others", e.getMessage());
    }
}
