package serai.storage.qcow2;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Tells when the requests are over that were under way at some moment: a cluster that they may still read or write must not hold
 * other data before. (Epoch-based reclamation, Fraser 2004, chapter 5: requests count in at the current epoch, of which there are two;
 * the epoch advances when nobody is left in the one before; what was stamped in an epoch is safe two advances later.)
 */
final class Epochs {
    private final AtomicInteger[] inside = {new AtomicInteger(), new AtomicInteger()};
    private volatile long current;

    /** A request begins. Call with the image's lock. */
    int enter() {
        int parity = (int) current & 1;
        inside[parity].incrementAndGet();
        return parity;
    }

    /** It is over; from any thread, without the lock. */
    void leave(int parity) {
        inside[parity].decrementAndGet();
    }

    /** For what may have been seen by requests under way. */
    long stamp() {
        return current;
    }

    /** Whether all are over that were under way at that stamp. Call with the lock. */
    boolean passed(long stamp) {
        while (current < stamp + 2 && inside[(int) (current + 1) & 1].get() == 0) {
            current++; // with the lock held nobody enters meanwhile
        }
        return current >= stamp + 2;
    }
}
