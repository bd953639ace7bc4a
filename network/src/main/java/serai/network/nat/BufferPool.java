package serai.network.nat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Memory outside the heap for what connections hold, in pages of 16 KiB. It is taken from the host a MiB at a time, up to a bound, and given back
 * when nobody has a page any more. Used with the lock of the NAT held.
 */
final class BufferPool {
    /** Bytes of a page. */
    static final int PAGE = 16 << 10;

    private static final int SLAB = 1 << 20;
    private static final long IDLE_MILLIS = 10_000;

    /**
     * A page.
     *
     * @param bytes for access by position alone
     * @param io the same bytes, for a transfer of a channel
     */
    record Page(ByteBuffer bytes, ByteBuffer io) {}

    private final int most;
    private final ArrayDeque<Page> free = new ArrayDeque<>();
    private final List<Arena> slabs = new ArrayList<>();
    private int used;
    private long idleSince;

    /** Of so many bytes, a MiB at least. */
    BufferPool(long bytes) {
        most = Math.clamp(bytes / SLAB, 1, 1 << 20);
    }

    /** A page; null if there is no more. */
    @Nullable
    Page take() {
        if (free.isEmpty() && !grow()) {
            return null;
        }
        used++;
        return free.pop();
    }

    private boolean grow() {
        if (slabs.size() >= most) {
            return false;
        }
        Arena arena = Arena.ofShared();
        MemorySegment slab;
        try {
            slab = arena.allocate(SLAB, 4096);
        } catch (OutOfMemoryError e) { // of memory outside the heap, which this JVM was given a bound for
            arena.close();
            return false;
        }
        slabs.add(arena);
        for (long at = SLAB - PAGE; at >= 0; at -= PAGE) {
            ByteBuffer b = slab.asSlice(at, PAGE).asByteBuffer();
            free.push(new Page(b, b.duplicate()));
        }
        return true;
    }

    void give(Page page) {
        used--;
        free.push(page);
    }

    /**
     * Bytes that one may hold in all. The less is free, the less that is, so that hundreds who hold what nobody fetches leave some for others.
     */
    int share() {
        int all = most * (SLAB / PAGE);
        int free = all - used;
        if (free > all / 2) {
            return Integer.MAX_VALUE;
        }
        return free > all / 4 ? 8 * PAGE : free > all / 8 ? 2 * PAGE : PAGE;
    }

    /** Pages in use. */
    int used() {
        return used;
    }

    /** Bytes that the host has given. */
    long held() {
        return (long) slabs.size() * SLAB;
    }

    /** Gives everything back if no page has been in use for 10 seconds; closing what threads share is dear. */
    void trim(long now) {
        if (used > 0) {
            idleSince = now;
        } else if (now - idleSince >= IDLE_MILLIS) {
            close();
        }
    }

    /** Gives everything back; no page may be in use. */
    void close() {
        free.clear();
        slabs.forEach(Arena::close);
        slabs.clear();
    }
}
