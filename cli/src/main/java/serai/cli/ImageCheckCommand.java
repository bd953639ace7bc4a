package serai.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.qcow2.CheckResult;
import serai.storage.qcow2.Qcow2Disk;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code serai image check}. */
@Command(
        name = "check",
        description = {
            "Checks that an image is sound in itself (qcow2), and with -r mends it.",
            "An error means that data are lost or would be; a leak is space that nobody uses."
        },
        customSynopsis = "serai image check [OPTIONS] FILE",
        sortOptions = false,
        exitCodeOnInvalidInput = ImageCheckCommand.NOT_DONE,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:all is well, or has been mended",
            "1:the check could not be done",
            "2:there are errors",
            "3:there are leaks, and no errors",
            "63:images of this format can't be checked"
        },
        footer = {"", "Examples:", "  serai image check disk.qcow2", "  serai image check -r leaks disk.qcow2"})
final class ImageCheckCommand extends ImageAction {
    static final int NOT_DONE = 1;
    private static final int ERRORS = 2;
    private static final int LEAKS = 3;
    private static final int NOT_SUPPORTED = 63;

    /** What is mended. */
    enum Mend {
        leaks,
        all
    }

    @Mixin
    private ImageSource source = new ImageSource();

    @Option(
            names = {"-r", "--repair"},
            paramLabel = "leaks|all",
            description = "Mends leaks, or errors as well.")
    private @Nullable Mend mend;

    @Mixin
    private ImageOutput output = new ImageOutput();

    @Mixin
    private ImageShown shown = new ImageShown();

    @Parameters(index = "0", paramLabel = "FILE", description = "The image.")
    private Path path = Path.of("");

    @Override
    int refused() {
        return NOT_DONE;
    }

    @Override
    int failed() {
        return NOT_DONE;
    }

    @Override
    int run() throws IOException, CliException {
        ImageSource.Chosen chosen = mend == null ? source.chosen(this, path) : source.chosenToWrite(path);
        if (mend != null) {
            ImageSource.checkWritable(path);
        }
        if (chosen.format() != ImageFormat.QCOW2) {
            source.file(path).close(); // it is there, and free
            throw new CliException(
                    NOT_SUPPORTED,
                    "%s is %s, and only qcow2 images can be checked"
                            .formatted(path, chosen.format().word()));
        }
        CheckResult result;
        try (BlockDevice d = source.opening(chosen).forCheck().open(path, chosen.format(), mend == null);
                ImageProgress progress = shown.percent("checking")) {
            result = ((Qcow2Disk) d)
                    .check(mend == Mend.all, mend != null, done -> progress.at(Math.min(done, 999), 1000));
            progress.at(1000, 1000);
        }
        if (output.json()) {
            output.write(out(), json(result));
        } else if (!shown.quiet()) {
            result.messages().forEach(this::note);
            print(out(), result);
        }
        return result.errors() > result.errorsMended() ? ERRORS : result.clean() ? Status.OK : LEAKS;
    }

    private void print(PrintWriter out, CheckResult r) {
        long errors = r.errors() - r.errorsMended();
        long leaks = r.leaks() - r.leaksMended();
        out.println(
                errors == 0 && leaks == 0
                        ? path + " is sound" + (r.errors() + r.leaks() > 0 ? " now" : "")
                        : path + " has " + counted(errors, "error") + " and " + counted(leaks, "leaked cluster"));
        if (r.errorsMended() + r.leaksMended() > 0) {
            out.println("mended: " + counted(r.errorsMended(), "error") + ", "
                    + counted(r.leaksMended(), "leaked cluster"));
        }
        if (errors > 0) {
            out.println(
                    "Data may be lost already, and more when the image is written; copy what can be read, or try -r all.");
        } else if (leaks > 0) {
            out.println("Leaks only take space; -r leaks frees it.");
        }
        long total = Math.max(1, r.totalClusters());
        long allocated = Math.max(1, r.allocatedClusters());
        out.println("%d of %d clusters allocated (%.2f %%); of these fragmented %.2f %%, compressed %.2f %%"
                .formatted(
                        r.allocatedClusters(),
                        r.totalClusters(),
                        100.0 * r.allocatedClusters() / total,
                        100.0 * r.fragmentedClusters() / allocated,
                        100.0 * r.compressedClusters() / allocated));
        out.println("the image ends at byte " + r.imageEnd());
    }

    private static String counted(long n, String what) {
        return n + " " + what + (n == 1 ? "" : "s");
    }

    /** QEMU's ImageCheck (qapi/block-core.json): what is optional there is left out if it is 0. */
    private ObjectNode json(CheckResult r) {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("image-end-offset", r.imageEnd());
        o.put("total-clusters", r.totalClusters());
        o.put("check-errors", 0);
        putUnlessZero(o, "corruptions", r.errors() - r.errorsMended());
        putUnlessZero(o, "corruptions-fixed", r.errorsMended());
        putUnlessZero(o, "leaks", r.leaks() - r.leaksMended());
        putUnlessZero(o, "leaks-fixed", r.leaksMended());
        putUnlessZero(o, "allocated-clusters", r.allocatedClusters());
        putUnlessZero(o, "fragmented-clusters", r.fragmentedClusters());
        putUnlessZero(o, "compressed-clusters", r.compressedClusters());
        o.put("filename", path.toString());
        o.put("format", ImageFormat.QCOW2.word());
        return o;
    }

    private static void putUnlessZero(ObjectNode o, String name, long value) {
        if (value != 0) {
            o.put(name, value);
        }
    }
}
