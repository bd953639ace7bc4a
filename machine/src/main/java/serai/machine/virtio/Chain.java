package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import serai.machine.memory.GuestMemory;

/**
 * A descriptor chain taken from a virtqueue: buffers the device reads, then buffers it writes (virtio 1.2, 2.7.4.2 and 2.8.5).
 *
 * @param id by which it goes back: the index of its first descriptor, or its buffer id; unique among those under way
 * @param slots descriptors that it takes in a packed ring
 * @param readable guest-physical buffers for the device to read
 * @param writable guest-physical buffers for the device to write
 */
record Chain(int id, int slots, List<Buffer> readable, List<Buffer> writable) {
    /**
     * A piece of guest memory.
     *
     * @param address guest-physical
     * @param length bytes, at least 0
     */
    record Buffer(long address, int length) {}

    /** Appends it to a device's saved work: a packed ring may have been overwritten where it stood. */
    void save(LongStream.Builder to) {
        to.add(id).add(slots).add(readable.size()).add(writable.size());
        for (List<Buffer> buffers : List.of(readable, writable)) {
            buffers.forEach(b -> to.add(b.address).add(b.length));
        }
    }

    /**
     * Reads what {@link #save} has written.
     *
     * @throws IllegalArgumentException if it is none
     */
    static Chain restore(PrimitiveIterator.OfLong from) {
        try {
            int id = bounded(from.nextLong(), 0xffff);
            int slots = bounded(from.nextLong(), Virtqueue.MAX_SIZE);
            int readable = bounded(from.nextLong(), Integer.MAX_VALUE);
            int writable = bounded(from.nextLong(), Integer.MAX_VALUE);
            return new Chain(id, slots, buffers(from, readable), buffers(from, writable));
        } catch (NoSuchElementException e) {
            throw new IllegalArgumentException("a chain that ends in the middle", e);
        }
    }

    private static int bounded(long v, int max) {
        if (v < 0 || v > max) {
            throw new IllegalArgumentException("a chain with " + v);
        }
        return (int) v;
    }

    private static List<Buffer> buffers(PrimitiveIterator.OfLong from, int n) {
        List<Buffer> l = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            l.add(new Buffer(from.nextLong(), bounded(from.nextLong(), Integer.MAX_VALUE)));
        }
        return l;
    }

    private static long total(List<Buffer> buffers) {
        long n = 0;
        for (Buffer b : buffers) {
            n += b.length;
        }
        return n;
    }

    long readableBytes() {
        return total(readable);
    }

    long writableBytes() {
        return total(writable);
    }

    /** Copies from the readable buffers, at most {@code max} bytes. */
    byte[] read(GuestMemory memory, int max) {
        byte[] out = new byte[(int) Math.min(max, readableBytes())];
        int at = 0;
        for (Buffer b : readable) {
            int n = Math.min(b.length, out.length - at);
            memory.read(b.address, out, at, n);
            at += n;
        }
        return out;
    }

    /** Copies into the writable buffers from {@code skip} bytes on; how many bytes found room. */
    int write(GuestMemory memory, long skip, byte[] bytes) {
        int at = 0;
        for (Buffer b : writable) {
            if (skip >= b.length) {
                skip -= b.length;
                continue;
            }
            int n = Math.min(b.length - (int) skip, bytes.length - at);
            memory.write(b.address + skip, bytes, at, n);
            at += n;
            skip = 0;
        }
        return at;
    }

    /** The parts of {@code buffers} in {@code length} bytes from {@code skip} on. */
    static List<Buffer> slice(List<Buffer> buffers, long skip, long length) {
        List<Buffer> out = new ArrayList<>();
        for (Buffer b : buffers) {
            if (skip >= b.length) {
                skip -= b.length;
                continue;
            }
            int n = (int) Math.min(b.length - skip, length);
            if (n > 0) {
                out.add(new Buffer(b.address + skip, n));
            }
            length -= n;
            skip = 0;
        }
        return out;
    }
}
