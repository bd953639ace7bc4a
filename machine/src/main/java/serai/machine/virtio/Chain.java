package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import serai.machine.memory.GuestMemory;

/**
 * A descriptor chain taken from a virtqueue: buffers the device reads, then buffers it writes (virtio 1.2, 2.7.4.2).
 *
 * @param head index of its first descriptor, by which it goes back
 * @param readable guest-physical buffers for the device to read
 * @param writable guest-physical buffers for the device to write
 */
record Chain(int head, List<Buffer> readable, List<Buffer> writable) {
    /**
     * A piece of guest memory.
     *
     * @param address guest-physical
     * @param length bytes, at least 0
     */
    record Buffer(long address, int length) {}

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
