package serai.machine.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * A split virtqueue: virtio 1.2, 2.7.
 *
 * <pre>
 * descriptor:  0 address (8) | 8 length (4) | 12 flags (2): 1 next, 2 write, 4 indirect | 14 next (2)
 * available:   0 flags: 1 no interrupt | 2 index | 4 ring of 2 bytes each | then used_event
 * used:        0 flags | 2 index | 4 ring of 8 bytes each: id, length | then avail_event
 * </pre>
 */
final class SplitRing implements Ring {
    private static final int NO_INTERRUPT = 1;

    private final Virtqueue q;
    private final GuestMemory memory;
    /** Free-running, as the driver's and the device's are. */
    private int nextAvailable;

    private int nextUsed;
    private int signalledUsed;

    SplitRing(Virtqueue q, GuestMemory memory) {
        this.q = q;
        this.memory = memory;
    }

    @Override
    public @Nullable Chain pop() throws Virtqueue.Malformed {
        int avail = memory.readShort(q.available + 2);
        if (avail == nextAvailable && q.eventIndex()) {
            // a notification is wanted for the next one; it may have come before the driver could see that (2.7.10.1)
            memory.writeShort(q.used + 4 + q.size * 8L, nextAvailable);
            GuestMemory.fence();
            avail = memory.readShort(q.available + 2);
        }
        if (avail == nextAvailable) {
            return null;
        }
        if ((avail - nextAvailable & 0xffff) > q.size) {
            throw new Virtqueue.Malformed("available index " + avail + " is ahead of the ring");
        }
        int head = memory.readShort(q.available + 4 + (nextAvailable % q.size) * 2L);
        Chain c = chain(head);
        nextAvailable = nextAvailable + 1 & 0xffff;
        return c;
    }

    /** The chain that begins at descriptor {@code head}. It has at most as many descriptors as its table, so a loop ends. */
    private Chain chain(int head) throws Virtqueue.Malformed {
        ChainBuilder chain = new ChainBuilder();
        long table = q.descriptors;
        int entries = q.size;
        int left = q.size;
        int n = head;
        while (true) {
            if (n >= entries) {
                throw new Virtqueue.Malformed("descriptor " + n + " of " + entries);
            }
            if (left-- == 0) {
                throw new Virtqueue.Malformed("a chain longer than its table");
            }
            long d = table + (long) n * ChainBuilder.DESCRIPTOR;
            long address = memory.readLong(d);
            int length = memory.readInt(d + 8);
            int flags = memory.readShort(d + 12);
            int next = memory.readShort(d + 14);
            if ((flags & ChainBuilder.INDIRECT) != 0) {
                boolean allowed = q.indirect() && table == q.descriptors && (flags & ChainBuilder.NEXT) == 0;
                entries = ChainBuilder.indirectEntries(length, allowed);
                table = address;
                left = entries;
                n = 0;
                continue;
            }
            chain.add(address, length, flags);
            if ((flags & ChainBuilder.NEXT) == 0) {
                return chain.build(head, 1);
            }
            n = next;
        }
    }

    @Override
    public void push(Chain c, int written) {
        use(c, written);
        publish();
    }

    @Override
    public void push(List<Chain> chains, int[] written) {
        for (int i = 0; i < chains.size(); i++) {
            use(chains.get(i), written[i]);
        }
        publish();
    }

    private void use(Chain c, int written) {
        long entry = q.used + 4 + (nextUsed % q.size) * 8L;
        memory.writeInt(entry, c.id());
        memory.writeInt(entry + 4, written);
        nextUsed = nextUsed + 1 & 0xffff;
    }

    private void publish() {
        memory.writeShort(q.used + 2, nextUsed);
        GuestMemory.fence(); // the index before the look at the driver's wish (2.7.13.4.1)
    }

    @Override
    public int position() {
        return nextAvailable;
    }

    @Override
    public void back(int position) {
        nextAvailable = position;
    }

    /** 2.7.7.2. */
    @Override
    public boolean shouldInterrupt() {
        if (nextUsed == signalledUsed) {
            return false;
        }
        boolean wanted;
        if (q.eventIndex()) {
            int event = memory.readShort(q.available + 4 + q.size * 2L);
            wanted = (nextUsed - event - 1 & 0xffff) < (nextUsed - signalledUsed & 0xffff);
        } else {
            wanted = (memory.readShort(q.available) & NO_INTERRUPT) == 0;
        }
        signalledUsed = nextUsed;
        return wanted;
    }

    @Override
    public void reset() {
        restore(0, 0, 0);
    }

    @Override
    public int[] save() {
        return new int[] {nextAvailable, nextUsed, signalledUsed};
    }

    @Override
    public void restore(int available, int used, int signalled) {
        nextAvailable = available & 0xffff;
        nextUsed = used & 0xffff;
        signalledUsed = signalled & 0xffff;
    }
}
