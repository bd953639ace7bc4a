package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.image.NewImage;

/** The options by which a new image is made. */
final class ImageNew {
    @Option(
            names = "-o",
            paramLabel = "KEY=VALUE[,KEY=VALUE...]",
            description = {
                "Options of the new image, those of qemu-img:",
                "raw: preallocation=off|falloc|full.",
                "qcow2: cluster_size, compat=1.1|0.10, refcount_bits, extended_l2, lazy_refcounts, compression_type=zlib|zstd,"
                        + " backing_file, backing_fmt, data_file, data_file_raw, preallocation=off|metadata|falloc|full,"
                        + " encrypt.format=luks, encrypt.key-secret, encrypt.cipher-alg and so on.",
                "luks: key-secret, cipher-alg, cipher-mode, ivgen-alg, hash-alg, iter-time; version=2, pbkdf, sector-size."
            })
    private List<String> options = new ArrayList<>();

    @Option(
            names = {"-b", "-B", "--backing"},
            paramLabel = "FILE",
            description =
                    "The new image has only what differs from this one (qcow2). A relative name is from the new image's"
                            + " directory.")
    private @Nullable String backing;

    @Option(
            names = {"-F", "--backing-format"},
            paramLabel = "FORMAT",
            description = "Format of the backing file, if the suffix of its name does not say it.")
    private @Nullable String backingFormat;

    /** The pairs of -o, with a doubled comma for one in a value. */
    private List<String> pairs() throws DiskException {
        List<String> all = new ArrayList<>();
        for (String o : options) {
            for (String pair : Values.split(o)) {
                if (pair.indexOf('=') <= 0) {
                    throw new DiskException("-o wants KEY=VALUE, not '" + pair + "'");
                }
                all.add(pair);
            }
        }
        return all;
    }

    /** With what was given. */
    NewImage image(Path path, ImageFormat format, long size) throws IOException {
        NewImage image = NewImage.of(format, size);
        for (String pair : pairs()) {
            int eq = pair.indexOf('=');
            image = image.with(pair.substring(0, eq), pair.substring(eq + 1));
        }
        String name = backing != null ? backing : image.backing().orElse("");
        if (name.isEmpty()) {
            return image;
        }
        return image.withBacking(name, formatOf(path, name, image.backingFormat()));
    }

    /** VMDKs are made in one way alone. */
    void onlyForVmdk() throws DiskException {
        for (String pair : pairs()) {
            if (!pair.equals("subformat=streamOptimized")) {
                throw new DiskException(
                        "option " + pair + " is none of vmdk, which is always subformat=streamOptimized");
            }
        }
        if (backing != null) {
            throw new DiskException("an image of format vmdk can't have a backing file; qcow2 can");
        }
    }

    private ImageFormat formatOf(Path path, String name, Optional<ImageFormat> option) throws DiskException {
        if (backingFormat != null) {
            return ImageFormat.named(backingFormat);
        }
        return option.or(() -> ImageFormat.ofName(Path.of(name)))
                .orElseThrow(() -> new DiskException(
                        "backing file '%s' of %s does not say its format; -F says it".formatted(name, path)));
    }

    /** Opens the backing file that an image is to have, or nothing. */
    static @Nullable BlockDevice openBacking(NewImage image, Path path, ImageSecrets secrets) throws IOException {
        if (image.backing().isEmpty()) {
            return null;
        }
        Path file = References.resolve(path, image.backing().get(), "backing file");
        if (References.real(file).equals(References.real(path))) {
            throw new DiskException(path + " can't be its own backing file");
        }
        return Opening.with(References.ANY, secrets::of)
                .open(file, image.backingFormat().orElseThrow(), true);
    }

    /** The external data file goes with an image that has not been finished. */
    static void deleteDataFile(NewImage image, Path path) throws IOException {
        Optional<Path> data = image.dataFile(path);
        if (data.isPresent()) {
            Files.deleteIfExists(data.get());
        }
    }

    /** An image with a data file can't be made where there is one: it would be overwritten. */
    static void refuseOldDataFile(NewImage image, Path path) throws IOException {
        Optional<Path> data = image.dataFile(path);
        if (data.isPresent() && Files.exists(data.get())) {
            throw new DiskException(data.get() + " exists already, and would be the data file of " + path);
        }
    }
}
