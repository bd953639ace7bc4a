package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.machine.Layout;
import serai.storage.ImageFormat;
import serai.vmm.block.Troubles;
import serai.vmm.plug.Peripherals;
import tools.jackson.databind.JsonNode;

/** {@code block_set_io_throttle} in QEMU's words, with groups, on three disks. */
final class ThrottleCommandsTest {
    private static final String ZERO = "'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 0, 'iops_wr': 0";

    @TempDir
    Path directory;

    private final BlockTable t = new BlockTable(new Troubles() {
        @Override
        public void stop(Object cause) {}

        @Override
        public void release(Object cause) {}

        @Override
        public void tell(Failure failure) {}

        @Override
        public void locked(Runnable action) {
            action.run();
        }
    });

    @BeforeEach
    void disks() throws Exception {
        int slot = Layout.FIRST_DISK_SLOT;
        for (String n : new String[] {"a", "b", "c"}) {
            Path file = directory.resolve(n);
            Files.write(file, new byte[4096]);
            t.open("node-" + n, file, ImageFormat.RAW);
            t.peripherals.addAtStart(Peripherals.VIRTIO_BLK, n, slot++, "node-" + n);
        }
    }

    @AfterEach
    void close() {
        t.close();
    }

    private void limit(String device, String limits, String more) throws QmpException {
        String all = ZERO;
        for (String l : limits.split(" ")) {
            String[] kv = l.split("=");
            all = all.contains("'" + kv[0] + "': 0")
                    ? all.replace("'" + kv[0] + "': 0", "'" + kv[0] + "': " + kv[1])
                    : all + ", '" + kv[0] + "': " + kv[1];
        }
        t.done("block_set_io_throttle", "{'id': '" + device + "', " + all + more + "}");
    }

    /** iops, bps and group of each disk. */
    private String limits() throws QmpException {
        StringBuilder s = new StringBuilder();
        for (JsonNode n : t.ask("query-block", "{}")) {
            JsonNode i = n.path("inserted");
            s.append(i.path("iops")).append('/').append(i.path("bps")).append('/');
            s.append(i.path("group").asString("-")).append(' ');
        }
        return s.toString().strip();
    }

    @Test
    void disksOfAGroup_haveTheLimitsThatAnyOfThemWasGivenLast() throws Exception {
        limit("a", "iops=100", ", 'group': 'g'");
        limit("b", "iops=200", ", 'group': 'g'");
        assertEquals("200/0/g 200/0/g 0/0/-", limits());
        limit("a", "bps=4096", ""); // it stays in its group
        assertEquals("0/4096/g 0/4096/g 0/0/-", limits());
        limit("c", "iops=7", "");
        limit("b", "iops=9", ", 'group': 'h'");
        assertEquals("0/4096/g 9/0/h 7/0/-", limits());
        limit("a", "iops=0", ""); // without limits a disk leaves its group
        assertEquals("0/0/- 9/0/h 7/0/-", limits());
        limit("a", "iops=5 iops_max=50 iops_max_length=3", ", 'group': 'g'");
        assertEquals("5/0/g 9/0/h 7/0/-", limits());
        JsonNode a = t.ask("query-block", "{}").get(0).path("inserted");
        assertEquals("50 3", a.path("iops_max") + " " + a.path("iops_max_length"));
    }

    @Test
    void whatCantBeIsRefused_andTheLimitsStay() throws Exception {
        limit("a", "iops=100", ", 'group': 'g'");
        t.refused("Cannot find device='x' nor node-name=''", "block_set_io_throttle", "{'id': 'x', " + ZERO + "}");
        t.refused("Parameter 'bps' is missing", "block_set_io_throttle", "{'id': 'a'}");
        for (String bad : new String[] {"'bps': 1, 'bps_rd': 1", "'iops': 5, 'iops_max': 2", "'iops': -1"}) {
            QmpException e = org.junit.jupiter.api.Assertions.assertThrows(
                    QmpException.class,
                    () -> t.ask("block_set_io_throttle", "{'id': 'a', " + bad + ", " + without(bad) + "}"),
                    bad);
            assertEquals(QmpException.ErrorClass.GENERIC_ERROR, e.errorClass());
        }
        assertEquals("100/0/g 0/0/- 0/0/-", limits());
    }

    private static String without(String given) {
        StringBuilder s = new StringBuilder();
        for (String z : ZERO.split(", ")) {
            if (!given.contains(z.substring(0, z.indexOf(':') + 1))) {
                s.append(s.isEmpty() ? "" : ", ").append(z);
            }
        }
        return s.toString();
    }
}
