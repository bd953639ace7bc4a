package serai.storage.imported;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.Opening;

/** Images that qemu-img makes, with every subformat and option that it has for these formats. */
@Tag("e2e")
class QemuImagesTest {
    private static final long MIB = 1 << 20;

    /** A format with its options. */
    record Variant(ImageFormat format, String options) {
        @Override
        public String toString() {
            return format.word() + " " + options;
        }

        boolean oneFile() {
            return format != ImageFormat.VMDK || !options.contains("Flat") && !options.contains("twoGb");
        }

        /** qemu-img does not know of a VHDX what is allocated, nor of these VMDK extents which file is meant. */
        boolean map() {
            return format != ImageFormat.VHDX;
        }
    }

    static final List<Variant> VARIANTS = variants();

    private static List<Variant> variants() {
        List<Variant> all = new ArrayList<>();
        for (String sub : List.of(
                "monolithicSparse",
                "monolithicFlat",
                "twoGbMaxExtentSparse",
                "twoGbMaxExtentFlat",
                "streamOptimized")) {
            for (String more : List.of("", ",compat6=on", ",zeroed_grain=on")) {
                if (!more.contains("zeroed") || !sub.contains("Flat")) {
                    all.add(new Variant(ImageFormat.VMDK, "subformat=" + sub + more));
                }
            }
        }
        for (String sub : List.of("dynamic", "fixed")) {
            for (String more : List.of("", ",force_size=on")) {
                all.add(new Variant(ImageFormat.VPC, "subformat=" + sub + more));
            }
            for (String more : List.of(
                    "", ",block_size=1M", ",block_size=2M,log_size=2M", ",block_size=256M", ",block_state_zero=off")) {
                if (!more.contains("off") || sub.equals("fixed")) {
                    all.add(new Variant(ImageFormat.VHDX, "subformat=" + sub + more));
                }
            }
        }
        return all;
    }

    @TempDir
    private Path directory;

    @BeforeEach
    void tools() {
        Oracle.need();
    }

    @ParameterizedTest
    @FieldSource("VARIANTS")
    void whatIsConvertedReadsAsTheOriginal(Variant v) throws Exception {
        long seed = 20261201;
        for (long size : new long[] {MIB, 5 * MIB + 512, 77 * MIB + 3 * 512}) {
            Path raw = Oracle.raw(directory.resolve("raw" + size), size, 40, seed + size);
            Path image = directory.resolve(size + "." + v.format.word());
            Oracle.run("qemu-img", "convert", "-f", "raw", "-O", v.format.word(), "-o", v.options, raw, image);
            Oracle.assertSame(image, v.format, directory.resolve("scratch"), v.oneFile(), v.map());
            // a disk by geometry is larger
            long read = Files.size(raw);
            try (BlockDevice d = Opening.trusted().open(image, v.format, true)) {
                Path same = directory.resolve("same");
                Files.copy(raw, same);
                if (d.size() != read) {
                    Oracle.run("qemu-img", "resize", "-q", "-f", "raw", same, d.size());
                    assertEquals(ImageFormat.VPC, v.format);
                }
                Oracle.assertBytes(d, same);
                Files.delete(same);
            }
        }
    }

    /** Written piece by piece, so that grains and blocks are not in the order of the disk. */
    @ParameterizedTest
    @FieldSource("VARIANTS")
    void whatIsWrittenInAnyOrderReadsAsQemuReadsIt(Variant v) throws Exception {
        if (v.options.contains("streamOptimized")) {
            return; // can only be written from start to end
        }
        Path image = directory.resolve("disk." + v.format.word());
        Oracle.run("qemu-img", "create", "-q", "-f", v.format.word(), "-o", v.options, image, "90M");
        Oracle.run(
                "qemu-io",
                "-f",
                v.format.word(),
                "-c",
                "write -P 1 80M 3M",
                "-c",
                "write -P 2 0 512",
                "-c",
                "write -P 3 31M 1234k",
                "-c",
                "write -P 4 64k 64k",
                "-c",
                "write -z 40M 4M",
                "-c",
                "write -z 80M 128k",
                "-c",
                "write -P 5 42M 64k",
                image);
        Oracle.assertSame(image, v.format, directory.resolve("scratch"), v.oneFile(), v.map());
        try (BlockDevice d = Opening.trusted().open(image, v.format, true)) {
            Disks.assertThreadsRead(d, Disks.all(d));
        }
    }

    @ParameterizedTest
    @FieldSource("VARIANTS")
    void anEmptyDiskIsAllZeros(Variant v) throws Exception {
        Path image = directory.resolve("disk." + v.format.word());
        // the flat extents of 2 GiB, and the BAT of several slices, are in it
        String size = v.options.contains("256M") || v.options.contains("fixed") ? "300M" : "70G";
        Oracle.run("qemu-img", "create", "-q", "-f", v.format.word(), "-o", v.options, image, size);
        String info = Oracle.run("qemu-img", "info", "-f", v.format.word(), image);
        try (BlockDevice d = Opening.trusted().open(image, v.format, true)) {
            assertEquals(true, info.contains("(%d bytes)".formatted(d.size())), info.toLowerCase(Locale.ROOT));
            for (Disks.Stretch s : Disks.map(d)) {
                // where the disk is the file's bytes, the host may have allocated some
                if (!v.options.contains("fixed") && !v.options.contains("Flat")) {
                    assertEquals(true, s.extent().zero(), s::toString);
                }
            }
            for (long p = 0; p < d.size(); p += d.size() / 97 / 512 * 512) {
                int n = (int) Math.min(8192, d.size() - p);
                assertArrayEquals(new byte[n], Disks.read(d, p, n));
            }
        }
    }

    /** The backing file of a VMDK is a VMDK. */
    @Test
    void aVmdkWithAParent() throws Exception {
        Path base = directory.resolve("base.vmdk");
        Path top = directory.resolve("top.vmdk");
        Path raw = Oracle.raw(directory.resolve("raw"), 50 * MIB, 60, 7);
        Oracle.run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", raw, base);
        for (String options : List.of("subformat=monolithicSparse", "subformat=monolithicSparse,zeroed_grain=on")) {
            Files.deleteIfExists(top);
            Oracle.run("qemu-img", "create", "-q", "-f", "vmdk", "-o", options, "-b", "base.vmdk", "-F", "vmdk", top);
            Oracle.run(
                    "qemu-io",
                    "-f",
                    "vmdk",
                    "-c",
                    "write -P 9 1M 200k",
                    "-c",
                    "write -z 2M 1M",
                    "-c",
                    "write -P 8 49M 1M",
                    top);
            Oracle.assertSame(top, ImageFormat.VMDK, directory.resolve("scratch"), false, true);
        }
    }
}
