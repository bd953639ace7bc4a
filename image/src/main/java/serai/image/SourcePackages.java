package serai.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Source packages of Debian, from the archives that this host is configured for, whether or not it has {@code deb-src} lines:
 * tests are built from them that are not ours to keep here.
 *
 * <pre>{@code
 * Path tar = SourcePackages.upstream("qemu", directory, Progress.onStandardError());
 * }</pre>
 */
public final class SourcePackages {
    private SourcePackages() {}

    /** Where what is built from them may be kept: {@code $XDG_CACHE_HOME/serai/sources}, which may be deleted. */
    public static Path cache() {
        return Xdg.home("XDG_CACHE_HOME", ".cache").resolve("serai").resolve("sources");
    }

    /**
     * Downloads what upstream has published for a package, before Debian's changes.
     *
     * @param name of the source package
     * @param into an empty directory
     * @return the compressed tar archive, checked by apt
     * @throws ImageException if there is none, or it can't be had
     */
    public static Path upstream(String name, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        DebianSources sources = DebianSources.of(new Host.Real(), into, progress);
        String list = sources.list(sources.suite()).replaceAll("(?m)^deb ", "deb-src ");
        Apt apt = Apt.withSources(list, into, progress);
        progress.say("downloading the source of " + name);
        Apt.Output out = apt.run("apt-get", "-q", "--download-only", "source", name);
        if (out.status() != 0) {
            throw new ImageException("the source of " + name + " could not be downloaded: " + out.error());
        }
        try (Stream<Path> files = Files.list(into)) {
            List<Path> found = files.filter(f -> String.valueOf(f.getFileName()).matches(".*\\.orig\\.tar\\.[a-z0-9]+"))
                    .toList();
            if (found.size() != 1) {
                throw new ImageException("the source of " + name + " is not one archive: " + found);
            }
            return found.getFirst();
        }
    }

    /**
     * Downloads a package that holds source, such as {@code linux-source-6.1}.
     *
     * @param into an empty directory
     * @return the .deb file
     */
    public static Path binary(String name, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        return new AptSource(new Host.Real())
                .fetch(null, List.of(name), into, progress)
                .getFirst();
    }
}
