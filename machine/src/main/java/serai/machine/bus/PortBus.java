package serai.machine.bus;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The 64 Ki I/O ports. A read of an unclaimed port gives all ones, a write to one is dropped, as on a PC. An access
 * that is wider than what one device claims, or takes, is split into bytes.
 */
public final class PortBus {
    private final @Nullable PortDevice[] devices = new PortDevice[0x10000];

    /**
     * Claims {@code count} ports from {@code first}.
     *
     * @throws IllegalArgumentException if the range leaves port space or any of it is claimed
     */
    public void map(int first, int count, PortDevice device) {
        if (first < 0 || count <= 0 || first + count > devices.length) {
            throw new IllegalArgumentException("ports %#x+%#x leave port space".formatted(first, count));
        }
        for (int p = first; p < first + count; p++) {
            if (devices[p] != null) {
                throw new IllegalArgumentException("port %#x is claimed already".formatted(p));
            }
        }
        for (int p = first; p < first + count; p++) {
            devices[p] = device;
        }
    }

    /**
     * Ports that one device has claimed.
     *
     * @param first port
     * @param count of ports
     * @param device who answers
     */
    public record Range(int first, int count, PortDevice device) {}

    /** What is claimed, ascending. */
    public List<Range> ranges() {
        List<Range> all = new ArrayList<>();
        for (int p = 0; p < devices.length; p++) {
            PortDevice d = devices[p];
            int first = p;
            while (d != null && p + 1 < devices.length && devices[p + 1] == d) {
                p++;
            }
            if (d != null) {
                all.add(new Range(first, p + 1 - first, d));
            }
        }
        return all;
    }

    /** Frees ports that {@link #map} claimed (a BAR that moves). */
    public void unmap(int first, int count) {
        for (int p = first; p < first + count; p++) {
            devices[p] = null;
        }
    }

    private boolean whole(@Nullable PortDevice d, int port, int size) {
        return port + size <= 0x10000 && d == devices[port + size - 1] && (d == null || d.wide());
    }

    /** Reads {@code size} (1, 2 or 4) bytes at {@code port}, zero-extended. */
    public int read(int port, int size) {
        PortDevice d = devices[port & 0xffff];
        if (size == 1 || whole(d, port, size)) {
            int mask = (int) ((1L << size * 8) - 1);
            return d == null ? mask : d.readPort(port, size) & mask;
        }
        int v = 0;
        for (int i = 0; i < size; i++) {
            v |= (read((port + i) & 0xffff, 1) & 0xff) << (i * 8);
        }
        return v;
    }

    /** Writes {@code size} (1, 2 or 4) bytes at {@code port}. */
    public void write(int port, int size, int value) {
        PortDevice d = devices[port & 0xffff];
        if (size == 1 || whole(d, port, size)) {
            if (d != null) {
                d.writePort(port, size, value);
            }
            return;
        }
        for (int i = 0; i < size; i++) {
            write((port + i) & 0xffff, 1, (value >>> (i * 8)) & 0xff);
        }
    }
}
