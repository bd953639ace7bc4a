package serai.image;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.ar.ArArchiveEntry;
import org.apache.commons.compress.archivers.ar.ArArchiveOutputStream;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.XZOutputStream;

class ImagesTest {
    @TempDir
    Path dir = Path.of("");

    private final ByteArrayOutputStream messages = new ByteArrayOutputStream();
    private final Progress progress = new Progress(new PrintStream(messages, true, StandardCharsets.UTF_8), false);

    /** tiny asks nothing of it. */
    private static final Host NO_HOST = new FakeHost();

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] module(String depends) {
        return ascii("\u007fELF....\0license=GPL\0depends=" + depends + "\0name=x\0");
    }

    private static void deb(Path file, Map<String, byte[]> files) throws IOException {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(new XZOutputStream(data, new LZMA2Options(1)))) {
            for (Map.Entry<String, byte[]> f : files.entrySet()) {
                TarArchiveEntry e = new TarArchiveEntry("./" + f.getKey());
                e.setSize(f.getValue().length);
                tar.putArchiveEntry(e);
                tar.write(f.getValue());
                tar.closeArchiveEntry();
            }
        }
        try (OutputStream out = Files.newOutputStream(file);
                ArArchiveOutputStream ar = new ArArchiveOutputStream(out)) {
            member(ar, "debian-binary", ascii("2.0\n"));
            member(ar, "control.tar.xz", ascii("not looked at"));
            member(ar, "data.tar.xz", data.toByteArray());
        }
    }

    private static void member(ArArchiveOutputStream ar, String name, byte[] content) throws IOException {
        ar.putArchiveEntry(new ArArchiveEntry(name, content.length));
        ar.write(content);
        ar.closeArchiveEntry();
    }

    /** Two packages like Debian's. */
    private static List<Path> fetch(@Nullable String suite, List<String> names, Path into, Progress p)
            throws IOException {
        assertEquals(List.of("linux-image-cloud-amd64", "busybox-static"), names);
        Map<String, byte[]> kernel = new TreeMap<>();
        String modules = "lib/modules/6.1.0-1-cloud-amd64/kernel/drivers/";
        kernel.put("boot/vmlinuz-6.1.0-1-cloud-amd64", ascii("kernel"));
        kernel.put(modules + "block/virtio_blk.ko", module("virtio_ring,virtio"));
        kernel.put(modules + "char/hw_random/virtio-rng.ko", module("virtio,virtio_ring"));
        kernel.put(modules + "net/virtio_net.ko", module("virtio,net_failover"));
        kernel.put(modules + "net/net_failover.ko", module("failover"));
        kernel.put(modules + "net/core/failover.ko", module(""));
        kernel.put(modules + "net/ethernet/intel/e1000/e1000.ko", module(""));
        kernel.put(modules + "virtio/virtio.ko", module(""));
        kernel.put(modules + "virtio/virtio_balloon.ko", module("virtio,virtio_ring"));
        kernel.put(modules + "virtio/virtio_pci.ko", module("virtio-ring,virtio,virtio_pci_modern_dev"));
        kernel.put(modules + "virtio/virtio_pci_modern_dev.ko", module(""));
        kernel.put(modules + "virtio/virtio_ring.ko", module("virtio"));
        deb(into.resolve("k.deb"), kernel);
        deb(
                into.resolve("b.deb"),
                Map.of(
                        "bin/busybox",
                        ascii(
                                "\u007fELF code\0[\0[[\0busybox\0cat\0cttyhack\0dd\0dmesg\0echo\0insmod\0ls\0mkdir\0mount\0poweroff\0"
                                        + "ps\0reboot\0setsid\0sh\0sleep\0umount\0uname\0zcat\0!\0apple\0")));
        return List.of(into.resolve("k.deb"), into.resolve("b.deb"));
    }

    private static Map<String, CpioArchiveEntry> entries(byte[] cpio, Map<String, byte[]> contents) throws IOException {
        Map<String, CpioArchiveEntry> all = new TreeMap<>();
        try (CpioArchiveInputStream in = new CpioArchiveInputStream(new ByteArrayInputStream(cpio))) {
            for (CpioArchiveEntry e; (e = in.getNextEntry()) != null; ) {
                all.put(e.getName(), e);
                contents.put(e.getName(), in.readAllBytes());
            }
        }
        return all;
    }

    @Test
    void tiny_isBuiltOnceFromPackages() throws Exception {
        List<Integer> calls = new ArrayList<>();
        Images images = new Images(
                dir,
                (s, n, i, p) -> {
                    calls.add(1);
                    return fetch(s, n, i, p);
                },
                NO_HOST,
                progress);
        Image tiny = images.get("tiny");
        assertEquals("console=ttyS0 memhp_default_state=online_movable", tiny.append());
        assertEquals("kernel", Files.readString(tiny.kernel()));
        Map<String, byte[]> contents = new TreeMap<>();
        byte[] first = Files.readAllBytes(tiny.initrd());
        Map<String, CpioArchiveEntry> cpio = entries(first, contents);
        assertTrue(requireNonNull(cpio.get("dev/console")).isCharacterDevice());
        assertEquals("busybox", new String(contents.get("bin/zcat"), StandardCharsets.US_ASCII));
        assertEquals(0100755, requireNonNull(cpio.get("bin/busybox")).getMode());
        assertFalse(cpio.containsKey("bin/apple"));
        assertEquals(0100755, requireNonNull(cpio.get("init")).getMode());
        String init = new String(contents.get("init"), StandardCharsets.US_ASCII);
        assertTrue(init.startsWith("#!/bin/sh\necho 'serai: init'\n"), init);
        assertEquals(
                List.of("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "virtio_rng"),
                init.lines()
                        .takeWhile(l -> !l.startsWith("for "))
                        .filter(l -> l.startsWith("insmod /lib/"))
                        .map(l -> l.substring(12, l.length() - 3))
                        .toList());

        assertTrue(init.contains("""
                case $id in
                0x0001)
                insmod /lib/failover.ko
                insmod /lib/net_failover.ko
                insmod /lib/virtio_net.ko
                ;;
                0x0005)
                insmod /lib/virtio_balloon.ko
                ;;
                esac
                done
                """), init);
        assertTrue(init.contains("0x8086:0x100e)\ninsmod /lib/e1000.ko\n;;\nesac\ndone\n"), init);

        images.get("tiny");
        assertEquals(1, calls.size());
        Durable.delete(dir.resolve("tiny"));
        assertArrayEquals(first, Files.readAllBytes(images.get("tiny").initrd()), "the same packages, the same bytes");
    }

    @Test
    void suiteAndKindOfKernel_areAskedOfThePackages_andHaveDirectoriesOfTheirOwn() throws Exception {
        List<String> asked = new ArrayList<>();
        Images images = new Images(
                dir,
                (s, n, i, p) -> {
                    asked.add(s + " " + n.getFirst());
                    return fetch(s, List.of("linux-image-cloud-amd64", "busybox-static"), i, p);
                },
                NO_HOST,
                progress);
        for (String name : List.of("tiny", "tiny:trixie", "generic", "generic:trixie")) {
            assertEquals(name, images.get(name).name());
            assertTrue(Files.isDirectory(dir.resolve(name.replace(':', '-'))), name);
            assertFalse(Images.hasDisk(name));
        }
        assertEquals(
                List.of(
                        "null linux-image-cloud-amd64",
                        "trixie linux-image-cloud-amd64",
                        "null linux-image-amd64",
                        "trixie linux-image-amd64"),
                asked);
        assertTrue(Images.hasDisk("debian:trixie"));
    }

    @Test
    void failureHalfWay_leavesNothing_andTheNextRunBuilds() throws Exception {
        Images failing = new Images(
                dir,
                (s, n, i, p) -> {
                    Files.writeString(i.resolve("half"), "x");
                    throw new IOException("No space left on device");
                },
                NO_HOST,
                progress);
        ImageException e = assertThrows(ImageException.class, () -> failing.get("tiny"));
        assertEquals(
                "image tiny can't be built in " + dir.resolve("tiny") + ": No space left on device", e.getMessage());
        try (Stream<Path> left = Files.list(dir.resolve("tiny"))) {
            assertEquals(
                    List.of("lock"), left.map(p -> p.getFileName().toString()).toList());
        }
        // and what a killed builder leaves
        Files.createDirectories(dir.resolve("tiny/1.partial/image"));
        Files.writeString(dir.resolve("tiny/1.partial/image/vmlinuz"), "half");
        Image tiny = new Images(dir, ImagesTest::fetch, NO_HOST, progress).get("tiny");
        assertEquals("kernel", Files.readString(tiny.kernel()));
        assertFalse(Files.exists(dir.resolve("tiny/1.partial")));
    }

    @Test
    void packageWithoutKernel_isOneSentence() {
        Images images = new Images(
                dir,
                (s, n, i, p) -> {
                    deb(i.resolve("k.deb"), Map.of("boot/config", ascii("x")));
                    deb(i.resolve("b.deb"), Map.of("bin/busybox", ascii("x")));
                    return List.of(i.resolve("k.deb"), i.resolve("b.deb"));
                },
                NO_HOST,
                progress);
        assertEquals(
                "the package k.deb has no /boot/vmlinuz",
                assertThrows(ImageException.class, () -> images.get("tiny")).getMessage());
        assertEquals(
                "there is no image 'huge'; the images are: tiny, generic and debian, or with a suite, such as debian:trixie",
                assertThrows(ImageException.class, () -> images.get("huge")).getMessage());
    }

    @Test
    void progress_onATerminalIsABar_elsePlainLines() {
        progress.start("job", 8_000_000);
        for (int i = 0; i <= 8; i++) {
            progress.at(i * 1_000_000);
        }
        progress.done();
        assertEquals("""
                serai: job: 0 %    0.0 of 8.0 MB
                serai: job: 25 %    2.0 of 8.0 MB
                serai: job: 50 %    4.0 of 8.0 MB
                serai: job: 75 %    6.0 of 8.0 MB
                serai: job: 100 %    8.0 of 8.0 MB
                """, messages.toString(StandardCharsets.UTF_8));
        messages.reset();
        Progress bar = new Progress(new PrintStream(messages, true, StandardCharsets.UTF_8), true);
        bar.start("job", 2_000_000);
        bar.at(1_000_000);
        String last = messages.toString(StandardCharsets.UTF_8);
        assertEquals(
                "job                      [###############...............]  50 %    1.0 of 2.0 MB",
                last.substring(last.lastIndexOf('\r') + 1).stripTrailing());
    }
}
