package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.image.AsideFile;
import serai.storage.image.ByteSize;
import serai.storage.image.NewImage;

/** {@code serai image create}. */
@Command(
        name = "create",
        description = {
            "Makes an empty disk image, which only its owner may read.",
            "Its format is what -f says, else what the suffix says, else raw."
        },
        customSynopsis = "serai image create [OPTIONS] FILE [SIZE]",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  serai image create disk.qcow2 20G",
            "  serai image create -b base.qcow2 overlay.qcow2",
            "  serai image create -o encrypt.format=luks,encrypt.key-secret=k --secret id=k,file=key disk.qcow2 20G"
        })
final class ImageCreateCommand extends ImageAction {
    @Option(
            names = {"-f", "--format"},
            paramLabel = "FORMAT",
            description = "raw, qcow2 or luks.")
    private @Nullable String format;

    @Mixin
    private ImageNew options = new ImageNew();

    @Option(names = "-u", description = "Does not look at the backing file; then SIZE is needed.")
    private boolean unsafe;

    @Option(names = "--force", description = "Replaces a file that is there.")
    private boolean force;

    @Mixin
    private ImageSecrets secrets = new ImageSecrets();

    @Option(
            names = {"-q", "--quiet"},
            description = "Shows nothing but errors.")
    private boolean quiet;

    @Parameters(index = "0", paramLabel = "FILE", description = "The new image.")
    private Path path = Path.of("");

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "SIZE",
            description = "Of the disk, with k, M, G or T; that of the backing file if not given.")
    private @Nullable String size;

    @Override
    int run() throws IOException, CliException {
        ImageFormat f = format != null
                ? ImageFormat.named(format)
                : ImageFormat.ofName(path).orElse(ImageFormat.RAW);
        NewImage image = options.image(path, f, 0);
        secrets.check();
        if (!unsafe) {
            try (BlockDevice below = ImageNew.openBacking(image, path, secrets)) {
                image = below != null && image.size() == 0 ? image.withSize(below.size()) : image;
            }
        }
        image = size == null ? image : image.withSize(ByteSize.disk("size", size));
        if (size == null && image.size() == 0) {
            throw CliException.usage("no size given for " + path + " (try: serai image create " + path + " 20G)");
        }
        make(image);
        if (!quiet) {
            out().println("%s: %s, %s (%d bytes)%s"
                    .formatted(
                            path,
                            f.word(),
                            ByteSize.words(image.size()),
                            image.size(),
                            image.backing().map(b -> " upon " + b).orElse("")));
        }
        return Status.OK;
    }

    private void make(NewImage image) throws IOException {
        ImageNew.refuseOldDataFile(image, path);
        try (AsideFile file = AsideFile.create(path, force ? AsideFile.IfThere.REPLACE : AsideFile.IfThere.REFUSE);
                ImageEnd end = new ImageEnd(file, image, path)) {
            image.create(file.file(), secrets::byId);
            end.publish(true);
        }
    }
}
