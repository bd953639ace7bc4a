package serai.vmm;

import java.lang.foreign.MemorySegment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** Looks at whole pages of guest RAM. */
final class Pages {
    static final int SIZE = GuestMemory.PAGE_SIZE;

    private Pages() {}

    /** Whether the page at {@code offset} in the region holds zeros only. */
    static boolean zero(GuestMemory memory, RamRegion region, long offset) {
        long host = memory.host(region.base() + offset);
        long or = 0;
        for (int i = 0; i < SIZE && or == 0; i += 64) {
            for (int j = 0; j < 64; j += 8) {
                or |= GuestMemory.getLong(host + i + j);
            }
        }
        return or == 0;
    }

    /** The page as a segment, to be read from or written to a channel. */
    static MemorySegment segment(long host, long length) {
        return MemorySegment.ofAddress(host).reinterpret(length);
    }
}
