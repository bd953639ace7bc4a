package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.image.ByteSize;

/** {@code serai image resize}. */
@Command(
        name = "resize",
        description = {
            "Changes the size of a disk. What is added reads as zeros; partitions and file systems are the guest's affair.",
            "SIZE is the new size with k, M, G or T, or with + or - before it by how much it changes."
        },
        customSynopsis = "serai image resize [OPTIONS] FILE [+|-]SIZE",
        sortOptions = false,
        footer = {"", "Examples:", "  serai image resize disk.qcow2 +10G", "  serai image resize --shrink disk.qcow2 8G"
        })
final class ImageResizeCommand extends ImageAction {
    /** What {@code -} before a size is on our command line, where it would begin an option: {@link Main}. */
    static final String MINUS = "minus:";

    @Mixin
    private ImageSource source = new ImageSource();

    @Option(names = "--shrink", description = "Allows a smaller size: what is cut off is lost.")
    private boolean shrink;

    @Option(
            names = {"-q", "--quiet"},
            description = "Shows nothing but errors.")
    private boolean quiet;

    @Parameters(index = "0", paramLabel = "FILE", description = "The image.")
    private Path path = Path.of("");

    @Parameters(index = "1", paramLabel = "SIZE", description = "The new size, or the difference.")
    private String size = "";

    @Override
    int run() throws IOException, CliException {
        try (BlockDevice disk = source.write(path)) {
            long wanted = wanted(disk.size());
            if (wanted < disk.size() && !shrink) {
                throw CliException.usage(
                        "%s has %d bytes, and a smaller size would cut off data; --shrink does that all the same"
                                .formatted(path, disk.size()));
            }
            disk.resize(wanted);
            disk.flush();
            if (!quiet) {
                out().println("%s: %s (%d bytes)".formatted(path, ByteSize.words(wanted), wanted));
            }
            return Status.OK;
        }
    }

    private long wanted(long now) throws DiskException {
        if (size.startsWith("+")) {
            long more = ByteSize.disk("size", size.substring(1));
            if (more > Long.MAX_VALUE - 511 - now) {
                throw new DiskException("size " + size + " is too large");
            }
            return now + more;
        }
        if (size.startsWith(MINUS)) {
            long less = ByteSize.parse("size", size.substring(MINUS.length())) & -512;
            if (less >= now) {
                throw new DiskException("%s has %d bytes, of which %d can't be taken away".formatted(path, now, less));
            }
            return now - less;
        }
        return ByteSize.disk("size", size);
    }
}
