package serai.image;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Files that are on the disk before something says that they are. */
final class Durable {
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
        if (Files.notExists(dir)) {
            return;
        }
        List<Path> all;
        try (Stream<Path> walk = Files.walk(dir)) {
            all = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path p : all) {
            Files.deleteIfExists(p);
        }
    }
}
