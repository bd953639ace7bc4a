package serai.machine.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * A packed virtqueue: virtio 1.2, 2.8. One ring of descriptors, which the driver makes available and the device overwrites with what it
 * has used; whose a descriptor is, two bits tell that change their meaning with each round.
 *
 * <pre>
 * descriptor:  0 address (8) | 8 length (4) | 12 buffer id (2) | 14 flags (2): 1 next, 2 write, 4 indirect, 80 available, 8000 used
 * driver area: 0 offset and, in bit 15, wrap counter of an event (2) | 2 flags (2): 0 interrupt, 1 don't, 2 at the event
 * device area: the same for notifications; the device always wants them, and leaves it as the driver made it, zero
 * </pre>
 *
 * What is available and not given back is never more than the ring: a driver that says so offers descriptors it does not have.
 */
final class PackedRing implements Ring {
    private static final int AVAILABLE = 0x80, USED = 0x8000;
    private static final int WRAP = 0x8000;
    private static final int EVENTS_OFF = 1, EVENTS_AT = 2;
    private static final int MAX_SIGNAL = 0x8000;

    private final Virtqueue q;
    private final GuestMemory memory;
    private int nextAvailable;
    private boolean availableWrap;
    private int nextUsed;
    private boolean usedWrap;
    /** Descriptors used since the driver's wish for an interrupt was last looked at. */
    private int unsignalled;

    PackedRing(Virtqueue q, GuestMemory memory) {
        this.q = q;
        this.memory = memory;
        reset();
    }

    private long descriptor(int n) {
        return q.descriptors + (long) n * ChainBuilder.DESCRIPTOR;
    }

    /** Descriptors taken and not given back. */
    private int outstanding() {
        return nextAvailable - nextUsed + (availableWrap == usedWrap ? 0 : q.size);
    }

    @Override
    public @Nullable Chain pop() throws Virtqueue.Malformed {
        int flags = memory.readShort(descriptor(nextAvailable) + 14);
        if ((flags & AVAILABLE) != 0 != availableWrap || (flags & USED) != 0 == availableWrap) {
            return null;
        }
        ChainBuilder chain = new ChainBuilder();
        int room = q.size - outstanding();
        int slots = 0;
        int at = nextAvailable;
        while (true) {
            if (slots == room) {
                throw new Virtqueue.Malformed("more descriptors available than the ring has");
            }
            long d = descriptor(at);
            long address = memory.readLong(d);
            int length = memory.readInt(d + 8);
            int id = memory.readShort(d + 12);
            if (slots > 0) {
                flags = memory.readShort(d + 14); // those of the first have been read
            }
            slots++;
            at = at + 1 == q.size ? 0 : at + 1;
            if ((flags & ChainBuilder.INDIRECT) != 0) {
                boolean alone = slots == 1 && (flags & ChainBuilder.NEXT) == 0;
                chain.addTable(memory, address, length, q.indirect() && alone);
            } else {
                chain.add(address, length, flags);
            }
            if ((flags & ChainBuilder.NEXT) == 0) {
                availableWrap ^= at < nextAvailable || slots == q.size;
                nextAvailable = at;
                return chain.build(id, slots);
            }
        }
    }

    @Override
    public void push(Chain c, int written) {
        use(nextUsed, usedWrap, c, written);
        used(c.slots());
        GuestMemory.fence();
    }

    @Override
    public void push(List<Chain> chains, int[] written) {
        int slots = chains.getFirst().slots();
        for (int i = 1; i < chains.size(); i++) {
            int at = nextUsed + slots;
            use(at % q.size, usedWrap ^ at >= q.size, chains.get(i), written[i]);
            slots += chains.get(i).slots();
        }
        // the driver looks at one after the other: the first one last
        use(nextUsed, usedWrap, chains.getFirst(), written[0]);
        used(slots);
        GuestMemory.fence();
    }

    private void use(int at, boolean wrap, Chain c, int written) {
        long d = descriptor(at);
        memory.writeInt(d + 8, written);
        memory.writeShort(d + 12, c.id());
        // the flags last: they give the descriptor to the driver (2.8.22)
        memory.writeShort(d + 14, (c.writable().isEmpty() ? 0 : ChainBuilder.WRITE) | (wrap ? AVAILABLE | USED : 0));
    }

    private void used(int slots) {
        nextUsed += slots;
        if (nextUsed >= q.size) {
            nextUsed -= q.size;
            usedWrap = !usedWrap;
        }
        unsignalled = Math.min(unsignalled + slots, MAX_SIGNAL);
    }

    @Override
    public int position() {
        return nextAvailable | (availableWrap ? WRAP : 0);
    }

    @Override
    public void back(int position) {
        nextAvailable = position & ~WRAP;
        availableWrap = (position & WRAP) != 0;
    }

    /** 2.8.10. */
    @Override
    public boolean shouldInterrupt() {
        if (unsignalled == 0) {
            return false;
        }
        int used = unsignalled;
        unsignalled = 0;
        int flags = memory.readShort(q.available + 2) & 3;
        if (flags != EVENTS_AT || !q.eventIndex()) {
            return flags != EVENTS_OFF;
        }
        int event = memory.readShort(q.available);
        int offset = event & ~WRAP;
        if ((event & WRAP) != 0 != usedWrap) {
            offset -= q.size; // of the round before
        }
        return (nextUsed - offset - 1 & 0xffff) < used;
    }

    @Override
    public void reset() {
        nextAvailable = 0;
        availableWrap = true;
        nextUsed = 0;
        usedWrap = true;
        unsignalled = 0;
    }

    @Override
    public int[] save() {
        return new int[] {
            position(), nextUsed | (usedWrap ? WRAP : 0), unsignalled,
        };
    }

    @Override
    public void restore(int available, int used, int signalled) {
        nextAvailable = available & ~WRAP;
        availableWrap = (available & WRAP) != 0;
        nextUsed = used & ~WRAP;
        usedWrap = (used & WRAP) != 0;
        unsignalled = signalled;
        if (nextAvailable < 0
                || nextAvailable >= q.size
                || nextUsed < 0
                || nextUsed >= q.size
                || outstanding() < 0
                || outstanding() > q.size
                || signalled < 0
                || signalled > MAX_SIGNAL) {
            throw new IllegalArgumentException("a packed ring that can't be");
        }
    }
}
