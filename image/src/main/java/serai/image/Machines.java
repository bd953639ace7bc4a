package serai.image;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The user's machines, {@code $XDG_DATA_HOME/serai/machines}: for each image with a disk, a copy that its guest writes to and
 * that stays. The kernel is copied with it, as the modules on the disk are for that one: a machine goes on as it is when the
 * host, or the image, gets newer.
 *
 * <pre>
 *   debian/            the machine of image debian: vmlinuz, initrd.cpio, disk.raw. It appears by a rename
 *   debian-trixie/     of image debian:trixie
 *   X.partial/         being made, or left by a process that was killed; the next one deletes it
 *   X.old/             being deleted
 *   temporary/N/       a machine for one run, with a lock that its run holds
 *   lock               held by who makes or deletes
 * </pre>
 *
 * <p>Against two VMs at once the VMM locks the disk itself (see {@code storage.RawDisk}); a reset asks for that lock, too.
 */
public final class Machines {
    private static final String TEMPORARY = "temporary";

    private final Path root;
    private final Source images;
    private final Host host;
    private final Progress progress;

    /** Where pristine images come from. */
    @FunctionalInterface
    interface Source {
        Image get(String name) throws ImageException, InterruptedException;
    }

    Machines(Path root, Source images, Host host, Progress progress) {
        this.root = root;
        this.images = images;
        this.host = host;
        this.progress = progress;
    }

    /** Those of the user who runs this. */
    public static Machines forUser(Progress progress) {
        Path data = Xdg.home("XDG_DATA_HOME", ".local/share");
        return new Machines(
                data.resolve("serai").resolve("machines"),
                name -> Images.forUser(progress).get(name),
                new Host.Real(),
                progress);
    }

    /** What is done under the lock. */
    @FunctionalInterface
    private interface Work<T> {
        T run() throws IOException, ImageException, InterruptedException;
    }

    /**
     * The machine of an image; made now if there is none.
     *
     * @param reset whether to make it anew, without what was written to its disk
     * @throws ImageException if it can't be made, or is running and to be reset; what there was is as it was then
     */
    public Image get(String name, boolean reset) throws ImageException, InterruptedException {
        Path home = root.resolve(name.replace(':', '-'));
        if (!reset && Files.isDirectory(home)) {
            return in(home, name);
        }
        Image pristine = images.get(name);
        return reporting(
                name,
                () -> locked(() -> {
                    sweep(home);
                    if (reset || !Files.isDirectory(home)) {
                        make(pristine, home);
                        progress.say("the disk of this machine is " + home.resolve(DebianImage.DISK));
                    }
                    return in(home, name);
                }));
    }

    private static Image in(Path home, String name) {
        return new Image(
                name,
                home.resolve(DebianImage.KERNEL),
                home.resolve(DebianImage.INITRD),
                DebianImage.APPEND,
                home.resolve(DebianImage.DISK));
    }

    /** Deletes what a killed process left. */
    private static void sweep(Path home) throws IOException {
        Durable.delete(aside(home, ".partial"));
        Durable.delete(aside(home, ".old"));
    }

    private static Path aside(Path home, String suffix) {
        return home.resolveSibling(home.getFileName() + suffix);
    }

    private void make(Image pristine, Path home) throws IOException, ImageException, InterruptedException {
        Path partial = aside(home, ".partial");
        try {
            copy(pristine, partial);
            if (Files.isDirectory(home)) {
                replace(home, partial);
            } else {
                Files.move(partial, home, StandardCopyOption.ATOMIC_MOVE);
            }
            Durable.syncDirectory(root);
        } finally {
            sweep(home);
        }
    }

    /** While nobody runs it: its VM would go on writing to a disk that nobody finds any more. */
    private static void replace(Path home, Path partial) throws IOException, ImageException {
        try (FileChannel disk = FileChannel.open(home.resolve(DebianImage.DISK), StandardOpenOption.WRITE);
                @Nullable FileLock lock = tryLock(disk)) {
            if (lock == null) {
                throw new ImageException(
                        "the machine " + home.getFileName() + " is running; end it before you reset it");
            }
            Path old = aside(home, ".old");
            Files.move(home, old, StandardCopyOption.ATOMIC_MOVE);
            try {
                Files.move(partial, home, StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                Files.move(old, home, StandardCopyOption.ATOMIC_MOVE);
                throw e;
            }
        }
    }

    private static @Nullable FileLock tryLock(FileChannel file) throws IOException {
        try {
            return file.tryLock();
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    /** Copies an image's files, holes as holes, and as clones where the file system can. */
    private void copy(Image from, Path dir) throws IOException, ImageException, InterruptedException {
        Files.createDirectories(dir);
        Path disk = from.disk();
        if (disk == null) {
            throw new ImageException("image " + from.name() + " has no disk to keep");
        }
        for (Path p : List.of(from.kernel(), from.initrd(), disk)) {
            Path to = dir.resolve(p.getFileName());
            Transcript log = new Transcript();
            List<String> cp = List.of("cp", "--reflink=auto", "--sparse=always", p.toString(), to.toString());
            if (host.run(dir, Map.of(), cp, log) != 0) {
                throw new IOException(log.diskFull() ? "No space left on device" : log.error());
            }
            try (FileChannel c = FileChannel.open(to, StandardOpenOption.WRITE)) {
                c.force(true);
            }
        }
        Durable.syncDirectory(dir);
    }

    /** A machine for one run, which nothing remains of. */
    public final class Temporary implements AutoCloseable {
        private final Image image;
        private final Path dir;
        private final FileChannel lock;
        private boolean closed;

        private Temporary(Image image, Path dir, FileChannel lock) {
            this.image = image;
            this.dir = dir;
            this.lock = lock;
        }

        /** With its own copy of the disk. */
        public Image image() {
            return image;
        }

        /** Deletes it; may be called from several threads. */
        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            try {
                Durable.delete(dir);
                lock.close();
            } catch (IOException e) {
                progress.say(dir + " could not be deleted: " + Images.reason(e));
            }
        }
    }

    /**
     * A machine fresh from its image for one run.
     *
     * @throws ImageException if it can't be made; nothing is left then
     */
    public Temporary temporary(String name) throws ImageException, InterruptedException {
        Image pristine = images.get(name);
        return reporting(
                name,
                () -> locked(() -> {
                    Path all = Files.createDirectories(root.resolve(TEMPORARY));
                    sweepTemporary(all);
                    Path dir = Files.createTempDirectory(all, "");
                    @Nullable FileChannel lock = null;
                    boolean made = false;
                    try {
                        lock = lock(dir);
                        copy(pristine, dir);
                        made = true;
                        return new Temporary(in(dir, name), dir, lock);
                    } finally {
                        if (!made) {
                            Durable.delete(dir);
                            if (lock != null) {
                                lock.close();
                            }
                        }
                    }
                }));
    }

    private static FileChannel lock(Path dir) throws IOException {
        FileChannel c = FileChannel.open(dir.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (tryLock(c) == null) {
            c.close();
            throw new IOException(dir + " is locked");
        }
        return c;
    }

    /** Deletes those whose run was killed: their locks are free. */
    private static void sweepTemporary(Path all) throws IOException {
        List<Path> dirs;
        try (Stream<Path> list = Files.list(all)) {
            dirs = list.toList();
        }
        for (Path d : dirs) {
            try (FileChannel c =
                            FileChannel.open(d.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    @Nullable FileLock lock = tryLock(c)) {
                if (lock != null) {
                    Durable.delete(d);
                }
            }
        }
    }

    private <T> T locked(Work<T> work) throws IOException, ImageException, InterruptedException {
        Files.createDirectories(root);
        try (FileChannel file =
                        FileChannel.open(root.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = file.lock()) {
            assert lock.isValid();
            return work.run();
        }
    }

    private <T> T reporting(String name, Work<T> work) throws ImageException, InterruptedException {
        try {
            return work.run();
        } catch (AccessDeniedException e) {
            throw new ImageException(
                    "the machine of image " + name + " can't be made: " + e.getFile() + " is not writable", e);
        } catch (IOException e) {
            throw new ImageException(
                    "the machine of image " + name + " can't be made in " + root + ": " + Images.reason(e), e);
        }
    }
}
