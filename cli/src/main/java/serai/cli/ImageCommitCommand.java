package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.image.Commit;
import serai.storage.qcow2.Qcow2Disk;

/** {@code serai image commit}. */
@Command(
        name = "commit",
        description = {
            "Writes what an image has into its backing file, and then empties the image. It may be interrupted at any time and"
                    + " begun again; the disk, as FILE shows it, always stays the same.",
            "Other images with the same backing file, and those between FILE and BASE, are worth nothing afterwards."
        },
        customSynopsis = "serai image commit [OPTIONS] FILE",
        sortOptions = false,
        footer = {"", "Examples:", "  serai image commit overlay.qcow2", "  serai image commit -b base.qcow2 top.qcow2"
        })
final class ImageCommitCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-b", "--base"},
            paramLabel = "BASE",
            description =
                    "An image further down in the chain, which gets what all above it have; FILE is not emptied then.")
    private @Nullable Path base;

    @Option(names = "-d", description = "Does not empty FILE: it will be deleted, or kept as it is.")
    private boolean keep;

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image.")
    private Path path = Path.of("");

    /** An image of the chain. */
    private record Layer(Path path, BlockDevice disk) {}

    @Override
    int run() throws IOException, CliException {
        ImageSource.Chosen chosen = source.chosenToWrite(path);
        ImageSource.checkWritable(path);
        if (chosen.format() != ImageFormat.QCOW2) {
            throw nothingBelow();
        }
        Opening opening = source.opening(chosen);
        Path target = base != null ? base : immediate(opening);
        ImageSource.checkWritable(target);
        List<Layer> chain = new ArrayList<>();
        try (Qcow2Disk top = (Qcow2Disk) opening.writable(target)
                .telling((depth, at, format, disk) -> chain.addFirst(new Layer(at, disk)))
                .open(path, ImageFormat.QCOW2, false)) {
            int depth = depthOf(target, chain);
            BlockDevice below = chain.get(depth).disk;
            if (below.readOnly()) {
                throw new DiskException(target + " has a format that is only read");
            }
            try (ImageProgress progress = shown.progress("committing")) {
                Commit.run(top, below, depth, 4, progress);
            }
            if (!keep && depth == 1) {
                top.makeEmpty();
                top.flush();
            }
        }
        return Status.OK;
    }

    private Path immediate(Opening opening) throws IOException {
        try (HostImageFile file = source.file(path);
                BlockDevice d = opening.forCheck().on(file, ImageFormat.QCOW2)) {
            String name = ((Qcow2Disk) d).backingName().orElseThrow(this::nothingBelow);
            return References.resolve(path, name, "backing file");
        }
    }

    private DiskException nothingBelow() {
        return new DiskException(path + " has no backing file to which it could be committed");
    }

    private int depthOf(Path target, List<Layer> chain) throws DiskException {
        Path real = References.real(target);
        for (int i = 1; i < chain.size(); i++) {
            if (References.real(chain.get(i).path).equals(real)) {
                return i;
            }
        }
        throw new DiskException("%s is not below %s in its backing chain".formatted(target, path));
    }
}
