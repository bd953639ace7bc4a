package serai.machine.boot;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * A stream read in ascending order, with its first {@link #HEAD} bytes kept for reading again: enough for an ELF file's
 * headers, so that an unpacked kernel (53 MB for Debian 12's) never stands in the heap.
 */
final class ForwardSource implements ByteSource {
    private static final int HEAD = 64 << 10;

    private final KernelFile file;
    private final InputStream in;
    private final byte[] head;
    private long position;

    /** Of what {@code in} gives; {@code file} is named in messages. */
    ForwardSource(KernelFile file, InputStream in) throws IOException {
        this.file = file;
        this.in = in;
        head = in.readNBytes(HEAD);
        position = head.length;
    }

    @Override
    public void read(long offset, byte[] into, int at, int length) throws BootException, IOException {
        long from = offset;
        int put = at;
        int left = length;
        if (from < head.length) {
            int n = (int) Math.min(left, head.length - from);
            System.arraycopy(head, (int) from, into, put, n);
            from += n;
            put += n;
            left -= n;
        }
        if (left == 0) {
            return;
        }
        if (from < position) {
            throw new BootException(file + " has a payload whose parts are not in ascending order");
        }
        try {
            in.skipNBytes(from - position);
            position = from;
            if (in.readNBytes(into, put, left) < left) {
                throw file.truncated();
            }
            position += left;
        } catch (java.io.EOFException e) {
            throw new BootException(file + " is truncated", e);
        }
    }

    /** The first bytes, at most {@code max}. */
    byte[] head(int max) {
        return Arrays.copyOf(head, Math.min(max, head.length));
    }
}
