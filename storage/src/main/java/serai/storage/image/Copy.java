package serai.storage.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;
import serai.storage.qcow2.Qcow2Disk;

/**
 * Copies what a disk reads as to another one. Zeros are not written where the other disk reads as zeros already; what of it lies past the
 * end of the first becomes zeros.
 */
public final class Copy {
    /** Bytes that are read and then written at once: meant to be still in the processor's cache when they are written; not measured. */
    private static final long CHUNK = 512 << 10;

    /** Threads at most. */
    public static final int MAX_THREADS = 16;

    /**
     * How.
     *
     * @param threads 1 to {@link #MAX_THREADS}
     * @param sparse bytes, a power of two of at least a sector: a block of so many zeros is not written but made to read as zeros; 0: all is
     *     written, zeros as well, so that everything is allocated
     * @param compressed whether clusters are written compressed; {@code to} is a {@link Qcow2Disk} then
     * @param base what {@code to} has below it: what reads the same there is not written; or null
     */
    public record Options(
            int threads,
            int sparse,
            boolean compressed,
            @Nullable BlockDevice base) {
        /** What qemu-img does unless asked otherwise. */
        public static final Options DEFAULT = new Options(8, 4096, false, null);

        /**
         * Checks.
         *
         * @throws IllegalArgumentException if one is out of its range
         */
        public Options {
            if (threads < 1 || threads > MAX_THREADS) {
                throw new IllegalArgumentException("1 to " + MAX_THREADS + " threads, and not " + threads);
            }
            if (sparse != 0 && (sparse < BlockDevice.SECTOR || sparse > 64 << 20 || Integer.bitCount(sparse) != 1)) {
                throw new IllegalArgumentException("a block of zeros has 512 bytes to 64 MiB, a power of two");
            }
        }
    }

    private final BlockDevice from;
    private final BlockDevice to;
    private final Options options;
    private final @Nullable Padded base;
    private final @Nullable Qcow2Disk compressing;
    private final int granule;
    private final long chunk;
    /** All of {@code to} reads as zeros at the beginning. */
    private final boolean blank;

    private Copy(BlockDevice from, BlockDevice to, Options options) throws IOException {
        this.from = from;
        this.to = to;
        this.options = options;
        base = options.base == null ? null : new Padded(options.base);
        compressing = options.compressed ? compressing(to) : null;
        int cluster = to instanceof Qcow2Disk q ? (int) q.info().clusterSize() : 4096;
        granule = options.compressed || base != null ? cluster : BlockDevice.SECTOR;
        chunk = Math.max(CHUNK, Math.max(cluster, options.sparse));
        blank = base == null && new Padded(to).isZero(0, to.size());
    }

    private static Qcow2Disk compressing(BlockDevice to) throws DiskException {
        if (to instanceof Qcow2Disk q) {
            return q;
        }
        throw new DiskException("only qcow2 images can have compressed clusters");
    }

    /**
     * Copies; {@code to} is not flushed.
     *
     * @throws DiskException if {@code to} is smaller
     * @throws IOException if one of them fails; {@code to} has been written in part then
     */
    public static void run(BlockDevice from, BlockDevice to, Options options, Progress progress) throws IOException {
        if (to.size() < from.size()) {
            throw new DiskException("a disk of %d bytes does not go on one of %d".formatted(from.size(), to.size()));
        }
        Copy copy = new Copy(from, to, options);
        Pieces pieces = new Pieces(from, copy.granule, copy.chunk);
        Workers.run(options.threads, pieces, 2 * copy.chunk, copy::piece, from.size(), progress);
        copy.zero(from.size(), to.size() - from.size());
    }

    private void piece(Source.Piece p, NativeBuffer buffer) throws IOException {
        if (p.zero() && options.sparse != 0) {
            zero(p.position(), p.length());
            return;
        }
        for (long done = 0; done < p.length(); done += chunk) { // more than one of zeros that are to be written
            long n = Math.min(chunk, p.length() - done);
            data(p.position() + done, n, buffer);
        }
    }

    private void data(long position, long length, NativeBuffer buffer) throws IOException {
        from.read(position, buffer.address(), length);
        if (base != null) {
            base.read(position, buffer, chunk, length);
            for (long at = 0; at < length; at += granule) {
                long n = Math.min(granule, length - at);
                if (Memory.mismatch(buffer, at, chunk + at, n) >= 0) {
                    blocks(position + at, n, buffer, at);
                }
            }
        } else {
            blocks(position, length, buffer, 0);
        }
    }

    /** Writes a part of the buffer, and makes of its blocks of zeros what is to be made of them. */
    private void blocks(long position, long length, NativeBuffer buffer, long start) throws IOException {
        int block = compressing != null ? granule : Math.max(granule, options.sparse);
        if (options.sparse == 0 && compressing == null) {
            to.write(position, buffer.address() + start, length);
            return;
        }
        long at = 0;
        long end = blockEnd(position, 0, length, block);
        boolean zero = isZero(buffer, start, end);
        while (at < length) {
            long from = at;
            boolean zeros = zero;
            do {
                at = end;
                end = blockEnd(position, at, length, block);
                zero = at < length && isZero(buffer, start + at, end - at);
            } while (at < length && zero == zeros && compressing == null);
            if (zeros) {
                zero(position + from, at - from);
            } else if (compressing != null && isCluster(position + from, at - from)) {
                compressing.writeCompressed(position + from, buffer.address() + start + from, at - from);
            } else {
                to.write(position + from, buffer.address() + start + from, at - from);
            }
        }
    }

    /** Whether that is a cluster of {@code to}, or its last one: the last of a smaller disk may be less. */
    private boolean isCluster(long position, long length) {
        return length == Math.min(granule, to.size() - position);
    }

    private boolean isZero(NativeBuffer buffer, long at, long length) {
        return options.sparse != 0 && Memory.isZero(buffer, at, length);
    }

    private static long blockEnd(long position, long at, long length, int block) {
        return Math.min(length, (position + at & -block) + block - position);
    }

    /** Makes a range read as zeros, where it does not. */
    private void zero(long position, long length) throws IOException {
        if (blank) {
            return;
        }
        Padded there = base != null ? base : new Padded(to);
        for (long at = position; at < position + length; ) {
            Extent e = there.status(at, position + length - at);
            if (!e.zero()) {
                to.zero(at, e.length(), true);
            }
            at += e.length();
        }
    }
}
