package serai.storage.vmdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.RawDisk;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;
import serai.storage.imported.Oracle;

class StreamOptimizedWriterTest {
    private static byte[] stream(BlockDevice disk, List<Long> progress) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        StreamOptimizedWriter.write(disk, out, "di\"sk\n.vmdk", progress::add);
        return out.toByteArray();
    }

    @Test
    void whatIsWrittenReadsTheSame() throws IOException {
        Random random = new Random(3);
        for (int size : new int[] {512, 64 << 10, (64 << 10) + 512, 33 << 20, (70 << 20) + 1024}) {
            byte[] disk = new byte[size];
            for (int i = 0; i < 20; i++) {
                int at = random.nextInt(size);
                Arrays.fill(disk, at, at + random.nextInt(size - at) / 20, (byte) random.nextInt(2));
            }
            disk[size - 1] = 1;
            List<Long> progress = new ArrayList<>();
            try (BlockDevice raw = RawDisk.on(new FakeFile("raw", disk))) {
                byte[] image = stream(raw, progress);
                assertEquals(0, image.length % 512);
                assertEquals(size, progress.getLast());
                try (BlockDevice d = VmdkDisk.on(new FakeFile("disk.vmdk", image), Opening.trusted())) {
                    assertArrayEquals(disk, Disks.all(d));
                }
            }
        }
    }

    /** Of zeros there is nothing, whether the disk knows that they are or not. */
    @Test
    void zerosTakeNoSpace() throws IOException {
        try (BlockDevice raw = RawDisk.on(new FakeFile("raw", new byte[100 << 20]))) {
            // header and overhead, marker and directory, marker and footer, end of stream
            assertEquals((128 + 2 + 2 + 1) * 512, stream(raw, new ArrayList<>()).length);
        }
    }

    @Test
    @Tag("e2e")
    void qemuReadsTheSame(@TempDir Path directory) throws Exception {
        Oracle.need();
        for (long size : new long[] {512, 1 << 20, (77 << 20) + 1536, 1L << 30}) {
            Path raw = Oracle.raw(directory.resolve("raw" + size), size, 50, size);
            Path image = directory.resolve("disk" + size + ".vmdk");
            try (BlockDevice d = Opening.trusted().open(raw, ImageFormat.RAW, true);
                    OutputStream out = Files.newOutputStream(image)) {
                StreamOptimizedWriter.write(d, out, "disk.vmdk", p -> {});
            }
            Oracle.run("qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, image);
            Oracle.run("qemu-img", "check", "-f", "vmdk", image);
            String info = Oracle.run("qemu-img", "info", "-f", "vmdk", image);
            assertTrue(info.contains("create type: streamOptimized"), info);
            Oracle.assertSame(image, ImageFormat.VMDK, directory.resolve("scratch"), true, true);
        }
    }
}
