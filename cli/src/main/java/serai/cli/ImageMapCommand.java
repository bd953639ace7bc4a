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
import serai.storage.Extent;
import serai.storage.image.ByteSize;
import serai.storage.image.DiskMap;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code serai image map}. */
@Command(
        name = "map",
        description = {
            "Tells where the parts of a disk are: in which image of the chain, and where in its file.",
            "For people, only parts with data are shown; those that are compressed or encrypted stand nowhere in the file."
        },
        customSynopsis = "serai image map [OPTIONS] FILE",
        sortOptions = false,
        footer = {"", "Example:", "  serai image map --output json disk.qcow2"})
final class ImageMapCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-s", "--start-offset"},
            paramLabel = "POSITION",
            description = "Where on the disk it begins.")
    private String start = "0";

    @Option(
            names = {"-l", "--max-length"},
            paramLabel = "SIZE",
            description = "How much of the disk is shown.")
    private @Nullable String length;

    @Mixin
    private ImageOutput output = new ImageOutput();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image, or an NBD export.")
    private String name = "";

    /** An image of the chain. */
    private record Layer(Path path, long size) {}

    @Override
    int run() throws IOException, CliException {
        List<Layer> chain = new ArrayList<>();
        try (BlockDevice disk = open(chain)) {
            long from = ByteSize.parse("--start-offset", start) & -512;
            long most = length == null ? Long.MAX_VALUE : ByteSize.disk("--max-length", length);
            long wanted = Math.min(most, Math.max(0, disk.size() - from));
            ArrayNode all = JsonNodeFactory.instance.arrayNode();
            if (!output.json()) {
                out().println("Offset          Length          Mapped to       File");
            }
            DiskMap.walk(disk, from, wanted, (position, e) -> {
                if (output.json()) {
                    all.add(json(position, e, chain));
                } else if (e.data() && !e.zero()) {
                    out().println("%-16s%-16s%-16s%s"
                            .formatted(
                                    hex(position),
                                    hex(e.length()),
                                    e.offset() == Extent.NOWHERE
                                            ? e.compressed() ? "compressed" : "-"
                                            : hex(e.offset()),
                                    e.depth() < chain.size() ? chain.get(e.depth()).path : name));
                }
            });
            if (output.json()) {
                output.write(out(), all);
            }
        }
        return Status.OK;
    }

    private BlockDevice open(List<Layer> chain) throws IOException {
        if (ImageSource.isNbd(name)) {
            return source.read(this, name);
        }
        Path path = Path.of(name);
        ImageSource.Chosen chosen = source.chosen(this, path);
        return source.opening(chosen)
                .telling((depth, at, format, device) -> chain.addFirst(new Layer(at, device.size())))
                .open(path, chosen.format(), true);
    }

    private static String hex(long n) {
        return n == 0 ? "0" : "0x" + Long.toHexString(n);
    }

    /** QEMU's MapEntry (qapi/block-core.json). */
    private static ObjectNode json(long position, Extent e, List<Layer> chain) {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("start", position);
        o.put("length", e.length());
        o.put("depth", e.depth() == Extent.NOWHERE ? lastAsked(position, chain) : e.depth());
        o.put("present", e.depth() != Extent.NOWHERE);
        o.put("zero", e.zero());
        o.put("data", e.data());
        o.put("compressed", e.compressed());
        if (e.offset() != Extent.NOWHERE) {
            o.put("offset", e.offset());
        }
        return o;
    }

    /** The lowest image that reaches as far as this. */
    private static int lastAsked(long position, List<Layer> chain) {
        int depth = 0;
        while (depth + 1 < chain.size() && chain.get(depth + 1).size > position) {
            depth++;
        }
        return depth;
    }
}
