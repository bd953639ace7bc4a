package serai.machine.virtio;

/** Bytes on their way from one end to another, at most so many; it takes the memory of what waits, not of what could. */
public final class ByteQueue {
    private static final int FIRST = 1024;

    private final int most;
    private byte[] ring = new byte[0];
    private int head;
    private int size;

    /** An empty one for {@code most} bytes. */
    public ByteQueue(int most) {
        this.most = most;
    }

    /** Bytes that wait. */
    public int size() {
        return size;
    }

    /** Bytes that it takes now. */
    public int room() {
        return most - size;
    }

    /**
     * Adds bytes at the end.
     *
     * @throws IllegalArgumentException if there is no room for all
     */
    public void add(byte[] bytes) {
        if (bytes.length > room()) {
            throw new IllegalArgumentException(bytes.length + " bytes where there is room for " + room());
        }
        if (size + bytes.length > ring.length) {
            byte[] larger = new byte[Math.max(FIRST, Integer.highestOneBit(size + bytes.length - 1) * 2)];
            byte[] all = peek(size);
            System.arraycopy(all, 0, larger, 0, all.length);
            ring = larger;
            head = 0;
        }
        int at = (head + size) % Math.max(1, ring.length);
        int first = Math.min(bytes.length, ring.length - at);
        System.arraycopy(bytes, 0, ring, at, first);
        System.arraycopy(bytes, first, ring, 0, bytes.length - first);
        size += bytes.length;
    }

    /** A copy of the first bytes, at most {@code n}. */
    public byte[] peek(int n) {
        byte[] out = new byte[Math.min(n, size)];
        int first = Math.min(out.length, ring.length - head);
        System.arraycopy(ring, head, out, 0, first);
        System.arraycopy(ring, 0, out, first, out.length - first);
        return out;
    }

    /** Takes the first {@code n} bytes away, of those that wait. */
    public void remove(int n) {
        if (n < 0 || n > size) {
            throw new IllegalArgumentException(n + " bytes of " + size);
        }
        size -= n;
        if (size == 0) {
            ring = new byte[0];
            head = 0;
        } else {
            head = (head + n) % ring.length;
        }
    }
}
