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
 *     1/             revision 1, complete: it appears by a rename, after its files are on the disk
 *     1.partial/     being built, or left by a builder that was killed; the next one deletes it
 *     lock           held by the builder
 * </pre>
 */
public final class Images {
    private final Path root;
    private final PackageSource packages;
    private final Progress progress;

    Images(Path root, PackageSource packages, Progress progress) {
        this.root = root;
        this.packages = packages;
        this.progress = progress;
    }

    /** The cache of the user who runs this. */
    public static Images forUser(Progress progress) {
        return new Images(cacheHome().resolve("serai").resolve("images"), new AptSource(), progress);
    }

    /** XDG Base Directory Specification: a relative path in the variable is to be ignored. */
    private static Path cacheHome() {
        @Nullable String xdg = System.getenv("XDG_CACHE_HOME");
        if (xdg != null && xdg.startsWith("/")) {
            return Path.of(xdg);
        }
        return Path.of(System.getProperty("user.home", "/"), ".cache");
    }

    /** The names of all images. */
    public static List<String> names() {
        return List.of(TinyImage.NAME);
    }

    /**
     * An image, built now if it isn't in the cache.
     *
     * @throws ImageException if there is no such image, or it can't be built; the cache is as it was then
     */
    public Image get(String name) throws ImageException, InterruptedException {
        if (!name.equals(TinyImage.NAME)) {
            throw new ImageException("there is no image '" + name + "'; the images are: " + String.join(", ", names()));
        }
        Path home = root.resolve(name);
        Path done = home.resolve(Integer.toString(TinyImage.REVISION));
        try {
            if (!Files.isDirectory(done)) {
                build(home, done);
            }
        } catch (AccessDeniedException e) {
            throw new ImageException("image " + name + " can't be built: " + e.getFile() + " is not writable", e);
        } catch (IOException e) {
            throw new ImageException("image " + name + " can't be built in " + home + ": " + reason(e), e);
        }
        return new Image(name, done.resolve(TinyImage.KERNEL), done.resolve(TinyImage.INITRD), TinyImage.APPEND);
    }

    private static String reason(IOException e) {
        if (e instanceof FileSystemException f && f.getReason() != null) {
            return f.getReason();
        }
        String m = e.getMessage();
        return m == null ? e.getClass().getSimpleName() : m;
    }

    private void build(Path home, Path done) throws ImageException, IOException, InterruptedException {
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
                    buildLocked(home, done);
                }
            } finally {
                lock.release();
            }
        }
    }

    private void buildLocked(Path home, Path done) throws ImageException, IOException, InterruptedException {
        try (Stream<Path> left = Files.list(home)) {
            for (Path p : left.filter(f -> f.toString().endsWith(".partial")).toList()) {
                Durable.delete(p);
            }
        }
        Path partial = home.resolve(done.getFileName() + ".partial");
        try {
            Path image = Files.createDirectories(partial.resolve("image"));
            Path work = Files.createDirectories(partial.resolve("work"));
            TinyImage.build(packages, image, work, progress);
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
