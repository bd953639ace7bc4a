package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
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
import serai.machine.disk.DeterministicIo;
import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;
import serai.vmm.block.BlockNodes;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PluggedCpus;

/** vCPUs on the control socket, with a guest that does by hand what the DSDT's methods do. */
final class CpuCommandsTest {
    private static final int RAM = 2 << 20;
    private static final Numa NODES = new Numa(
            List.of(new Numa.Node(List.of(0, 1), 1 << 20), new Numa.Node(List.of(2), 1 << 20)),
            List.of(List.of(10, 20), List.of(20, 10)));

    /** The Java engine; the test has the boot CPU's ports. */
    private static final class Ports implements Engine {
        final JavaEngine engine = new JavaEngine();

        @Nullable
        VcpuHost boot;

        @Override
        public String name() {
            return engine.name();
        }

        @Override
        public Vcpu createVcpu(VcpuHost host) {
            boot = host.index() == 0 ? host : boot;
            return engine.createVcpu(host);
        }

        @Override
        public void close() {}
    }

    private static final class Running implements RunControl {
        @Override
        public Status status() {
            return Status.RUNNING;
        }

        @Override
        public void pause() {}

        @Override
        public void resume() {}

        @Override
        public void quit() {}

        @Override
        public void powerDown() {}

        @Override
        public void reset() {}

        @Override
        public boolean wakeUp() {
            return false;
        }

        @Override
        public List<Cpu> cpus() {
            return List.of(new Cpu(0, 77));
        }
    }

    private final Arena arena = Arena.ofShared();
    private final Ports ports = new Ports();
    private final BlockNodes nodes = new BlockNodes(d -> d, null, false);
    private final List<String> events = new ArrayList<>();

    @AfterEach
    void free() {
        arena.close();
    }

    private Machine machine(int cpus, int max) {
        GuestMemory memory = new GuestMemory(
                List.of(new RamRegion(0, RAM, arena.allocate(RAM, 4096).address(), false, -1, 0)));
        MachineConfig config = new MachineConfig(
                cpus,
                max,
                X86Model.v1(1),
                new VirtualClock(1_800_000_000, 1),
                () -> 0,
                b -> {},
                b -> {},
                NODES,
                false,
                -1);
        Machine m = new Machine(config, memory, ports);
        m.reset();
        return m;
    }

    private Conversation conversation(Machine m) throws Exception {
        CommandTable table = new CommandTable();
        PluggedCpus plugged = new PluggedCpus(m, "x86-64-v1,-cx16", NODES);
        CpuCommands cpus = new CpuCommands(new Running(), plugged);
        cpus.addTo(table);
        plugged.listener(cpus.telling((name, data) -> events.add(name + " " + data)));
        new DeviceCommands(
                        new Peripherals(m, nodes, () -> new DeterministicIo(m.timers(), 1), 1, () -> 0),
                        cpus,
                        m::pciFunctions)
                .addTo(table);
        Conversation c = new Conversation(table);
        ask(c, "{'execute':'qmp_capabilities'}");
        return c;
    }

    private static String ask(Conversation c, String message) {
        return c.answer(message.replace('\'', '"').getBytes(StandardCharsets.UTF_8))
                .toString()
                .replace('"', '\'');
    }

    private static String add(Conversation c, String id, int socket, String more) {
        return ask(
                c,
                ("{'execute':'device_add','arguments':{'driver':'x86-64-v1-x86_64-cpu','id':'%s','socket-id':%d,"
                                + "'core-id':0,'thread-id':0%s}}")
                        .formatted(id, socket, more));
    }

    private static String delete(Conversation c, String id) {
        return ask(c, "{'execute':'device_del','arguments':{'id':'" + id + "'}}");
    }

    private static String error(String sentence) {
        return "{'error':{'class':'GenericError','desc':'" + sentence + "'}}";
    }

    private void out(int port, int size, int value) {
        Objects.requireNonNull(ports.boot).portWrite(Layout.CPU_HOTPLUG_BASE + port, size, value);
    }

    @Test
    void aVcpuComesAndGoes_andEachStepIsTold() throws Exception {
        try (Machine m = machine(1, 3)) {
            Conversation c = conversation(m);
            String type = "'vcpus-count':1,'type':'x86-64-v1-x86_64-cpu'}";
            assertEquals(
                    "{'return':[{'props':{'socket-id':2,'core-id':0,'thread-id':0,'node-id':1}," + type
                            + ",{'props':{'socket-id':1,'core-id':0,'thread-id':0,'node-id':0}," + type
                            + ",{'props':{'socket-id':0,'core-id':0,'thread-id':0,'node-id':0},"
                            + "'vcpus-count':1,'qom-path':'/machine/unattached/device[0]','type':'x86-64-v1-x86_64-cpu'}]}",
                    ask(c, "{'execute':'query-hotpluggable-cpus'}"));
            assertEquals("{'return':{}}", add(c, "more", 2, ",'node-id':1"));
            m.save(); // a moment for inputs
            assertEquals(0b101, m.sockets().present());
            assertEquals(
                    "{'return':[{'cpu-index':0,'thread-id':77,'target':'x86_64',"
                            + "'qom-path':'/machine/unattached/device[0]',"
                            + "'props':{'socket-id':0,'core-id':0,'thread-id':0,'node-id':0}},"
                            + "{'cpu-index':2,'thread-id':0,'target':'x86_64','qom-path':'/machine/peripheral/more',"
                            + "'props':{'socket-id':2,'core-id':0,'thread-id':0,'node-id':1}}]}",
                    ask(c, "{'execute':'query-cpus-fast'}"));
            assertEquals("{'return':{}}", delete(c, "/machine/peripheral/more"));
            m.save();
            // the guest refuses
            out(0, 4, 2);
            assertEquals(7, Objects.requireNonNull(ports.boot).portRead(Layout.CPU_HOTPLUG_BASE + 4, 1));
            out(5, 1, 1);
            out(8, 4, 3);
            out(5, 1, 2);
            out(8, 4, 0x82);
            String said = "{'device':'more','slot':'2','slot-type':'CPU','source':3,'status':130}";
            assertEquals(
                    List.of(
                            "ACPI_DEVICE_OST {'info':" + said + "}",
                            "DEVICE_UNPLUG_GUEST_ERROR {'device':'more','path':'/machine/peripheral/more'}"),
                    events.stream().map(e -> e.replace('"', '\'')).toList());
            assertEquals(
                    "{'return':[{'slot':'0','slot-type':'CPU','source':0,'status':0}," + said + "]}",
                    ask(c, "{'execute':'query-acpi-ospm-status'}"));
            // and gives it back after all
            events.clear();
            out(4, 1, 8);
            assertEquals(
                    List.of("DEVICE_DELETED {'device':'more','path':'/machine/peripheral/more'}"),
                    events.stream().map(e -> e.replace('"', '\'')).toList());
            assertEquals(1, m.sockets().present());
            assertEquals("{'return':{}}", add(c, "more", 1, ""));
        }
    }

    @Test
    void whatIsRefused() throws Exception {
        try (Machine m = machine(2, 3)) {
            Conversation c = conversation(m);
            assertEquals(error("socket 1 has its vCPU already"), add(c, "a", 1, ""));
            assertEquals(error("Parameter 'socket-id' must be from 0 to 2"), add(c, "a", 3, ""));
            assertEquals(error("Parameter 'node-id' must be from 1 to 1"), add(c, "a", 2, ",'node-id':0"));
            assertEquals(error("Property 'x86-64-v1-x86_64-cpu.drive' not found"), add(c, "a", 2, ",'drive':'d'"));
            assertEquals("{'return':{}}", add(c, "a", 2, ""));
            assertEquals(error("socket 2 has its vCPU already"), add(c, "b", 2, ""));
            assertEquals(
                    error("Duplicate device ID 'a'"),
                    ask(c, "{'execute':'device_add','arguments':{'driver':'virtio-rng-pci','id':'a'}}"));
            assertEquals(
                    "{'return':{}}",
                    ask(c, "{'execute':'device_add','arguments':{'driver':'virtio-rng-pci','id':'r'}}"));
            assertEquals(error("Duplicate device ID 'r'"), add(c, "r", 2, ""));
            assertEquals(
                    error("Property 'virtio-rng-pci.socket-id' not found"),
                    ask(c, "{'execute':'device_add','arguments':{'driver':'virtio-rng-pci','id':'q','socket-id':1}}"));
            assertEquals(
                    error("'qemu64-x86_64-cpu' is not the model of this VM's vCPUs, which is 'x86-64-v1-x86_64-cpu'"),
                    ask(
                            c,
                            "{'execute':'device_add','arguments':{'driver':'qemu64-x86_64-cpu','id':'q','socket-id':1}}"));
            assertEquals(error("Boot CPU is unpluggable"), delete(c, "/machine/unattached/device[0]"));
            assertEquals("{'return':{}}", delete(c, "/machine/unattached/device[1]"));
            m.save();
            out(0, 4, 1);
            out(4, 1, 8);
            assertEquals(
                    List.of("DEVICE_DELETED {'path':'/machine/unattached/device[1]'}"),
                    events.stream().map(e -> e.replace('"', '\'')).toList());
        }
    }

    @Test
    void inAMachineWithoutRoom_theyStay() throws Exception {
        try (Machine m = machine(3, 3)) {
            Conversation c = conversation(m);
            assertEquals(
                    error("the vCPUs of this VM stay; start it with --cpus N,max=M to plug some"),
                    ask(
                            c,
                            "{'execute':'device_add','arguments':{'driver':'x86-64-v1-x86_64-cpu','id':'a','socket-id':0,"
                                    + "'core-id':0,'thread-id':0}}"));
            assertEquals(error("the vCPUs of this VM stay"), delete(c, "/machine/unattached/device[1]"));
        }
    }
}
