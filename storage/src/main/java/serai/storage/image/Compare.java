package serai.storage.image;

import java.io.IOException;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** Whether two disks read the same. */
public final class Compare {
    private static final long CHUNK = 512 << 10;

    private final Padded a;
    private final Padded b;
    private final boolean strict;
    private final AtomicLong content = new AtomicLong(Long.MAX_VALUE);
    private final AtomicLong allocation = new AtomicLong(Long.MAX_VALUE);

    /**
     * What was found. A shorter disk is taken to go on with zeros.
     *
     * @param sizes whether they have the same size
     * @param content the position of the first byte that differs
     * @param allocation with {@code strict}, the position of the first stretch that has space allocated in one of them alone
     */
    public record Result(boolean sizes, OptionalLong content, OptionalLong allocation) {}

    private Compare(BlockDevice a, BlockDevice b, boolean strict) {
        this.a = new Padded(a);
        this.b = new Padded(b);
        this.strict = strict;
    }

    /**
     * Compares.
     *
     * @param strict whether their allocation is compared, too
     * @throws IOException if one of them can't be read
     */
    public static Result run(BlockDevice a, BlockDevice b, boolean strict, int threads, Progress progress)
            throws IOException {
        Compare c = new Compare(a, b, strict);
        BlockDevice longer = a.size() >= b.size() ? a : b;
        Pieces pieces = new Pieces(longer, BlockDevice.SECTOR, CHUNK);
        Workers.run(threads, pieces, 2 * CHUNK, (p, buffer) -> c.piece(p, buffer, pieces), longer.size(), progress);
        return new Result(a.size() == b.size(), found(c.content), found(c.allocation));
    }

    private static OptionalLong found(AtomicLong at) {
        return at.get() == Long.MAX_VALUE ? OptionalLong.empty() : OptionalLong.of(at.get());
    }

    private void piece(Source.Piece p, NativeBuffer buffer, Pieces pieces) throws IOException {
        for (long done = 0; done < p.length(); ) {
            long at = p.position() + done;
            long left = p.length() - done;
            Extent ea = a.status(at, left);
            Extent eb = b.status(at, left);
            long n = Math.min(ea.length(), eb.length());
            if (strict && ea.data() != eb.data()) {
                lower(allocation, at);
                pieces.stop();
            }
            if (!ea.zero() || !eb.zero()) {
                n = Math.min(n, CHUNK);
                long differs = differs(at, n, ea.zero(), eb.zero(), buffer);
                if (differs >= 0) {
                    // pieces before this one have all been taken: the first difference is in one of them, or this
                    lower(content, at + differs);
                    pieces.stop();
                    return;
                }
            }
            done += n;
        }
    }

    private long differs(long at, long length, boolean zeroA, boolean zeroB, NativeBuffer buffer) throws IOException {
        if (!zeroA) {
            a.read(at, buffer, 0, length);
        }
        if (!zeroB) {
            b.read(at, buffer, CHUNK, length);
        }
        return zeroA
                ? Memory.firstNonZero(buffer, CHUNK, length)
                : zeroB ? Memory.firstNonZero(buffer, 0, length) : Memory.mismatch(buffer, 0, CHUNK, length);
    }

    private static void lower(AtomicLong least, long value) {
        least.accumulateAndGet(value, Math::min);
    }
}
