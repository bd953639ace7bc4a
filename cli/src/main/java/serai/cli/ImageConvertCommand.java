package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.image.AsideFile;
import serai.storage.image.ByteSize;
import serai.storage.image.Copy;
import serai.storage.image.NewImage;
import serai.storage.qcow2.Qcow2Disk;

/** {@code serai image convert}. */
@Command(
        name = "convert",
        description = {
            "Copies a disk image into a new one, of the same or another format.",
            "DST appears under its name when it is whole: until then a file of that name stays as it is, and whatever ends the"
                    + " command, nothing half-made remains. What DST replaces passes its permissions on; else only its owner may"
                    + " read it. A block device, an NBD export or, with -n, an image that is there is written in place.",
            "The format of DST is what -O says, else what its suffix says, else raw."
        },
        customSynopsis = "serai image convert [OPTIONS] SRC DST",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  serai image convert disk.vmdk disk.qcow2",
            "  serai image convert -c -o compression_type=zstd disk.raw disk.qcow2",
            "  serai image convert --untrusted upload.vmdk disk.qcow2",
            "  serai image convert nbd://backup.example/sda sda.qcow2"
        })
final class ImageConvertCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-O", "--format", "--target-format"},
            paramLabel = "FORMAT",
            description = "The format of DST: raw, qcow2 or luks; vmdk is stream-optimised, for export.")
    private @Nullable String format;

    @Mixin
    private ImageNew options = new ImageNew();

    @Option(names = "-c", description = "Compresses the clusters of DST (qcow2).")
    private boolean compressed;

    @Option(
            names = "-S",
            paramLabel = "SIZE",
            description = "Blocks of so many zeros take no space in DST (default: 4k). 0: all is written, zeros, too.")
    private String sparse = "4k";

    @Option(
            names = {"-l", "--snapshot"},
            paramLabel = "NAME",
            description = "What SRC was when this internal snapshot of it was made (qcow2): its ID or name,"
                    + " or snapshot.id=ID, snapshot.name=NAME.")
    private @Nullable String snapshot;

    @Option(names = "-n", description = "DST is there, and is filled; it has at least the size of SRC.")
    private boolean inPlace;

    @Option(names = "-m", paramLabel = "N", description = "How many threads copy, 1 to 16 (default: 8).")
    private int threads = 8;

    @Option(names = "-W", hidden = true, description = "Writes are never held back for their order.")
    @SuppressWarnings("UnusedVariable") // for the sake of scripts
    private boolean outOfOrder;

    @Option(
            names = "-t",
            paramLabel = "CACHE",
            description = "unsafe: does not wait until DST is on the disk; writeback (default): does.")
    private String cache = "writeback";

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "SRC", description = "An image, or an NBD export (nbd://HOST/NAME).")
    private String from = "";

    @Parameters(index = "1", paramLabel = "DST", description = "The new image.")
    private String to = "";

    @Override
    int run() throws IOException, CliException {
        Values.oneOf("-t", cache, java.util.List.of("writeback", "unsafe"));
        Copy.Options copy = copyOptions();
        if (!ImageSource.isNbd(from)
                && !ImageSource.isNbd(to)
                && References.real(Path.of(from)).equals(References.real(Path.of(to)))) {
            throw CliException.usage(from + " can't be converted into itself: give DST another name");
        }
        if (ImageSource.isNbd(to)) {
            ImageSource.rawOnly(to, format);
            try (BlockDevice src = source();
                    BlockDevice dst = ImageSource.nbd(to, false)) {
                fill(src, dst, copy);
            }
            return Status.OK;
        }
        Path path = Path.of(to);
        ImageFormat target = format != null
                ? ImageFormat.named(format)
                : ImageFormat.ofName(path).orElse(ImageFormat.RAW);
        boolean special = Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path);
        if (inPlace || special && target == ImageFormat.RAW) {
            ImageSource.checkWritable(path);
            source.secrets().check();
            try (BlockDevice src = source();
                    BlockDevice dst =
                            Opening.with(References.ANY, source.secrets()::of).open(path, target, false)) {
                fill(src, dst, copy);
            }
            return Status.OK;
        }
        if (special) {
            throw new DiskException(path + " is no file; a block device takes a raw image, or with -n what is on it");
        }
        convert(path, target, copy);
        return Status.OK;
    }

    private BlockDevice source() throws IOException {
        BlockDevice src = source.read(this, from);
        if (snapshot == null) {
            return src;
        }
        boolean done = false;
        try {
            if (!(src instanceof Qcow2Disk disk)) {
                throw new DiskException("only qcow2 images have snapshots");
            }
            disk.showSnapshot(snapshot.replaceFirst("^snapshot\\.(id|name)=", ""));
            done = true;
            return src;
        } finally {
            if (!done) {
                src.close();
            }
        }
    }

    private Copy.Options copyOptions() throws IOException, CliException {
        long block = ByteSize.parse("-S", sparse);
        if (threads < 1 || threads > Copy.MAX_THREADS) {
            throw CliException.usage("-m wants a number from 1 to " + Copy.MAX_THREADS + ", not '" + threads + "'");
        }
        if (block != 0 && (block < 512 || block > 64 << 20 || Long.bitCount(block) != 1)) {
            throw CliException.usage("-S wants 0, or a power of two from 512 to 64M, not '" + sparse + "'");
        }
        return new Copy.Options(threads, (int) block, compressed, null);
    }

    private void convert(Path path, ImageFormat target, Copy.Options copy) throws IOException {
        if (target == ImageFormat.VMDK) {
            options.onlyForVmdk();
            try (BlockDevice src = source()) {
                ImageVmdk.write(src, path, shown.progress("converting"), !cache.equals("unsafe"));
            }
            return;
        }
        NewImage wanted = options.image(path, target, 0);
        wanted.keySecret().ifPresent(source.secrets()::useForNew);
        ImageNew.refuseOldDataFile(wanted, path);
        try (BlockDevice src = source()) {
            NewImage image = wanted.size() == 0 ? wanted.withSize(src.size()) : wanted;
            try (AsideFile file = AsideFile.create(path, AsideFile.IfThere.REPLACE);
                    ImageEnd end = new ImageEnd(file, image, path);
                    BlockDevice below = ImageNew.openBacking(image, path, source.secrets())) {
                try (BlockDevice dst = image.make(file.file(), source.secrets()::byId)) {
                    fill(src, dst, new Copy.Options(copy.threads(), copy.sparse(), copy.compressed(), below));
                }
                end.publish(!cache.equals("unsafe"));
            }
        }
    }

    private void fill(BlockDevice src, BlockDevice dst, Copy.Options copy) throws IOException {
        try (ImageProgress progress = shown.progress("converting")) {
            Copy.run(src, dst, copy, progress);
            if (!cache.equals("unsafe")) {
                dst.flush();
            }
        }
    }
}
