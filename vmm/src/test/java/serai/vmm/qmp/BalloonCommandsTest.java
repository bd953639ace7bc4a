package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import serai.cpu.JavaEngine;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.RealClock;
import serai.vmm.plug.BalloonDevice;
import tools.jackson.databind.node.ObjectNode;

/** The words that libvirt and people use for QEMU's balloon, on a machine with 4 MiB. */
final class BalloonCommandsTest {
    private static final long MIB = 1 << 20;

    /** The Java engine, with what its vCPU drives the machine by. */
    private static final class Watched implements Engine {
        private final JavaEngine engine = new JavaEngine();
        private @Nullable VcpuHost host;

        @Override
        public String name() {
            return engine.name();
        }

        @Override
        public Vcpu createVcpu(VcpuHost h) {
            host = h;
            return engine.createVcpu(h);
        }

        @Override
        public void close() {
            engine.close();
        }
    }

    private final Watched engine = new Watched();
    private final CommandTable table = new CommandTable();
    private final Machine machine;
    private final List<Long> changes = new ArrayList<>();

    BalloonCommandsTest() {
        RamRegion r =
                new RamRegion(0, 4 * MIB, Arena.global().allocate(4 * MIB, 4096).address(), false, -1, 0);
        machine = new Machine(
                new MachineConfig(
                        1, 1, X86Model.v1(1), new RealClock(), () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                new GuestMemory(List.of(r)),
                engine);
        BalloonDevice device = BalloonDevice.plug(machine, 3 * MIB);
        device.onChanged(changes::add);
        machine.reset();
        addTo(table, device);
    }

    private static void addTo(CommandTable table, @Nullable BalloonDevice device) {
        BalloonCommands commands = new BalloonCommands(device);
        commands.addTo(table);
        new QomCommands(commands.objects()).addTo(table);
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

    private static String property(String name) {
        return "{'path': '/machine/peripheral/balloon0', 'property': '" + name + "'}";
    }

    private static String property(String name, String value) {
        return "{'path': 'balloon0', 'property': '" + name + "', 'value': " + value + "}";
    }

    private long bar() {
        long ecam = Layout.ECAM_BASE + ((long) Layout.BALLOON_SLOT << 15);
        return host().mmioRead(ecam + 0x20, 4) & ~15L | host().mmioRead(ecam + 0x24, 4) << 32;
    }

    /** Pages that the driver reads it is to give back. */
    private long wanted() {
        return host().mmioRead(bar() + 0x2000, 4);
    }

    private VcpuHost host() {
        return Objects.requireNonNull(engine.host);
    }

    @Test
    void balloon_saysWhatTheGuestIsToBeLeftWith() throws QmpException {
        assertEquals(MIB / 4096, wanted(), "that of the start");
        assertEquals("{}", execute("balloon", "{'value': 1048576}"));
        assertEquals(3 * MIB / 4096, wanted());
        assertEquals("{}", execute("balloon", "{'value': '2M'}"));
        assertEquals(2 * MIB / 4096, wanted());
        assertEquals("{'actual':4194304}", execute("query-balloon", null), "the driver has not done it");
        host().mmioWrite(bar() + 0x2004, 4, 256);
        assertEquals("{'actual':3145728}", execute("query-balloon", null));
        assertEquals(List.of(3 * MIB), changes);
        assertEquals("{}", execute("balloon", "{'value': '999G'}"));
        assertEquals(0, wanted(), "more than it has is all it has");
    }

    @Test
    void guestStats_asQemuHasThem() throws QmpException {
        String s = execute("qom-get", property("guest-stats"));
        assertTrue(s.startsWith("{'stats':{'stat-swap-in':18446744073709551615,"), s);
        assertTrue(s.endsWith("'stat-direct-reclaims':18446744073709551615},'last-update':0}"), s);
        assertEquals("0", execute("qom-get", property("guest-stats-polling-interval")));
        assertEquals("{}", execute("qom-set", property("guest-stats-polling-interval", "1000")));
        assertEquals("1000", execute("qom-get", property("guest-stats-polling-interval")));
        assertEquals("{}", execute("qom-set", property("guest-stats-polling-interval", "0")));
        assertEquals("true", execute("qom-get", property("free-page-reporting")));
    }

    @Test
    void whatCantBeIsRefused() {
        String[][] all = {
            {"balloon", "{'value': 0}", "Parameter 'target' expects a size"},
            {"balloon", "{'value': -1}", "Parameter 'value' must be from 0 to 9223372036854775807"},
            {"qom-set", property("guest-stats-polling-interval", "-1"), "timer value must be greater than zero"},
            {"qom-set", property("guest-stats-polling-interval", "4294967296"), "timer value is too big"},
            {"qom-set", property("guest-stats", "1"), "Property 'virtio-balloon-pci.guest-stats' is not writable"},
            {"qom-get", property("colour"), "Property 'virtio-balloon-pci.colour' not found"},
        };
        for (String[] bad : all) {
            QmpException e = assertThrows(QmpException.class, () -> execute(bad[0], bad[1]), bad[1]);
            assertEquals(bad[2], e.getMessage());
        }
    }

    @Test
    void aMachineWithoutOneSaysSo() {
        CommandTable t = new CommandTable();
        addTo(t, null);
        QmpException e = assertThrows(QmpException.class, () -> execute(t, "query-balloon", null));
        assertEquals("No balloon device has been activated", e.getMessage());
        assertEquals(QmpException.ErrorClass.DEVICE_NOT_ACTIVE, e.errorClass());
    }
}
