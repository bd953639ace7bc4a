package serai.machine.bus;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Guest-physical addresses outside RAM. A read of an unclaimed address gives all ones, a write to one is dropped; each
 * is counted, for {@code --stats}.
 */
public final class MmioBus {
    /**
     * Addresses that a device has claimed.
     *
     * @param base guest-physical
     * @param size bytes
     * @param device who answers
     */
    public record Region(long base, long size, MmioDevice device) {}

    private final TreeMap<Long, Region> regions = new TreeMap<>();
    private long unclaimed;

    /**
     * Claims {@code size} bytes from guest-physical {@code base}.
     *
     * @throws IllegalArgumentException if any of it is claimed
     */
    public void map(long base, long size, MmioDevice device) {
        Map.Entry<Long, Region> below = regions.floorEntry(base + size - 1);
        if (size <= 0 || (below != null && below.getValue().base + below.getValue().size > base)) {
            throw new IllegalArgumentException("memory %#x+%#x is claimed already".formatted(base, size));
        }
        regions.put(base, new Region(base, size, device));
    }

    /** Frees the region that {@link #map} claimed at {@code base}; nothing if there is none. */
    public void unmap(long base) {
        regions.remove(base);
    }

    /** What is claimed, ascending. */
    public List<Region> regions() {
        return List.copyOf(regions.values());
    }

    /** How many accesses found no device. */
    public long unclaimedAccesses() {
        return unclaimed;
    }

    private static long mask(int size) {
        return size == 8 ? -1L : (1L << size * 8) - 1;
    }

    /** Reads {@code size} (1, 2, 4 or 8) bytes at guest-physical {@code address}, zero-extended. */
    public long read(long address, int size) {
        Map.Entry<Long, Region> e = regions.floorEntry(address);
        if (e == null || address - e.getKey() > e.getValue().size - size) {
            unclaimed++;
            return mask(size);
        }
        return e.getValue().device.readMmio(address - e.getKey(), size) & mask(size);
    }

    /** Writes {@code size} (1, 2, 4 or 8) bytes at guest-physical {@code address}. */
    public void write(long address, int size, long value) {
        Map.Entry<Long, Region> e = regions.floorEntry(address);
        if (e == null || address - e.getKey() > e.getValue().size - size) {
            unclaimed++;
            return;
        }
        e.getValue().device.writeMmio(address - e.getKey(), size, value);
    }
}
