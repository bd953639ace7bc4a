package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.nbd.NbdDisk;
import serai.storage.nbd.NbdUri;

/**
 * The options by which an image that exists is opened, and the rule whom it may name. The format that its owner states, by -f or the name's
 * suffix, is a word for it: such an image is his own, and may name a backing file, a data file, extents. One that only looks like its
 * format, or that --untrusted is said of, may name those that --allow lists.
 */
final class ImageSource {
    @Option(
            names = {"-f", "--source-format"},
            paramLabel = "FORMAT",
            description =
                    "What the image is: raw, qcow2, vmdk, vpc, vhdx or luks. If not given, the suffix of its name says it.")
    private @Nullable String format;

    @Option(
            names = {"-U", "--force-share"},
            description = "Reads the image although it is in use. What is read may be of different times.")
    private boolean shared;

    @Option(
            names = "--allow",
            paramLabel = "FILE",
            description = "A file that an image may name (backing file, data file, extent) although it is not trusted;"
                    + " may be given several times.")
    private List<Path> allowed = new ArrayList<>();

    @Option(
            names = "--untrusted",
            description = "Somebody else made the image: it may name only files that --allow lists.")
    private boolean untrusted;

    @Mixin
    private ImageSecrets secrets = new ImageSecrets();

    /** What an image is taken for, and whether that has been stated. */
    record Chosen(ImageFormat format, boolean stated) {}

    ImageSecrets secrets() {
        return secrets;
    }

    /** Whether a name is that of an NBD export. */
    static boolean isNbd(String name) {
        return name.startsWith("nbd:") || name.startsWith("nbd+unix:") || name.startsWith("nbds");
    }

    /** The format of an image that is to be read. */
    Chosen chosen(ImageAction by, Path path) throws IOException {
        return chosen(by, path, format);
    }

    Chosen chosen(ImageAction by, Path path, @Nullable String stated) throws IOException {
        Optional<ImageFormat> known = known(path, stated);
        if (known.isPresent()) {
            return new Chosen(known.get(), true);
        }
        ImageFormat looks = looks(path);
        by.note("%s does not say its format, and is read as the %s that it looks like; -f says what it is"
                .formatted(path, looks.word()));
        return new Chosen(looks, false);
    }

    /** That of one that is to be written, which is never guessed. */
    Chosen chosenToWrite(Path path) throws IOException {
        Optional<ImageFormat> known = known(path, format);
        if (known.isPresent()) {
            return new Chosen(known.get(), true);
        }
        throw new DiskException("%s does not say its format; it looks like %s, and if it is, -f %s says so"
                .formatted(path, looks(path).word(), looks(path).word()));
    }

    private static Optional<ImageFormat> known(Path path, @Nullable String stated) throws DiskException {
        return stated != null ? Optional.of(ImageFormat.named(stated)) : ImageFormat.ofName(path);
    }

    private static ImageFormat looks(Path path) throws IOException {
        try (HostImageFile f = HostImageFile.openUnlocked(path, true)) {
            return ImageFormat.probe(f);
        }
    }

    /** How one of that format is opened. */
    Opening opening(Chosen chosen) throws DiskException {
        secrets.check();
        Opening opening = Opening.with(references(chosen), secrets::of);
        return shared ? opening.unlocked() : opening;
    }

    /** What one of that format may name. */
    References references(Chosen chosen) {
        return chosen.stated && !untrusted ? References.ANY : References.only(allowed);
    }

    /** The file, locked unless it is to be shared. */
    HostImageFile file(Path path) throws DiskException {
        return shared ? HostImageFile.openUnlocked(path, true) : HostImageFile.open(path, true);
    }

    /** A disk for reading: an image, or an NBD export. */
    BlockDevice read(ImageAction by, String name) throws IOException {
        return read(by, name, format);
    }

    BlockDevice read(ImageAction by, String name, @Nullable String stated) throws IOException {
        if (isNbd(name)) {
            rawOnly(name, stated);
            return nbd(name, true);
        }
        Path path = Path.of(name);
        Chosen chosen = chosen(by, path, stated);
        return opening(chosen).open(path, chosen.format, true);
    }

    /** An image for reading and writing. */
    BlockDevice write(Path path) throws IOException {
        Chosen chosen = chosenToWrite(path);
        checkWritable(path);
        return opening(chosen).open(path, chosen.format, false);
    }

    static void checkWritable(Path path) throws DiskException {
        if (Files.exists(path) && !Files.isWritable(path)) {
            throw new DiskException("disk " + path + " must not be written");
        }
    }

    static void rawOnly(String name, @Nullable String stated) throws DiskException {
        if (stated != null && ImageFormat.named(stated) != ImageFormat.RAW) {
            throw new DiskException(name + " is a disk, and no image of format " + stated);
        }
    }

    /** An NBD export. */
    static NbdDisk nbd(String uri, boolean readOnly) throws IOException {
        NbdDisk.Options options = NbdDisk.Options.DEFAULT.connections(4).retry(Duration.ofSeconds(10));
        return NbdDisk.connect(NbdUri.parse(uri), readOnly ? options.forReading() : options);
    }
}
