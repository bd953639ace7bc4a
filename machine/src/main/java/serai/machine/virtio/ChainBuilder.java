package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import serai.machine.memory.GuestMemory;

/** Puts a chain together from descriptors of either kind, whose first 12 bytes and flags are alike: address (8), length (4). */
final class ChainBuilder {
    static final int NEXT = 1, WRITE = 2, INDIRECT = 4;
    static final int DESCRIPTOR = 16;
    private static final int MAX_INDIRECT = 1024;

    private final List<Chain.Buffer> readable = new ArrayList<>();
    private final List<Chain.Buffer> writable = new ArrayList<>();

    void add(long address, int length, int flags) throws Virtqueue.Malformed {
        if (length < 0) {
            throw new Virtqueue.Malformed("a buffer of more than 2 GiB");
        }
        if ((flags & WRITE) != 0) {
            writable.add(new Chain.Buffer(address, length));
        } else if (!writable.isEmpty()) {
            throw new Virtqueue.Malformed("a readable buffer after a writable one");
        } else {
            readable.add(new Chain.Buffer(address, length));
        }
    }

    /** Entries of an indirect table of that many bytes. */
    static int indirectEntries(int length, boolean allowed) throws Virtqueue.Malformed {
        if (!allowed || length <= 0 || length % DESCRIPTOR != 0 || length / DESCRIPTOR > MAX_INDIRECT) {
            throw new Virtqueue.Malformed("an indirect table that is none");
        }
        return length / DESCRIPTOR;
    }

    /** An indirect table of a packed ring: all of its entries, in their order (2.8.7). */
    void addTable(GuestMemory memory, long table, int length, boolean allowed) throws Virtqueue.Malformed {
        int n = indirectEntries(length, allowed);
        for (int i = 0; i < n; i++) {
            long d = table + (long) i * DESCRIPTOR;
            long address = memory.readLong(d);
            int bytes = memory.readInt(d + 8);
            int flags = memory.readShort(d + 14);
            if ((flags & INDIRECT) != 0) {
                throw new Virtqueue.Malformed("an indirect table in an indirect table");
            }
            add(address, bytes, flags);
        }
    }

    Chain build(int id, int slots) {
        return new Chain(id, slots, readable, writable);
    }
}
