package serai.storage;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Which other files an image may name: a backing file, a data file, extents. Who imports an image that somebody else made must not let it
 * name what it likes: it would read the host's files for him.
 */
@FunctionalInterface
public interface References {
    /** None: the image has to be whole in itself. */
    References NONE = (image, path, what) -> {
        throw new DiskException("%s names '%s' as its %s, and may name no other file unless that is allowed by name"
                .formatted(image, printable(path.toString()), what));
    };

    /** Any: the image's owner made it himself. */
    References ANY = (image, path, what) -> {};

    /**
     * Whether an image may name a file.
     *
     * @param image the file that names it
     * @param path the one it names, resolved against the directory of {@code image}
     * @param what "backing file", "data file", "extent"
     * @throws DiskException if not
     */
    void check(Path image, Path path, String what) throws DiskException;

    /** Those files alone, whatever they are called by. */
    static References only(Collection<Path> files) {
        Set<Path> allowed = files.stream().map(References::real).collect(Collectors.toUnmodifiableSet());
        return (image, path, what) -> {
            if (!allowed.contains(real(path))) {
                NONE.check(image, path, what);
            }
        };
    }

    /** What a path stands for, as far as that can be told: two names of a file have the same. */
    static Path real(Path p) {
        try {
            return p.toRealPath();
        } catch (IOException e) {
            return p.toAbsolutePath().normalize();
        }
    }

    /**
     * The path that an image means by a name in it: relative ones begin at its own directory.
     *
     * @throws DiskException if that is no path (QEMU's {@code json:} and {@code nbd:} names are none that we follow)
     */
    static Path resolve(Path image, String name, String what) throws DiskException {
        if (name.startsWith("json:") || name.matches("[a-z+]{2,10}:.*") && !name.startsWith("file:")) {
            throw new DiskException(
                    "%s names '%s' as its %s, and only files can be that".formatted(image, printable(name), what));
        }
        if (name.chars().anyMatch(Character::isISOControl)) {
            throw new DiskException(
                    "%s names '%s' as its %s, which is no file name".formatted(image, printable(name), what));
        }
        try {
            return image.resolveSibling(name.startsWith("file:") ? name.substring(5) : name);
        } catch (InvalidPathException e) {
            throw new DiskException("%s names a %s that is no file name".formatted(image, what), e);
        }
    }

    /** A text from an image, fit for a message: what a terminal might obey or take for a line end is left out, and at most 200 characters. */
    static String printable(String s) {
        return s.substring(0, Math.min(200, s.length())).replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]", "?");
    }
}
