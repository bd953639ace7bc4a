package serai.storage.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * A disk that is followed by zeros for ever, as an image sees its backing file.
 *
 * @param disk it; null: there are zeros alone
 */
record Padded(@Nullable BlockDevice disk) {
    /** As {@link BlockDevice#read}. */
    void read(long position, NativeBuffer buffer, long at, long length) throws IOException {
        long n = disk == null ? 0 : Math.clamp(disk.size() - position, 0, length);
        if (disk != null && n > 0) {
            disk.read(position, buffer.address() + at, n);
        }
        buffer.segment().asSlice(at + n, length - n).fill((byte) 0);
    }

    /** As {@link BlockDevice#status}. */
    Extent status(long position, long length) throws IOException {
        long n = disk == null ? 0 : Math.clamp(disk.size() - position, 0, length);
        return disk != null && n > 0 ? disk.status(position, n) : Extent.nowhere(length);
    }

    /** Whether it reads as zeros everywhere in a range, as far as its status tells. */
    boolean isZero(long position, long length) throws IOException {
        for (long at = position; at < position + length; ) {
            Extent e = status(at, position + length - at);
            if (!e.zero()) {
                return false;
            }
            at += e.length();
        }
        return true;
    }
}
