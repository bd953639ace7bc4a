package serai.machine.boot;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The memory map told to the guest, from the machine's RAM regions and what is reserved in them. */
final class MemoryMap {
    private final List<MemoryRange> ranges;

    private MemoryMap(List<MemoryRange> ranges) {
        this.ranges = ranges;
    }

    /**
     * RAM without the area from the EBDA to 1 MiB and without {@code reserved}, and the reserved ranges.
     *
     * @param reserved ranges of any type but RAM, such as ACPI tables; they need not lie in RAM
     */
    static MemoryMap of(GuestMemory memory, List<MemoryRange> reserved) {
        List<MemoryRange> taken = new ArrayList<>(reserved);
        taken.add(new MemoryRange(BootLayout.EBDA, BootLayout.LOW_END - BootLayout.EBDA, MemoryRange.RESERVED));
        taken.add(new MemoryRange(BootLayout.BIOS, BootLayout.HIGH - BootLayout.BIOS, MemoryRange.RESERVED));
        List<MemoryRange> ram = new ArrayList<>();
        for (RamRegion r : memory.regions()) {
            if (!r.readOnly()) {
                add(ram, r.base(), r.size());
            }
        }
        // the VGA window and option ROMs: neither RAM nor reserved on a PC
        ram = without(ram, BootLayout.LOW_END, BootLayout.HIGH);
        for (MemoryRange t : taken) {
            ram = without(ram, t.base(), t.end());
        }
        ram.addAll(taken);
        ram.sort(Comparator.comparingLong(MemoryRange::base));
        return new MemoryMap(List.copyOf(ram));
    }

    private static void add(List<MemoryRange> ram, long base, long size) {
        if (!ram.isEmpty() && ram.getLast().end() == base) {
            MemoryRange last = ram.removeLast();
            ram.add(new MemoryRange(last.base(), last.size() + size, MemoryRange.RAM));
        } else {
            ram.add(new MemoryRange(base, size, MemoryRange.RAM));
        }
    }

    private static List<MemoryRange> without(List<MemoryRange> ram, long from, long to) {
        List<MemoryRange> rest = new ArrayList<>();
        for (MemoryRange r : ram) {
            if (r.base() < Math.min(r.end(), from)) {
                rest.add(new MemoryRange(r.base(), Math.min(r.end(), from) - r.base(), MemoryRange.RAM));
            }
            if (Math.max(r.base(), to) < r.end()) {
                long base = Math.max(r.base(), to);
                rest.add(new MemoryRange(base, r.end() - base, MemoryRange.RAM));
            }
        }
        return rest;
    }

    /** Ascending by address. */
    List<MemoryRange> ranges() {
        return ranges;
    }

    /** Whether all of [base, base + size) is usable RAM. */
    boolean isRam(long base, long size) {
        for (MemoryRange r : ranges) {
            if (r.type() == MemoryRange.RAM && base >= r.base() && size >= 0 && size <= r.end() - base) {
                return true;
            }
        }
        return false;
    }

    /**
     * The highest page-aligned address in RAM at which {@code size} bytes fit.
     *
     * @param from not below this
     * @param limit end at most here
     * @return -1 if there is no room
     */
    long highest(long size, long from, long limit) {
        for (MemoryRange r : ranges.reversed()) {
            if (r.type() == MemoryRange.RAM) {
                long base = (Math.min(r.end(), limit) - size) & -GuestMemory.PAGE_SIZE;
                if (base >= Math.max(r.base(), from)) {
                    return base;
                }
            }
        }
        return -1;
    }

    /** The end of the RAM above 1 MiB and below the hole for devices; 1 MiB if there is none. */
    long lowRamEnd() {
        long end = BootLayout.HIGH;
        for (MemoryRange r : ranges) {
            if (r.type() == MemoryRange.RAM && r.base() >= BootLayout.HIGH && r.base() < 1L << 32) {
                end = Math.min(r.end(), 1L << 32);
            }
        }
        return end;
    }
}
