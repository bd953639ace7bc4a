package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.cpu.JavaEngine;
import serai.fuzz.GuidedFuzz;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.disk.DeterministicIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;
import serai.vmm.block.BlockNodes;
import serai.vmm.plug.BalloonDevice;
import serai.vmm.plug.MemoryDevice;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PluggedCpus;
import tools.jackson.databind.node.ObjectNode;

/**
 * A fuzz target for the control socket: whatever a client sends, each message gets an answer, and never one of an error in Serai itself.
 * Input with a slash or a backslash is left out: a client may name files, and this one shall not name those of the host.
 */
public final class QmpFuzzTest {
    private static final long RAM = 2 << 20;

    private static final long HOST = Arena.global().allocate(RAM, 4096).address();
    private static final long PLUGGED = Arena.global().allocate(RAM, 4096).address();

    /** Of each machine its own, as vCPUs stay among its listeners. */
    private static GuestMemory memory() {
        return new GuestMemory(
                List.of(new RamRegion(0, RAM, HOST, false, -1, 0)),
                new PluggableRam(
                        new RamRegion(Layout.pluggableRam(RAM), RAM, PLUGGED, false, -1, 0),
                        RAM / 2,
                        0,
                        (offset, length) -> {}));
    }

    /** Complete words to be mixed and damaged. */
    private static final List<String> WORDS = List.of(
            "{\"execute\":\"qmp_capabilities\"}",
            "{\"execute\":\"query-commands\",\"id\":[1,{\"a\":null}]}",
            "{\"execute\":\"query-status\"}",
            "{\"execute\":\"query-cpus-fast\"}",
            "{\"execute\":\"query-pci\"}",
            "{\"execute\":\"query-block\"}",
            "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}",
            "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"file\",\"node-name\":\"n\",\"filename\":\"disk\"}}",
            "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-name\":\"m\",\"read-only\":true,"
                    + "\"file\":{\"driver\":\"file\",\"filename\":\"disk\"}}}",
            "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"n\"}}",
            "{\"execute\":\"blockdev-open-tray\",\"arguments\":{\"id\":\"cd\",\"force\":true}}",
            "{\"execute\":\"blockdev-remove-medium\",\"arguments\":{\"id\":\"cd\"}}",
            "{\"execute\":\"blockdev-insert-medium\",\"arguments\":{\"id\":\"cd\",\"node-name\":\"n\"}}",
            "{\"execute\":\"blockdev-close-tray\",\"arguments\":{\"device\":\"cd\"}}",
            "{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"cd\",\"filename\":\"disk\"}}",
            "{\"execute\":\"eject\",\"arguments\":{\"id\":\"cd\"}}",
            "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"n\",\"size\":8192,\"x-shrink\":false}}",
            "{\"execute\":\"block-dirty-bitmap-add\",\"arguments\":{\"node\":\"n\",\"name\":\"b\",\"granularity\":512}}",
            "{\"execute\":\"block-dirty-bitmap-merge\",\"arguments\":{\"node\":\"n\",\"target\":\"b\",\"bitmaps\":[\"b\","
                    + "{\"node\":\"m\",\"name\":\"c\"}]}}",
            "{\"execute\":\"transaction\",\"arguments\":{\"actions\":[{\"type\":\"block-dirty-bitmap-clear\",\"data\":"
                    + "{\"node\":\"n\",\"name\":\"b\"}},{\"type\":\"abort\",\"data\":{}}]}}",
            "{\"execute\":\"block-export-add\",\"arguments\":{\"type\":\"nbd\",\"id\":\"e\",\"node-name\":\"n\","
                    + "\"bitmaps\":[\"b\"]}}{\"execute\":\"query-block-exports\"}",
            "{\"execute\":\"block-export-del\",\"arguments\":{\"id\":\"e\",\"mode\":\"hard\"}}{\"execute\":\"nbd-server-stop\"}",
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\",\"id\":\"d\",\"drive\":\"n\"}}",
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"nvme\",\"id\":\"e\",\"drive\":\"m\",\"addr\":\"0x12.0\"}}",
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-rng-pci\",\"id\":\"r\",\"bus\":\"pci.0\"}}",
            "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"r\",\"x-force\":\"on\"}}",
            "{\"execute\":\"query-memory-devices\"}{\"execute\":\"query-memory-size-summary\"}",
            "{\"execute\":\"balloon\",\"arguments\":{\"value\":1048576}}{\"execute\":\"query-balloon\"}",
            "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"balloon0\",\"property\":\"guest-stats\"}}",
            "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"virtiomem0\",\"property\":\"requested-size\",\"value\":\"2M\"}}",
            "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"virtiomem0\",\"property\":\"size\"}}",
            "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x86-64-v1-x86_64-cpu\",\"id\":\"c\",\"socket-id\":1,"
                    + "\"core-id\":0,\"thread-id\":0}}{\"execute\":\"query-hotpluggable-cpus\"}",
            "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"c\"}}{\"execute\":\"query-acpi-ospm-status\"}",
            "{\"execute\":\"stop\"}{\"execute\":\"cont\"}",
            "{\"execute\":\"system_powerdown\"}{\"execute\":\"system_reset\"}{\"execute\":\"system_wakeup\"}",
            "{\"execute\":\"quit\"}");

    /** A VM that does as it is told, at once. */
    private static final class Obedient implements RunControl {
        private Status status = Status.RUNNING;

        @Override
        public Status status() {
            return status;
        }

        @Override
        public void pause() {
            status = Status.PAUSED;
        }

        @Override
        public void resume() {
            status = Status.RUNNING;
        }

        @Override
        public void quit() {
            status = Status.SHUTDOWN;
        }

        @Override
        public void powerDown() {}

        @Override
        public void reset() {}

        @Override
        public boolean wakeUp() {
            return status == Status.SUSPENDED;
        }

        @Override
        public List<Cpu> cpus() {
            return List.of(new Cpu(0, 0));
        }
    }

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        new QmpFuzzTest().client(input);
    }

    void client(byte[] input) throws IOException {
        for (byte b : input) {
            if (b == '/' || b == '\\') {
                return;
            }
        }
        MachineConfig config = new MachineConfig(
                1,
                3,
                X86Model.v1(1),
                new VirtualClock(1_800_000_000, 1),
                () -> 0,
                b -> {},
                b -> {},
                Numa.NONE,
                false,
                -1);
        try (Machine machine = new Machine(config, memory(), new JavaEngine());
                BlockNodes nodes = new BlockNodes(d -> d, null, false)) {
            CommandTable table = new CommandTable();
            Commands.addAll(
                    table,
                    new Obedient(),
                    (name, data) -> {},
                    machine,
                    new Peripherals(machine, nodes, () -> new DeterministicIo(machine.timers(), 1), 1, () -> 0),
                    new PluggedCpus(machine, "x86-64-v1", Numa.NONE),
                    MemoryDevice.plug(machine),
                    BalloonDevice.plug(machine, 0));
            table.add("query-commands", a -> table.names());
            talk(new Conversation(table), input);
        }
    }

    private static void talk(Conversation c, byte[] input) throws IOException {
        Frames frames = new Frames(new ByteArrayInputStream(input));
        try {
            for (byte[] message = frames.next(); message != null; message = frames.next()) {
                ObjectNode answer = c.answer(message);
                assertTrue(answer.has("return") != answer.has("error"), answer::toString);
                // at the start, where a client's own words are not repeated
                String desc = answer.path("error").path("desc").asString("");
                assertTrue(!desc.startsWith("an error in Serai itself"), answer::toString);
            }
        } catch (Frames.Excessive e) {
            // refused, which it may be
        }
    }

    /** Sound conversations with some bytes changed. */
    @Test
    void damagedConversations() throws IOException {
        long seed = 20261125;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 300; i++) {
            StringBuilder s = new StringBuilder(WORDS.getFirst());
            for (int n = random.nextInt(12); n >= 0; n--) {
                s.append(WORDS.get(random.nextInt(WORDS.size())));
            }
            byte[] b = s.toString().getBytes(StandardCharsets.UTF_8);
            for (int n = random.nextInt(4); n > 0; n--) {
                b[random.nextInt(b.length)] = (byte) random.nextInt();
            }
            client(b);
        }
    }

    @Test
    @Tag("e2e")
    void guided_aFewSeconds(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.BRIEFLY);
    }

    @Test
    @Tag("soak")
    void guided_forLong(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.LONG);
    }

    private static GuidedFuzz guided(Path dir) throws IOException {
        Path seeds = Files.createDirectory(dir.resolve("seeds"));
        for (int i = 0; i < WORDS.size(); i++) {
            Files.writeString(seeds.resolve("word" + i), WORDS.getFirst() + WORDS.get(i));
        }
        Files.writeString(seeds.resolve("all"), String.join("\n", WORDS));
        Files.write(dir.resolve("disk"), new byte[4096]);
        return new GuidedFuzz(QmpFuzzTest.class, "serai.vmm.**", dir).seeds(seeds);
    }
}
