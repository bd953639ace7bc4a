package serai.storage.image;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import serai.storage.NativeBuffer;

/** What is in buffers. */
final class Memory {
    private static final int ZEROS = 64 << 10;
    private static final MemorySegment ZERO = Arena.global().allocate(ZEROS, 4096);

    private Memory() {}

    /** Whether bytes of a buffer are all zero. */
    static boolean isZero(NativeBuffer buffer, long at, long length) {
        MemorySegment s = buffer.segment();
        if (s.get(ValueLayout.JAVA_BYTE, at) != 0) {
            return false; // most blocks that have data have some at their start
        }
        for (long done = 0; done < length; done += ZEROS) {
            long n = Math.min(ZEROS, length - done);
            if (MemorySegment.mismatch(s, at + done, at + done + n, ZERO, 0, n) >= 0) {
                return false;
            }
        }
        return true;
    }

    /** Where the first byte is in which two stretches of a buffer differ, from their beginnings, or -1. */
    static long mismatch(NativeBuffer buffer, long a, long b, long length) {
        MemorySegment s = buffer.segment();
        return MemorySegment.mismatch(s, a, a + length, s, b, b + length);
    }

    /** Where the first byte other than zero is, from the beginning of the stretch, or -1. */
    static long firstNonZero(NativeBuffer buffer, long at, long length) {
        for (long done = 0; done < length; done += ZEROS) {
            long n = Math.min(ZEROS, length - done);
            long m = MemorySegment.mismatch(buffer.segment(), at + done, at + done + n, ZERO, 0, n);
            if (m >= 0) {
                return done + m;
            }
        }
        return -1;
    }
}
