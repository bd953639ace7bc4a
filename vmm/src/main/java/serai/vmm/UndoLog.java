package serai.vmm;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * What pages of RAM and blocks of disks held at one moment, of those that were written since: written back, they are as they were.
 * Both are of {@value #SIZE} bytes. What held zeros only costs no copy.
 */
final class UndoLog {
    static final int SIZE = 4096;
    /** What an entry costs beside its copy, about, in bytes. */
    private static final int ENTRY = 64;

    private static final byte[] ZEROS = new byte[SIZE];

    /**
     * A page or a block.
     *
     * @param place 0 for RAM, from 1 on a disk
     * @param offset its first byte: a guest-physical address, or from the disk's start; a multiple of {@link #SIZE}
     */
    record Key(int place, long offset) {}

    private final Map<Key, byte[]> old = new HashMap<>();
    private long bytes;

    /** Whether it holds the key already, so that what is there now is no more what was there at its moment. */
    boolean holds(Key key) {
        return old.containsKey(key);
    }

    /** Takes over a content; one that is held already stays. */
    void put(Key key, byte[] content) {
        byte[] kept = java.util.Arrays.equals(content, ZEROS) ? ZEROS : content;
        if (old.putIfAbsent(key, kept) == null) {
            bytes += cost(kept);
        }
    }

    private static long cost(byte[] content) {
        return ENTRY + (content == ZEROS ? 0 : SIZE);
    }

    /** What it takes of the host's memory, about. */
    long bytes() {
        return bytes;
    }

    /** Each key with what was there. */
    void forEach(BiConsumer<Key, byte[]> action) {
        old.forEach(action);
    }

    /** Takes over what a later one has of places that were not written before it: that one's moment can be forgotten. */
    void append(UndoLog later) {
        later.old.forEach(this::put);
    }
}
