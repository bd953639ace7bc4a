package serai.image;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The user's cache of images, {@code $XDG_CACHE_HOME/serai/images}.
 *
 * <pre>
 *   tiny/
 *     2/             revision 2, complete: it appears by a rename, after its files are on the disk
 *     2.partial/     being built, or left by a builder that was killed; the next one deletes it
 *     lock           held by the builder
 *   generic/
 *   debian/          of the host's own suite
 *   debian-trixie/
 * </pre>
 */
public final class Images {
    private final Path root;
    private final PackageSource packages;
    private final Host host;
    private final Progress progress;

    Images(Path root, PackageSource packages, Host host, Progress progress) {
        this.root = root;
        this.packages = packages;
        this.host = host;
        this.progress = progress;
    }

    /** The cache of the user who runs this. */
    public static Images forUser(Progress progress) {
        return new Images(
                Xdg.home("XDG_CACHE_HOME", ".cache").resolve("serai").resolve("images"),
                new AptSource(new Host.Real()),
                new Host.Real(),
                progress);
    }

    /** The names of all images; each also stands with a suite of Debian's behind a colon. */
    public static List<String> names() {
        return List.of(TinyImage.NAME, TinyImage.GENERIC, DebianImage.NAME);
    }

    /**
     * Whether an image has a disk, of which each machine wants a copy.
     *
     * @throws ImageException if there is no such image
     */
    public static boolean hasDisk(String name) throws ImageException {
        return Name.of(name).kind.equals(DebianImage.NAME);
    }

    /** What a name says. */
    private record Name(String kind, @Nullable String suite) {
        static Name of(String name) throws ImageException {
            int colon = name.indexOf(':');
            String kind = colon < 0 ? name : name.substring(0, colon);
            String suite = colon < 0 ? null : name.substring(colon + 1);
            if (!names().contains(kind)
                    || suite != null && !DebianImage.SUITE.matcher(suite).matches()) {
                throw new ImageException("there is no image '" + name
                        + "'; the images are: tiny, generic and debian, or with a suite, such as debian:trixie");
            }
            return new Name(kind, suite);
        }
    }

    private Recipe recipe(String name) throws ImageException {
        Name n = Name.of(name);
        return n.kind.equals(DebianImage.NAME)
                ? new DebianImage(host, name, n.suite)
                : new TinyImage(packages, n.kind, n.suite);
    }

    /**
     * An image, built now if it isn't in the cache.
     *
     * @throws ImageException if there is no such image, or it can't be built; the cache is as it was then
     */
    public Image get(String name) throws ImageException, InterruptedException {
        Recipe recipe = recipe(name);
        Path home = root.resolve(recipe.directory());
        Path done = home.resolve(Integer.toString(recipe.revision()));
        try {
            if (!Files.isDirectory(done)) {
                build(recipe, home, done);
            }
        } catch (AccessDeniedException e) {
            throw new ImageException("image " + name + " can't be built: " + e.getFile() + " is not writable", e);
        } catch (IOException e) {
            throw new ImageException("image " + name + " can't be built in " + home + ": " + reason(e), e);
        }
        return recipe.image(done);
    }

    static String reason(IOException e) {
        if (e instanceof FileSystemException f && f.getReason() != null) {
            return f.getReason();
        }
        String m = e.getMessage();
        return m == null ? e.getClass().getSimpleName() : m;
    }

    private void build(Recipe recipe, Path home, Path done) throws ImageException, IOException, InterruptedException {
        Files.createDirectories(home);
        try (FileChannel file =
                FileChannel.open(home.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            @Nullable FileLock lock = file.tryLock();
            if (lock == null) {
                progress.say("another process is making this image; waiting for it");
                lock = file.lock();
            }
            try {
                if (!Files.isDirectory(done)) {
                    buildLocked(recipe, home, done);
                }
            } finally {
                lock.release();
            }
        }
    }

    private void buildLocked(Recipe recipe, Path home, Path done)
            throws ImageException, IOException, InterruptedException {
        try (Stream<Path> left = Files.list(home)) {
            for (Path p : left.filter(f -> f.toString().endsWith(".partial")).toList()) {
                Durable.delete(p);
            }
        }
        Path partial = home.resolve(done.getFileName() + ".partial");
        try {
            Path image = Files.createDirectories(partial.resolve("image"));
            Path work = Files.createDirectories(partial.resolve("work"));
            recipe.build(image, work, progress);
            Durable.syncDirectory(image);
            Files.move(image, done, StandardCopyOption.ATOMIC_MOVE);
            Durable.syncDirectory(home);
        } catch (IOException | ImageException | InterruptedException | RuntimeException e) {
            progress.broken();
            throw e;
        } finally {
            Durable.delete(partial);
        }
    }
}
