package serai.image;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/** Files that are on the disk before something says that they are. */
final class Durable {
    /** Tenths of a second. */
    private static final int PATIENCE = 100;

    private Durable() {}

    /** Writes to a stream. */
    @FunctionalInterface
    interface Writer {
        /** Writes all of it. */
        void to(OutputStream out) throws IOException;
    }

    /** Writes a file and waits until it is on the disk. */
    static void write(Path file, Writer writer) throws IOException {
        try (FileOutputStream raw = new FileOutputStream(file.toFile());
                BufferedOutputStream out = new BufferedOutputStream(raw, 1 << 16)) {
            writer.to(out);
            out.flush();
            raw.getFD().sync();
        }
    }

    /** Waits until a directory's entries are on the disk. */
    static void syncDirectory(Path dir) throws IOException {
        try (FileChannel c = FileChannel.open(dir, StandardOpenOption.READ)) {
            c.force(true);
        }
    }

    /** Deletes a directory with all in it, if it is there. */
    static void delete(Path dir) throws IOException {
        for (int tries = 1; Files.exists(dir, LinkOption.NOFOLLOW_LINKS); tries++) {
            try {
                deleteOnce(dir);
            } catch (DirectoryNotEmptyException | NoSuchFileException | UncheckedIOException e) {
                // what a killed builder had started is ending and still writes or deletes there (see Host)
                if (tries == PATIENCE) {
                    throw e instanceof UncheckedIOException u ? u.getCause() : (IOException) e;
                }
                LockSupport.parkNanos(100_000_000);
            }
        }
    }

    /** Not across a mount: what somebody has mounted there is not ours (a bootstrap mounts /sys into its tree). */
    private static void deleteOnce(Path dir) throws IOException {
        Object device = Files.getAttribute(dir, "unix:dev", LinkOption.NOFOLLOW_LINKS);
        List<Path> all;
        try (Stream<Path> walk = Files.walk(dir)) {
            all = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path p : all) {
            if (Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)
                    && !device.equals(Files.getAttribute(p, "unix:dev", LinkOption.NOFOLLOW_LINKS))) {
                throw new IOException("something is mounted on " + p);
            }
        }
        for (Path p : all) {
            Files.deleteIfExists(p);
        }
    }
}
