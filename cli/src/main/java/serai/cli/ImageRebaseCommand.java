package serai.cli;

import java.io.IOException;
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
import serai.storage.image.Rebase;
import serai.storage.qcow2.Qcow2Disk;

/** {@code serai image rebase}. */
@Command(
        name = "rebase",
        description = {
            "Gives an image another backing file. What the disk reads as stays: where the new one differs from the old one, the"
                    + " old content is copied into the image first. It may be interrupted at any time.",
            "With -u only the name changes: for a backing file that was moved."
        },
        customSynopsis = "serai image rebase [OPTIONS] -b BACKING FILE",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  serai image rebase -b new-base.qcow2 disk.qcow2",
            "  serai image rebase -b '' disk.qcow2              (it has all by itself then)",
            "  serai image rebase -u -b /images/base.raw -F raw disk.qcow2"
        })
final class ImageRebaseCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-b", "--backing"},
            required = true,
            paramLabel = "BACKING",
            description = "The new backing file, '' for none. A relative name is from the image's directory.")
    private String backing = "";

    @Option(
            names = {"-F", "--backing-format"},
            paramLabel = "FORMAT",
            description = "Its format, if the suffix of its name does not say it.")
    private @Nullable String backingFormat;

    @Option(names = "-u", description = "Changes the name alone, and looks at neither backing file.")
    private boolean nameOnly;

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image.")
    private Path path = Path.of("");

    @Override
    int run() throws IOException, CliException {
        ImageFormat format = backing.isEmpty() ? null : format();
        Path below = backing.isEmpty() ? null : References.resolve(path, backing, "backing file");
        if (below != null && References.real(below).equals(References.real(path))) {
            throw new DiskException(path + " can't be its own backing file");
        }
        ImageSource.Chosen chosen = source.chosenToWrite(path);
        ImageSource.checkWritable(path);
        Opening opening = source.opening(chosen);
        if (chosen.format() != ImageFormat.QCOW2) {
            throw new DiskException("%s is %s, and only qcow2 images have backing files"
                    .formatted(path, chosen.format().word()));
        }
        try (Qcow2Disk disk =
                (Qcow2Disk) (nameOnly ? opening.forCheck() : opening).open(path, ImageFormat.QCOW2, false)) {
            if (!nameOnly) {
                try (BlockDevice to = below == null || format == null ? null : opening.open(below, format, true);
                        ImageProgress progress = shown.progress("rebasing")) {
                    Rebase.run(disk, to, (int) disk.info().clusterSize(), 4, progress);
                }
            }
            disk.changeBacking(backing.isEmpty() ? null : backing, format);
        }
        return Status.OK;
    }

    private ImageFormat format() throws DiskException {
        return backingFormat != null
                ? ImageFormat.named(backingFormat)
                : ImageFormat.ofName(Path.of(backing))
                        .orElseThrow(() -> new DiskException(
                                "backing file '" + backing + "' does not say its format; -F says it"));
    }
}
