package serai.network.nat;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import serai.network.nat.BufferPool.Page;

/**
 * Bytes on their way, in pages of the pool: what is put in at the tail leaves at the head, and an empty one has no page. Used with the lock of the
 * NAT held, but for the buffers of {@link #reserve}, which a channel may fill without.
 */
final class ByteQueue {
    private static final int PAGE = BufferPool.PAGE;

    private final BufferPool pool;
    /** A ring; its length is a power of two. */
    private @Nullable Page[] pages = new Page[4];

    private int first;
    private int count;
    /** Of the head in its page. */
    private int start;

    private int size;
    private boolean reserved;
    private boolean cleared;

    ByteQueue(BufferPool pool) {
        this.pool = pool;
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    private Page page(int index) {
        Page p = pages[first + index & pages.length - 1];
        if (p == null) {
            throw new IndexOutOfBoundsException("page " + index + " of " + count);
        }
        return p;
    }

    private boolean addPage() {
        Page p = pool.take();
        if (p == null) {
            return false;
        }
        if (count == pages.length) {
            Page[] larger = new Page[count * 2];
            for (int i = 0; i < count; i++) {
                larger[i] = page(i);
            }
            pages = larger;
            first = 0;
        }
        pages[first + count++ & pages.length - 1] = p;
        return true;
    }

    private void dropFirst() {
        pool.give(page(0));
        pages[first] = null;
        first = first + 1 & pages.length - 1;
        count--;
    }

    private void dropUnused() {
        int needed = size == 0 ? 0 : (start + size + PAGE - 1) / PAGE;
        while (count > needed) {
            count--;
            pool.give(page(count));
            pages[first + count & pages.length - 1] = null;
        }
        if (count == 0) {
            start = 0;
        }
    }

    /**
     * Adds bytes.
     *
     * @return how many there was memory for
     */
    int append(ByteBuffer from, int at, int length) {
        int done = 0;
        while (done < length) {
            int tail = start + size;
            if (tail == count * PAGE && !addPage()) {
                break;
            }
            int n = Math.min(length - done, PAGE - tail % PAGE);
            page(tail / PAGE).bytes().put(tail % PAGE, from, at + done, n);
            size += n;
            done += n;
        }
        return done;
    }

    /**
     * Makes room behind the tail for a channel to read into, until {@link #commit}; the lock may be given up between.
     *
     * @param into gets buffers
     * @return how many; 0 if there is no memory
     */
    int reserve(int bytes, ByteBuffer[] into) {
        reserved = true;
        int tail = start + size;
        int n = 0;
        int left = bytes;
        while (left > 0 && n < into.length && (tail < count * PAGE || addPage())) {
            int length = Math.min(left, PAGE - tail % PAGE);
            into[n++] = page(tail / PAGE).io().limit(tail % PAGE + length).position(tail % PAGE);
            tail += length;
            left -= length;
        }
        return n;
    }

    /** Ends what {@link #reserve} began: so many bytes are there. */
    void commit(int bytes) {
        reserved = false;
        size += bytes;
        if (cleared) {
            clear();
        } else {
            dropUnused();
        }
    }

    /** Copies bytes from behind the head. */
    void copy(int offset, int length, ByteBuffer into, int at) {
        int done = 0;
        while (done < length) {
            int from = start + offset + done;
            int n = Math.min(length - done, PAGE - from % PAGE);
            into.put(at + done, page(from / PAGE).bytes(), from % PAGE, n);
            done += n;
        }
    }

    /**
     * What is at the head, for a channel to write; nothing leaves before {@link #consume}.
     *
     * @param into gets buffers
     * @return how many
     */
    int gather(ByteBuffer[] into) {
        int n = 0;
        int at = start;
        int left = size;
        while (left > 0 && n < into.length) {
            int length = Math.min(left, PAGE - at % PAGE);
            into[n++] = page(at / PAGE).io().limit(at % PAGE + length).position(at % PAGE);
            at += length;
            left -= length;
        }
        return n;
    }

    /** Removes bytes at the head. */
    void consume(int bytes) {
        start += bytes;
        size -= bytes;
        while (start >= PAGE && count > 0) {
            start -= PAGE;
            dropFirst();
        }
        if (size == 0 && !reserved) {
            dropUnused();
        }
    }

    /** Empties it, for good; pages that a channel reads into go with {@link #commit}. */
    void clear() {
        cleared = true;
        size = 0;
        if (!reserved) {
            dropUnused();
        }
    }
}
