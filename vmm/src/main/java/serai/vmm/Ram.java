package serai.vmm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;
import serai.machine.Layout;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * Guest RAM: one memfd, mapped once; what does not fit below the PCI hole lies from 4 GiB on. Nothing of it is touched
 * before the guest does.
 */
final class Ram implements AutoCloseable {
    private final SharedMapping mapping;
    private final GuestMemory memory;

    private Ram(SharedMapping mapping, GuestMemory memory) {
        this.mapping = mapping;
        this.memory = memory;
    }

    static Ram create(long bytes) throws VmmException {
        long host = hostMemory();
        if (bytes > host) {
            throw new VmmException(
                    VmmException.HOST,
                    "memory of %d MiB is more than the %d MiB this host has; give less with --memory"
                            .formatted(bytes >> 20, host >> 20));
        }
        try {
            SharedMapping m = SharedMapping.create("serai-ram", bytes);
            m.adviseGuestMemory();
            List<RamRegion> regions = new ArrayList<>();
            long low = Math.min(bytes, Layout.LOW_RAM_END);
            regions.add(new RamRegion(0, low, m.address(), false, m.fd(), 0));
            if (bytes > low) {
                regions.add(new RamRegion(Layout.HIGH_RAM, bytes - low, m.address() + low, false, m.fd(), low));
            }
            return new Ram(m, new GuestMemory(regions));
        } catch (LinuxException e) {
            throw new VmmException(
                    VmmException.HOST,
                    "this host gives no %d MiB of memory: %s".formatted(bytes >> 20, e.getMessage()),
                    e);
        }
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
        mapping.close();
    }
}
