package serai.machine.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * A virtqueue, seen from the device: what the driver has set up, and the ring behind it, of the kind that was negotiated. Devices do not
 * know which.
 *
 * <p>All of a ring is the driver's memory and may change under the device: each word is read once.
 */
final class Virtqueue {
    static final int MAX_SIZE = 256;

    final int index;
    private final SplitRing split;
    private final PackedRing packed;
    private Ring ring;

    int size = MAX_SIZE;
    boolean enabled;
    /** Guest-physical: descriptor table or ring. */
    long descriptors;
    /** Guest-physical: available ring or driver area. */
    long available;
    /** Guest-physical: used ring or device area. */
    long used;

    int vector = VirtioPci.NO_VECTOR;
    private boolean eventIndex;
    private boolean indirect;

    Virtqueue(int index, GuestMemory memory) {
        this.index = index;
        split = new SplitRing(this, memory);
        packed = new PackedRing(this, memory);
        ring = split;
    }

    /** The driver has broken the rules; the device stops until it is reset. */
    static final class Malformed extends Exception {
        Malformed(String message) {
            super(message);
        }
    }

    /** As it is before the driver sets it up. What was negotiated stays. */
    void reset() {
        size = MAX_SIZE;
        enabled = false;
        descriptors = 0;
        available = 0;
        used = 0;
        vector = VirtioPci.NO_VECTOR;
        split.reset();
        packed.reset();
    }

    void features(boolean negotiatedEventIndex, boolean negotiatedIndirect, boolean negotiatedPacked) {
        eventIndex = negotiatedEventIndex;
        indirect = negotiatedIndirect;
        ring = negotiatedPacked ? packed : split;
    }

    boolean eventIndex() {
        return eventIndex;
    }

    boolean indirect() {
        return indirect;
    }

    /** Whether a queue of this kind may have so many entries: 2.7 wants a power of two, 2.8 does not. */
    boolean allowsSize(int n) {
        return n > 0 && n <= MAX_SIZE && (ring == packed || Integer.bitCount(n) == 1);
    }

    /** Takes the next chain; null if there is none. */
    @Nullable
    Chain pop() throws Malformed {
        return enabled ? ring.pop() : null;
    }

    /** Gives a chain back; {@code written} bytes of its writable buffers have been written. */
    void push(Chain c, int written) {
        ring.push(c, written);
    }

    /** Gives several back at once: a driver that sees the first sees them all. */
    void push(List<Chain> chains, int[] written) {
        ring.push(chains, written);
    }

    /** Where the next chain is, for {@link #back}. */
    int position() {
        return ring.position();
    }

    /** Puts the chains taken since then back where they were; none of them has been given back. */
    void back(int position) {
        ring.back(position);
    }

    /** Whether the driver wants an interrupt for what was pushed since the last one. */
    boolean shouldInterrupt() {
        return enabled && ring.shouldInterrupt();
    }

    QueueState save() {
        int[] r = ring.save();
        return new QueueState(size, enabled, descriptors, available, used, r[0], r[1], r[2], vector);
    }

    /** Features have been restored before. */
    void restore(QueueState s) {
        if (!allowsSize(s.size())) {
            throw new IllegalArgumentException("a virtqueue of " + s.size() + " entries");
        }
        size = s.size();
        enabled = s.enabled();
        descriptors = s.descriptors();
        available = s.available();
        used = s.used();
        split.reset();
        packed.reset();
        ring.restore(s.nextAvailable(), s.nextUsed(), s.signalledUsed());
        vector = s.vector() & 0xffff;
    }
}
