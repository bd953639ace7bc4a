package serai.image;

import io.airlift.compress.v3.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.LongConsumer;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.ar.ArArchiveEntry;
import org.apache.commons.compress.archivers.ar.ArArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/** A Debian package: an ar archive whose member data.tar.* has the files (deb(5)). */
final class DebFile {
    /** More than any package here has; a hostile one ends in an error, not in a full heap. */
    private static final int MAX_FILE = 256 << 20;

    private static final int XZ_MEMORY_KIB = 256 << 10;

    private DebFile() {}

    /** Takes regular files out of a package. */
    @FunctionalInterface
    interface Taker {
        /**
         * A file.
         *
         * @param name without "./" or "/" in front
         * @param content to read from, or to leave
         */
        void file(String name, InputStream content) throws IOException;
    }

    /** Shows all regular files to {@code taker}; {@code progress} gets the bytes of the package read so far. */
    static void read(Path deb, Taker taker, LongConsumer progress) throws IOException {
        try (InputStream file = new BufferedInputStream(new Counting(Files.newInputStream(deb), progress), 1 << 16);
                ArArchiveInputStream ar = new ArArchiveInputStream(file)) {
            for (ArArchiveEntry e; (e = ar.getNextEntry()) != null; ) {
                if (e.getName().startsWith("data.tar")) {
                    tar(unpack(e.getName(), ar), taker);
                    return;
                }
            }
        }
        throw new IOException("no data.tar in " + deb.getFileName());
    }

    private static InputStream unpack(String name, InputStream in) throws IOException {
        return switch (name.substring("data.tar".length())) {
            case "" -> in;
            case ".xz" -> new XZInputStream(in, XZ_MEMORY_KIB);
            case ".zst" -> new ZstdInputStream(in);
            case ".gz" -> new GZIPInputStream(in);
            default -> throw new IOException("a package with " + name + " can't be unpacked");
        };
    }

    private static void tar(InputStream in, Taker taker) throws IOException {
        TarArchiveInputStream tar = new TarArchiveInputStream(in);
        for (TarArchiveEntry e; (e = tar.getNextEntry()) != null; ) {
            if (e.isFile()) {
                taker.file(e.getName().replaceFirst("^\\.?/+", ""), tar);
            }
        }
    }

    /** All of a file's bytes. */
    static byte[] bytes(InputStream content) throws IOException {
        byte[] b = content.readNBytes(MAX_FILE + 1);
        if (b.length > MAX_FILE) {
            throw new IOException("a file in the package is larger than " + MAX_FILE + " bytes");
        }
        return b;
    }

    private static final class Counting extends FilterInputStream {
        private final LongConsumer progress;
        private long count;

        Counting(InputStream in, LongConsumer progress) {
            super(in);
            this.progress = progress;
        }

        @Override
        public int read() throws IOException {
            int b = super.read();
            progress.accept(count += b < 0 ? 0 : 1);
            return b;
        }

        @Override
        public int read(byte[] b, int off, int len) throws IOException {
            int n = super.read(b, off, len);
            progress.accept(count += Math.max(0, n));
            return n;
        }
    }
}
