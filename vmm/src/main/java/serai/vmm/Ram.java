package serai.vmm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;
import serai.machine.Layout;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.virtio.VirtioMem;

/**
 * Guest RAM: one memfd, mapped once; what does not fit below the PCI hole lies from 4 GiB on. What can be plugged is another. Nothing of
 * them is touched before the guest does.
 */
final class Ram implements AutoCloseable {
    private final List<SharedMapping> mappings;
    private final GuestMemory memory;

    private Ram(List<SharedMapping> mappings, GuestMemory memory) {
        this.mappings = mappings;
        this.memory = memory;
    }

    static Ram create(MemorySize size) throws VmmException {
        long host = hostMemory();
        if (size.max() > host) {
            throw new VmmException(
                    VmmException.HOST,
                    "memory of %d MiB is more than the %d MiB this host has; give less with --memory"
                            .formatted(size.max() >> 20, host >> 20));
        }
        long bytes = size.bytes();
        List<SharedMapping> mappings = new ArrayList<>();
        try {
            SharedMapping m = create(mappings, "serai-ram", bytes);
            List<RamRegion> regions = new ArrayList<>();
            long low = Math.min(bytes, Layout.LOW_RAM_END);
            regions.add(new RamRegion(0, low, m.address(), false, m.fd(), 0));
            if (bytes > low) {
                regions.add(new RamRegion(Layout.HIGH_RAM, bytes - low, m.address() + low, false, m.fd(), low));
            }
            return new Ram(mappings, new GuestMemory(regions, pluggable(size, mappings), discard(m)));
        } catch (LinuxException e) {
            mappings.forEach(SharedMapping::close);
            throw new VmmException(
                    VmmException.HOST,
                    "this host gives no %d MiB of memory: %s".formatted(size.max() >> 20, e.getMessage()),
                    e);
        }
    }

    private static SharedMapping create(List<SharedMapping> mappings, String name, long bytes) throws LinuxException {
        SharedMapping m = SharedMapping.create(name, bytes);
        mappings.add(m);
        m.adviseGuestMemory();
        return m;
    }

    /** What can be plugged: a memfd of its own, of which the host gives pages to plugged blocks only. */
    private static @Nullable PluggableRam pluggable(MemorySize size, List<SharedMapping> mappings)
            throws LinuxException {
        if (size.pluggable() == 0) {
            return null;
        }
        SharedMapping m = create(mappings, "serai-plugged", size.pluggable());
        RamRegion r = new RamRegion(Layout.pluggableRam(size.bytes()), m.size(), m.address(), false, m.fd(), 0);
        return new PluggableRam(r, VirtioMem.BLOCK_SIZE, size.node(), discard(m));
    }

    private static PluggableRam.Discard discard(SharedMapping m) {
        return (offset, length) -> {
            try {
                m.discard(offset, length);
            } catch (LinuxException e) {
                // what matters to the guest is that nothing of it is left
                m.segment().asSlice(offset, length).fill((byte) 0);
            }
        };
    }

    GuestMemory memory() {
        return memory;
    }

    private static final Pattern TOTAL = Pattern.compile("MemTotal:\\s+(\\d+) kB");

    private static long hostMemory() {
        try {
            Matcher m = TOTAL.matcher(Files.readString(Path.of("/proc/meminfo")));
            return m.find() ? Long.parseLong(m.group(1)) << 10 : Long.MAX_VALUE;
        } catch (IOException e) {
            return Long.MAX_VALUE; // the mapping itself will tell
        }
    }

    @Override
    public void close() {
        mappings.forEach(SharedMapping::close);
    }
}
