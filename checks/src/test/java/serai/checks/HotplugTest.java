package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What comes into and goes out of a running stock Debian kernel, by the control socket. */
@Tag("e2e")
final class HotplugTest {
    private static final String DISK = "/sys/bus/pci/devices/0000:00:10.0";

    @TempDir
    Path directory;

    private Path disk(String name, String content) throws Exception {
        Path p = directory.resolve(name);
        try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
            f.setLength(16 << 20);
            f.write(content.getBytes(StandardCharsets.US_ASCII));
        }
        return p;
    }

    @Test
    void aDiskComesAndGoes_byRequestOrPulledOut_andTheButtonIsSeen() throws Exception {
        Path socket = directory.resolve("qmp");
        Path disk = disk("d.raw", "from the host");
        try (Vmm v = Vmm.start(Tiny.words("qmp=" + socket))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                plugAndUse(v, q, disk);
                assertEquals(
                        "{}",
                        q.execute("{'execute': 'device_del', 'arguments': {'id': 'hot'}}")
                                .toString());
                assertEquals("hot", q.await("DEVICE_DELETED").path("device").asString());
                assertEquals("gone", Tiny.shell(v, "ls " + DISK + " 2>/dev/null || echo gone"));
                byte[] written = new byte[14];
                try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "r")) {
                    f.seek(1 << 20);
                    f.readFully(written);
                }
                assertEquals("from the guest", new String(written, StandardCharsets.US_ASCII));
                surprise(v, q, disk);
                button(v, q);
                q.execute("{'execute': 'quit'}");
                assertEquals("host-qmp-quit", q.await("SHUTDOWN").path("reason").asString());
            }
            assertEquals(0, v.await(60).status());
            assertFalse(Files.exists(socket));
        }
    }

    private static void plug(Qmp q, String driver, Path disk) throws Exception {
        assertEquals(
                "{}",
                q.execute("{'execute': 'blockdev-add', 'arguments': {'driver': 'raw', 'node-name': 'd', 'file': "
                                + "{'driver': 'file', 'filename': '" + disk + "'}}}")
                        .toString());
        assertEquals(
                "{}",
                q.execute("{'execute': 'device_add', 'arguments': {'driver': '" + driver
                                + "', 'id': 'hot', 'drive': 'd'," + " 'addr': '0x10'}}")
                        .toString());
    }

    private static void plugAndUse(Vmm v, Qmp q, Path disk) throws Exception {
        plug(q, "virtio-blk-pci", disk);
        Tiny.awaitShell(v, "ls /dev/vda", "/dev/vda");
        assertEquals("from the host", Tiny.shell(v, "dd if=/dev/vda bs=13 count=1 2>/dev/null"));
        Tiny.shell(v, "printf 'from the guest' | dd of=/dev/vda bs=1M seek=1 conv=sync,fsync 2>/dev/null");
        assertTrue(q.execute("{'execute': 'blockdev-del', 'arguments': {'node-name': 'd'}}")
                .toString()
                .contains("in use by device 'hot'"));
    }

    /**
     * Pulled out while it is read: the kernel's driver gives up what was under way and lets the device go. An NVMe disk, as Linux's virtio
     * driver waits for ever for one that has vanished to say that it is reset.
     */
    private static void surprise(Vmm v, Qmp q, Path disk) throws Exception {
        assertEquals(
                "{}",
                q.execute("{'execute': 'blockdev-del', 'arguments': {'node-name': 'd'}}")
                        .toString());
        plug(q, "nvme", disk);
        Tiny.awaitShell(v, "ls /dev/nvme0n1", "/dev/nvme0n1");
        Tiny.shell(v, "(while dd if=/dev/nvme0n1 of=/dev/null bs=4k; do :; done) >/dev/null 2>&1 & sleep 0.3");
        pull(q);
        Tiny.awaitShell(v, "ls " + DISK + " 2>/dev/null || echo gone", "gone");
        assertEquals(
                "{}",
                q.execute("{'execute': 'blockdev-del', 'arguments': {'node-name': 'd'}}")
                        .toString());
    }

    private static void pull(Qmp q) throws Exception {
        q.execute("{'execute': 'device_del', 'arguments': {'id': 'hot', 'x-force': true}}");
        assertEquals("hot", q.await("DEVICE_DELETED").path("device").asString());
    }

    private static void button(Vmm v, Qmp q) throws Exception {
        Tiny.shell(v, "dd if=/dev/input/event0 of=/tmp/button bs=24 count=1 2>/dev/null & sleep 0.3");
        q.execute("{'execute': 'system_powerdown'}");
        q.await("POWERDOWN");
        // struct input_event: type EV_KEY (1), code KEY_POWER (116), value 1; busybox joins the last two
        Tiny.awaitShell(v, "hexdump -s 16 -e '2/2 \"%d \" 1/4 \"%d\"' /tmp/button", "1 1161");
    }
}
