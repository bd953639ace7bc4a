package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
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
import serai.storage.image.ByteSize;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;

/** {@code serai image info}. */
@Command(
        name = "info",
        description = "Tells what an image is: format, sizes, backing file, snapshots, bitmaps, encryption.",
        customSynopsis = "serai image info [OPTIONS] FILE",
        sortOptions = false,
        footer = {"", "Examples:", "  serai image info disk.qcow2", "  serai image info --output json -U disk.qcow2"})
final class ImageInfoCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(names = "--backing-chain", description = "Tells of the backing files, too.")
    private boolean chain;

    @Mixin
    private ImageOutput output = new ImageOutput();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image, or an NBD export.")
    private String name = "";

    @Override
    int run() throws IOException {
        if (ImageSource.isNbd(name)) {
            return nbd();
        }
        List<ImageFacts> all = all(Path.of(name));
        if (output.json()) {
            ArrayNode array = JsonNodeFactory.instance.arrayNode();
            all.forEach(f -> array.add(f.json()));
            output.write(out(), chain ? array : array.get(0));
        } else {
            out().print(String.join("\n", all.stream().map(ImageFacts::text).toList()));
        }
        return Status.OK;
    }

    private List<ImageFacts> all(Path path) throws IOException {
        ImageSource.Chosen chosen = source.chosen(this, path);
        Opening opening = source.opening(chosen);
        List<ImageFacts> all = new ArrayList<>();
        Set<Path> seen = new LinkedHashSet<>();
        Path at = path;
        ImageFormat format = chosen.format();
        while (true) {
            if (!seen.add(References.real(at)) || seen.size() > Opening.MAX_CHAIN) {
                throw new DiskException("the backing chain of " + path + " leads back to " + at + " or does not end");
            }
            HostImageFile file = source.file(at);
            ImageFacts facts = ImageFacts.of(file, format, opening);
            all.add(facts);
            if (!chain || facts.backing().isEmpty()) {
                return all;
            }
            Path next = facts.backing().get();
            source.references(chosen).check(at, next, "backing file");
            format = facts.backingFormat().or(() -> ImageFormat.ofName(next)).orElse(ImageFormat.RAW);
            at = next;
        }
    }

    private int nbd() throws IOException {
        try (BlockDevice disk = source.read(this, name)) {
            if (output.json()) {
                output.write(
                        out(),
                        JsonNodeFactory.instance
                                .objectNode()
                                .put("filename", name)
                                .put("format", ImageFormat.RAW.word())
                                .put("virtual-size", disk.size()));
            } else {
                out().println("image: %s\nfile format: raw\nvirtual size: %s (%d bytes)"
                        .formatted(name, ByteSize.words(disk.size()), disk.size()));
            }
        }
        return Status.OK;
    }
}
