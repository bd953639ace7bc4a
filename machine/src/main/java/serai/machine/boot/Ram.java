package serai.machine.boot;

import java.io.IOException;
import java.io.InputStream;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The guest's usable RAM: where the loader may put things, and how it gets them there. */
final class Ram {
    private static final int CHUNK = 256 << 10;

    final GuestMemory memory;
    final MemoryMap map;

    Ram(GuestMemory memory, MemoryMap map) {
        this.memory = memory;
        this.map = map;
    }

    /** Bytes from {@code address} to the end of its region, so that no access crosses two mappings. */
    private long room(long address) {
        for (RamRegion r : memory.regions()) {
            if (address >= r.base() && address - r.base() < r.size()) {
                return r.size() - (address - r.base());
            }
        }
        return 0;
    }

    /** Copies from a source; the caller has checked that the range is RAM. */
    void copy(long address, ByteSource from, long offset, long length) throws BootException, IOException {
        byte[] chunk = new byte[(int) Math.min(CHUNK, length)];
        long done = 0;
        while (done < length) {
            int n = (int) Math.min(Math.min(chunk.length, length - done), room(address + done));
            from.read(offset + done, chunk, 0, n);
            memory.write(address + done, chunk, 0, n);
            done += n;
        }
    }

    /** Copies a stream of known length; false if it ended before. */
    boolean copy(long address, InputStream in, long length) throws IOException {
        byte[] chunk = new byte[(int) Math.min(CHUNK, length)];
        long done = 0;
        while (done < length) {
            int n = (int) Math.min(Math.min(chunk.length, length - done), room(address + done));
            if (in.readNBytes(chunk, 0, n) < n) {
                return false;
            }
            memory.write(address + done, chunk, 0, n);
            done += n;
        }
        return true;
    }

    void zero(long address, long length) {
        long done = 0;
        while (done < length) {
            long n = Math.min(length - done, room(address + done));
            memory.zero(address + done, n);
            done += n;
        }
    }

    /** "64 MiB", rounded up. */
    static String mebibytes(long bytes) {
        return ((bytes + (1 << 20) - 1) >>> 20) + " MiB";
    }
}
