package serai.machine.boot;

import java.io.IOException;

/** Bytes of a kernel file, or of the payload in it. Reading past the end is a {@link BootException}, "truncated". */
interface ByteSource {
    /**
     * Copies bytes {@code offset} to {@code offset + length - 1}.
     *
     * @throws BootException if the source ends before
     */
    void read(long offset, byte[] into, int at, int length) throws BootException, IOException;

    /** Copies bytes out. */
    default byte[] read(long offset, int length) throws BootException, IOException {
        byte[] b = new byte[length];
        read(offset, b, 0, length);
        return b;
    }
}
