package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/** Disks of 64 TiB, written at their far end by one and read by the other. */
@Tag("e2e")
class HugeDiskTest {
    private static final long SIZE = 64L << 40;
    private static final int BYTES = 1 << 20;

    @ParameterizedTest
    @ValueSource(strings = {"", "cluster_size=2M", "extended_l2=on", "cluster_size=2M,refcount_bits=64,extended_l2=on"})
    void readsAndIsReadAtItsFarEnd(String words, @TempDir Path dir) throws Exception {
        Qemu.need();
        Path image = dir.resolve("huge.qcow2");
        try (HostImageFile f = HostImageFile.create(image)) {
            Qcow2Disk.create(f, ModelTest.options(words, SIZE));
        }
        try (NativeBuffer b = new NativeBuffer(BYTES)) {
            try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, false)) {
                assertEquals(SIZE, d.size());
                b.segment().fill((byte) 0x5a);
                d.write(SIZE - BYTES, b.address(), BYTES);
                d.write(SIZE / 2 + 512, b.address(), 512);
            }
            Qemu qemu = new Qemu(dir);
            qemu.assertSound("huge.qcow2", false);
            String said = qemu.run(
                    0,
                    List.of(
                            "qemu-io",
                            "-f",
                            "qcow2",
                            "-c",
                            "read -P 0x5a " + (SIZE - BYTES) + " " + BYTES,
                            "-c",
                            "read -P 0x5a " + (SIZE / 2 + 512) + " 512",
                            "-c",
                            "read -P 0 0 1M",
                            "-c",
                            "write -P 0x33 " + (SIZE - BYTES / 2) + " " + BYTES / 2,
                            "huge.qcow2"));
            assertTrue(!said.contains("failed"), said);
            try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, false)) {
                d.read(SIZE - BYTES, b.address(), BYTES);
                for (int i = 0; i < BYTES; i++) {
                    assertEquals(i < BYTES / 2 ? 0x5a : 0x33, b.segment().get(ValueLayout.JAVA_BYTE, i), "byte " + i);
                }
                assertTrue(((Qcow2Disk) d).check(false, false, n -> {}).clean());
            }
            try (HostImageFile f = HostImageFile.open(image, true)) {
                assertTrue(f.allocated() < 32 << 20, "takes " + f.allocated() + " bytes of the host");
            }
        }
    }
}
