package serai.storage.luks;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/**
 * The file with a header, read and written by arrays, and what is said of it when it is refused.
 *
 * @param size bytes in it
 */
record HeaderFile(ImageFile file, long size) {
    static HeaderFile of(ImageFile file) throws IOException {
        return new HeaderFile(file, file.size());
    }

    /** Bytes at a position, zeros behind the end. */
    byte[] read(long position, int length) throws IOException {
        byte[] bytes = new byte[length];
        try (Arena arena =
                Arena.ofConfined()) { // closing a shared one waits for all threads, and headers are read piece by piece
            MemorySegment b = arena.allocate(Math.max(1, length));
            file.read(position, b.address(), length);
            MemorySegment.copy(b, ValueLayout.JAVA_BYTE, 0, bytes, 0, length);
            b.fill((byte) 0);
        }
        return bytes;
    }

    void write(long position, byte[] bytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment b = arena.allocate(Math.max(1, bytes.length));
            MemorySegment.copy(bytes, 0, b, ValueLayout.JAVA_BYTE, 0, bytes.length);
            file.write(position, b.address(), bytes.length);
            b.fill((byte) 0);
        }
    }

    /** For a header that is damaged or was made to harm. */
    DiskException damaged(String what, Object... values) {
        return new DiskException("disk %s has a damaged LUKS header: %s"
                .formatted(file.path(), values.length == 0 ? what : what.formatted(values)));
    }

    /** For a sound one that asks for something else than we have. */
    DiskException unsupported(Unsupported with) {
        return new DiskException("disk %s is a LUKS volume with %s".formatted(file.path(), with.getMessage()), with);
    }

    /** A text in a field of fixed size, up to its first zero; what is no printable ASCII becomes '?'. */
    static String text(byte[] bytes, int at, int length) {
        int n = 0;
        while (n < length && bytes[at + n] != 0) {
            n++;
        }
        return printable(new String(bytes, at, n, StandardCharsets.ISO_8859_1));
    }

    /** A text from a header, fit for a message. */
    static String printable(String s) {
        return s.substring(0, Math.min(100, s.length())).replaceAll("[^ -~]", "?");
    }
}
