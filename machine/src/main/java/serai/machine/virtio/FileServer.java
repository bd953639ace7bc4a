package serai.machine.virtio;

/** Answers the messages of {@link Virtio9p}. */
public interface FileServer {
    /** Bytes of a message that are looked at: what follows them is data that nobody here takes. */
    int MAX_REQUEST = 64 << 10;

    /** Bytes of an answer at most. */
    int MAX_ANSWER = 512 << 10;

    /**
     * Answers a message, one after the other and without the machine lock.
     *
     * @param message the guest's; anything may be in it, but never more than {@link #MAX_REQUEST} bytes
     * @return at most {@link #MAX_ANSWER} bytes
     */
    byte[] answer(byte[] message);

    /** The guest begins anew. With the machine lock held, and no message under way. */
    void reset();
}
