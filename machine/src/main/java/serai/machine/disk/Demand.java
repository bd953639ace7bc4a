package serai.machine.disk;

/**
 * What a request asks of a disk.
 *
 * @param kind what it does
 * @param queue of the device that it came by, from 0
 * @param bytes that it transfers or zeroes; 0 for others
 */
public record Demand(Kind kind, int queue, long bytes) {
    /** What requests do. */
    public enum Kind {
        /** Reads. */
        READ,
        /** Writes, maybe with a flush. */
        WRITE,
        /** Zeroes a range. */
        ZERO,
        /** Frees a range. */
        DISCARD,
        /** Flushes. */
        FLUSH;

        /** Whether it counts as a write where there are two kinds. */
        public boolean writes() {
            return this != READ;
        }
    }
}
