package serai.machine.virtio;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One of the two kinds of virtqueue, {@link SplitRing} and {@link PackedRing}: where a queue's chains are and how they go back. */
sealed interface Ring permits SplitRing, PackedRing {
    /** Takes the next chain; null if there is none. */
    @Nullable
    Chain pop() throws Virtqueue.Malformed;

    /** Gives a chain back; {@code written} bytes of its writable buffers have been written. */
    void push(Chain c, int written);

    /**
     * Gives several back at once: a driver that sees the first sees them all.
     *
     * @param written bytes of each
     */
    void push(List<Chain> chains, int[] written);

    /** Where the next chain is, for {@link #back}. */
    int position();

    /** Puts the chains taken since then back where they were; none of them has been given back. */
    void back(int position);

    /** Whether the driver wants an interrupt for what was pushed since this was last asked. */
    boolean shouldInterrupt();

    /** To the state of a queue just enabled. */
    void reset();

    /** Where the device stands: three numbers, as the kind of ring has them. */
    int[] save();

    /**
     * Takes them over.
     *
     * @throws IllegalArgumentException if they can't be
     */
    void restore(int nextAvailable, int nextUsed, int signalled);
}
