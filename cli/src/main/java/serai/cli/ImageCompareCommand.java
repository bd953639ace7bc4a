package serai.cli;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.image.Compare;

/** {@code serai image compare}. */
@Command(
        name = "compare",
        description = {
            "Tells whether two disks read the same, whatever their formats. A shorter one is taken to go on with zeros."
        },
        customSynopsis = "serai image compare [OPTIONS] FILE1 FILE2",
        sortOptions = false,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {"0:they read the same", "1:they differ", "2:they could not be compared"},
        footer = {"", "Example:", "  serai image compare disk.raw disk.qcow2"})
final class ImageCompareCommand extends ImageAction {
    private static final int DIFFER = 1;

    @Mixin
    private ImageSource source = new ImageSource();

    @Option(names = "-F", paramLabel = "FORMAT", description = "What FILE2 is; -f is for FILE1.")
    private @Nullable String second;

    @Option(names = "-s", description = "Strict: the sizes, and what is allocated, have to be the same as well.")
    private boolean strict;

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "FILE1", description = "An image, or an NBD export.")
    private String a = "";

    @Parameters(index = "1", paramLabel = "FILE2", description = "Another.")
    private String b = "";

    @Override
    int refused() {
        return Status.USAGE;
    }

    @Override
    int failed() {
        return Status.USAGE;
    }

    @Override
    int run() throws IOException {
        Compare.Result r;
        try (BlockDevice one = source.read(this, a);
                BlockDevice two = source.read(this, b, second);
                ImageProgress progress = shown.progress("comparing")) {
            if (strict && one.size() != two.size()) {
                return differ("The disks have %d and %d bytes.".formatted(one.size(), two.size()));
            }
            if (one.size() != two.size() && !shown.quiet()) {
                note("the disks have %d and %d bytes; the shorter one is taken to go on with zeros"
                        .formatted(one.size(), two.size()));
            }
            r = Compare.run(one, two, strict, 4, progress);
        }
        if (r.content().isPresent()) {
            return differ("The disks differ at byte " + r.content().getAsLong() + ".");
        }
        if (r.allocation().isPresent()) {
            return differ("The disks read the same, and are not allocated alike at byte "
                    + r.allocation().getAsLong() + ".");
        }
        if (!shown.quiet()) {
            out().println("The disks are the same.");
        }
        return Status.OK;
    }

    private int differ(String sentence) {
        if (!shown.quiet()) {
            out().println(sentence);
        }
        return DIFFER;
    }
}
