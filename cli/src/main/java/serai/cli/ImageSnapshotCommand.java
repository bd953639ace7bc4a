package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.qcow2.Qcow2Disk;
import tools.jackson.databind.node.ArrayNode;

/** {@code serai image snapshot}. */
@Command(
        name = "snapshot",
        description = "Lists, makes, goes back to and deletes the internal snapshots of an image (qcow2).",
        customSynopsis = "serai image snapshot [OPTIONS] [-l | -c NAME | -a SNAPSHOT | -d SNAPSHOT] FILE",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  serai image snapshot -c before-upgrade disk.qcow2",
            "  serai image snapshot -l disk.qcow2",
            "  serai image snapshot -a before-upgrade disk.qcow2"
        })
final class ImageSnapshotCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-l", "--list"},
            description = "Lists them (default).")
    private boolean list;

    @Option(
            names = {"-c", "--create"},
            paramLabel = "NAME",
            description = "Makes one of what the disk is now.")
    private @Nullable String create;

    @Option(
            names = {"-a", "--apply"},
            paramLabel = "SNAPSHOT",
            description = "Makes the disk what it was then; what it is now is lost, the snapshot stays.")
    private @Nullable String apply;

    @Option(
            names = {"-d", "--delete"},
            paramLabel = "SNAPSHOT",
            description = "Deletes it; SNAPSHOT is an ID, or else a name.")
    private @Nullable String delete;

    @Mixin
    private ImageOutput output = new ImageOutput();

    @Option(
            names = {"-q", "--quiet"},
            description = "Shows nothing but errors.")
    @SuppressWarnings("UnusedVariable") // there is nothing to show
    private boolean quiet;

    @Parameters(index = "0", paramLabel = "FILE", description = "The image.")
    private Path path = Path.of("");

    @Override
    int run() throws IOException, CliException {
        long asked = Stream.of(create, apply, delete).filter(Objects::nonNull).count() + (list ? 1 : 0);
        if (asked > 1) {
            throw CliException.usage("-l, -c, -a and -d exclude each other");
        }
        boolean write = asked > 0 && !list;
        ImageSource.Chosen chosen = write ? source.chosenToWrite(path) : source.chosen(this, path);
        if (chosen.format() != ImageFormat.QCOW2) {
            throw new DiskException("%s is %s, and only qcow2 images have snapshots"
                    .formatted(path, chosen.format().word()));
        }
        if (write) {
            ImageSource.checkWritable(path);
        }
        Opening opening =
                write ? source.opening(chosen) : source.opening(chosen).forCheck();
        try (BlockDevice d = opening.open(path, ImageFormat.QCOW2, !write)) {
            Qcow2Disk disk = (Qcow2Disk) d;
            if (create != null) {
                disk.createSnapshot(create);
            } else if (apply != null) {
                disk.applySnapshot(apply);
            } else if (delete != null) {
                disk.deleteSnapshot(delete);
            } else {
                show(ImageFacts.snapshots(disk.snapshots()));
            }
        }
        return Status.OK;
    }

    private void show(ArrayNode snapshots) {
        if (output.json()) {
            output.write(out(), snapshots);
        } else if (!snapshots.isEmpty()) {
            out().print(ImageFacts.snapshotText(snapshots));
        }
    }
}
