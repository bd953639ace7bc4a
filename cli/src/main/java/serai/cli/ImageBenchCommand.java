package serai.cli;

import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.image.Bench;
import serai.storage.image.ByteSize;

/** {@code serai image bench}. */
@Command(
        name = "bench",
        description = "Measures how long equal requests to a disk take. With -w, what the image holds is overwritten.",
        customSynopsis = "serai image bench [OPTIONS] FILE",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  serai image bench -s 64k -d 8 disk.qcow2",
            "  serai image bench -w -c 10000 --pattern 1 scratch.qcow2"
        })
final class ImageBenchCommand extends ImageAction {
    @Mixin
    private ImageSource source = new ImageSource();

    @Option(names = "-c", paramLabel = "N", description = "How many requests (default: ${DEFAULT-VALUE}).")
    private long count = 75000;

    @Option(names = "-d", paramLabel = "N", description = "How many at once, 1 to 1024 (default: ${DEFAULT-VALUE}).")
    private int depth = 64;

    @Option(names = "-s", paramLabel = "SIZE", description = "Bytes of a request (default: 4k).")
    private String size = "4k";

    @Option(
            names = "-S",
            paramLabel = "SIZE",
            description = "From the start of one to that of the next (default: as -s).")
    private @Nullable String step;

    @Option(names = "-o", paramLabel = "POSITION", description = "Where the first begins.")
    private String offset = "0";

    @Option(names = "-w", description = "Writes; else it reads.")
    private boolean write;

    @Option(names = "--pattern", paramLabel = "BYTE", description = "What is written, 0 to 255.")
    private String pattern = "0";

    @Option(names = "--flush-interval", paramLabel = "N", description = "Flushes after so many writes.")
    private long flushInterval;

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image, or an NBD export.")
    private String name = "";

    @Override
    int run() throws IOException, CliException {
        long bytes = ByteSize.parse("-s", size);
        long from = ByteSize.parse("-o", offset);
        long next = step == null ? bytes : ByteSize.parse("-S", step);
        int value = Values.number("--pattern", pattern, 0, 255);
        if (bytes < 512 || bytes > 1 << 30 || ((bytes | from | next) & 511) != 0) {
            throw CliException.usage("-s, -S and -o want whole sectors of 512 bytes, and -s at most 1G");
        }
        if (count < 1 || depth < 1 || depth > 1024 || flushInterval < 0) {
            throw CliException.usage("-c wants at least 1, -d 1 to 1024, --flush-interval 0 or more");
        }
        Bench.Plan plan = new Bench.Plan(write, count, depth, (int) bytes, from, next, value, flushInterval);
        try (BlockDevice disk = open();
                ImageProgress progress = shown.percent(write ? "writing" : "reading")) {
            double seconds = Bench.run(disk, plan, progress) / 1e9;
            out().println(String.format(
                    Locale.ROOT,
                    "%d %s requests of %d bytes, %d at once: %.3f s, %.0f a second, %.1f MB/s",
                    count,
                    write ? "write" : "read",
                    bytes,
                    depth,
                    seconds,
                    count / seconds,
                    count * (double) bytes / seconds / 1e6));
        }
        return Status.OK;
    }

    private BlockDevice open() throws IOException {
        if (!write) {
            return source.read(this, name);
        }
        return ImageSource.isNbd(name) ? ImageSource.nbd(name, false) : source.write(java.nio.file.Path.of(name));
    }
}
