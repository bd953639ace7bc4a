package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * A split virtqueue, seen from the device: virtio 1.2, 2.7.
 *
 * <pre>
 * descriptor:  0 address (8) | 8 length (4) | 12 flags (2): 1 next, 2 write, 4 indirect | 14 next (2)
 * available:   0 flags: 1 no interrupt | 2 index | 4 ring of 2 bytes each | then used_event
 * used:        0 flags | 2 index | 4 ring of 8 bytes each: id, length | then avail_event
 * </pre>
 *
 * All of it is the driver's memory and may change under the device: each word is read once. A chain has at most as many descriptors as
 * the queue has entries (or {@value #MAX_INDIRECT} in an indirect table), so a loop ends.
 */
final class Virtqueue {
    static final int MAX_SIZE = 256;
    private static final int MAX_INDIRECT = 1024;
    private static final int NEXT = 1, WRITE = 2, INDIRECT = 4;
    private static final int NO_INTERRUPT = 1;

    final int index;
    private final GuestMemory memory;

    int size = MAX_SIZE;
    boolean enabled;
    long descriptors;
    long available;
    long used;
    int vector = 0xffff;
    private int nextAvailable;
    private int nextUsed;
    private int signalledUsed;
    private boolean eventIndex;
    private boolean indirect;

    Virtqueue(int index, GuestMemory memory) {
        this.index = index;
        this.memory = memory;
    }

    /** The driver has broken the rules; the device stops until it is reset. */
    static final class Malformed extends Exception {
        Malformed(String message) {
            super(message);
        }
    }

    void reset() {
        size = MAX_SIZE;
        enabled = false;
        descriptors = 0;
        available = 0;
        used = 0;
        vector = 0xffff;
        nextAvailable = 0;
        nextUsed = 0;
        signalledUsed = 0;
        features(false, false);
    }

    void features(boolean negotiatedEventIndex, boolean negotiatedIndirect) {
        eventIndex = negotiatedEventIndex;
        indirect = negotiatedIndirect;
    }

    private int availableIndex() {
        return memory.readShort(available + 2);
    }

    /** Whether the driver has made a chain available. */
    boolean isEmpty() {
        return !enabled || availableIndex() == nextAvailable;
    }

    /** Takes the next chain; null if there is none. */
    @Nullable
    Chain pop() throws Malformed {
        if (!enabled) {
            return null;
        }
        int avail = availableIndex();
        if (avail == nextAvailable) {
            return null;
        }
        if ((avail - nextAvailable & 0xffff) > size) {
            throw new Malformed("available index " + avail + " is ahead of the ring");
        }
        int head = memory.readShort(available + 4 + (nextAvailable % size) * 2L);
        Chain c = chain(head);
        nextAvailable = nextAvailable + 1 & 0xffff;
        if (eventIndex) {
            memory.writeShort(used + 4 + size * 8L, nextAvailable);
        }
        return c;
    }

    /** The chain that begins at descriptor {@code head}. */
    Chain chain(int head) throws Malformed {
        List<Chain.Buffer> readable = new ArrayList<>();
        List<Chain.Buffer> writable = new ArrayList<>();
        long table = descriptors;
        int entries = size;
        int left = size;
        int n = head;
        while (true) {
            if (n >= entries) {
                throw new Malformed("descriptor " + n + " of " + entries);
            }
            if (left-- == 0) {
                throw new Malformed("a chain longer than its table");
            }
            long d = table + n * 16L;
            long address = memory.readLong(d);
            int length = memory.readInt(d + 8);
            int flags = memory.readShort(d + 12);
            int next = memory.readShort(d + 14);
            if ((flags & INDIRECT) != 0) {
                if (!indirect
                        || table != descriptors
                        || (flags & NEXT) != 0
                        || length <= 0
                        || length % 16 != 0
                        || length / 16 > MAX_INDIRECT) {
                    throw new Malformed("an indirect table that is none");
                }
                table = address;
                entries = length / 16;
                left = entries;
                n = 0;
                continue;
            }
            if (length < 0) {
                throw new Malformed("a buffer of more than 2 GiB");
            }
            if ((flags & WRITE) != 0) {
                writable.add(new Chain.Buffer(address, length));
            } else if (!writable.isEmpty()) {
                throw new Malformed("a readable buffer after a writable one");
            } else {
                readable.add(new Chain.Buffer(address, length));
            }
            if ((flags & NEXT) == 0) {
                return new Chain(head, readable, writable);
            }
            n = next;
        }
    }

    /** Gives a chain back; {@code written} bytes of its writable buffers have been written. */
    void push(int head, int written) {
        long entry = used + 4 + (nextUsed % size) * 8L;
        memory.writeInt(entry, head);
        memory.writeInt(entry + 4, written);
        nextUsed = nextUsed + 1 & 0xffff;
        memory.writeShort(used + 2, nextUsed);
        GuestMemory.fence(); // the index before the look at the driver's wish (2.7.13.4.1)
    }

    /** Whether the driver wants an interrupt for what was pushed since the last one: 2.7.7.2. */
    boolean shouldInterrupt() {
        if (!enabled || nextUsed == signalledUsed) {
            return false;
        }
        boolean wanted;
        if (eventIndex) {
            int event = memory.readShort(available + 4 + size * 2L);
            wanted = (nextUsed - event - 1 & 0xffff) < (nextUsed - signalledUsed & 0xffff);
        } else {
            wanted = (memory.readShort(available) & NO_INTERRUPT) == 0;
        }
        signalledUsed = nextUsed;
        return wanted;
    }

    QueueState save() {
        return new QueueState(
                size, enabled, descriptors, available, used, nextAvailable, nextUsed, signalledUsed, vector);
    }

    void restore(QueueState s) {
        if (s.size() < 1 || s.size() > MAX_SIZE || Integer.bitCount(s.size()) != 1) {
            throw new IllegalArgumentException("a virtqueue of " + s.size() + " entries");
        }
        size = s.size();
        enabled = s.enabled();
        descriptors = s.descriptors();
        available = s.available();
        used = s.used();
        nextAvailable = s.nextAvailable() & 0xffff;
        nextUsed = s.nextUsed() & 0xffff;
        signalledUsed = s.signalledUsed() & 0xffff;
        vector = s.vector() & 0xffff;
    }
}
