package serai.vmm.gdb;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import serai.machine.engine.Watchpoint;

/**
 * The break- and watchpoints that the debugger has set ({@code Z0} to {@code Z4}): the same on all vCPUs. Breakpoints "in
 * software" are not written into memory but go to the engine as those "in hardware" do; gdb only wants to be told which it was.
 */
final class Breakpoints {
    /** Breakpoints of each kind. */
    private static final int MAX = 1024;
    /** Each is looked at for every access to its page. */
    private static final int MAX_WATCHPOINTS = 64;

    private final Set<Long> software = new TreeSet<>();
    private final Set<Long> hardware = new TreeSet<>();
    private final List<Watchpoint> watchpoints = new ArrayList<>();

    /** Handles a packet {@code Ztype,address,kind} or {@code z…}; the answer. */
    String handle(Target target, String packet) {
        String[] parts = packet.substring(1).split("[,;]", -1);
        boolean set = packet.charAt(0) == 'Z';
        long address = Long.parseUnsignedLong(parts[1], 16);
        int type = Integer.parseInt(parts[0], 16);
        if (type > 4) {
            return "";
        }
        return type < 2
                ? breakpoint(target, type == 0 ? software : hardware, address, set)
                : watchpoint(
                        target,
                        new Watchpoint(
                                address,
                                Long.parseLong(parts[2], 16),
                                switch (type) {
                                    case 2 -> Watchpoint.Kind.WRITE;
                                    case 3 -> Watchpoint.Kind.READ;
                                    default -> Watchpoint.Kind.ACCESS;
                                }),
                        set);
    }

    private String breakpoint(Target target, Set<Long> list, long address, boolean set) {
        if (set && list.size() >= MAX) {
            return "E.there are %d breakpoints already".formatted(MAX);
        }
        if (!(set ? list.add(address) : list.remove(address))) {
            return "OK"; // a debugger may repeat itself
        }
        try {
            apply(target);
            return "OK";
        } catch (IllegalArgumentException | UnsupportedOperationException e) {
            list.remove(address);
            apply(target);
            return "E." + e.getMessage();
        }
    }

    private String watchpoint(Target target, Watchpoint w, boolean set) {
        if (set && watchpoints.size() >= MAX_WATCHPOINTS) {
            return "E.there are %d watchpoints already".formatted(MAX_WATCHPOINTS);
        }
        if (set ? watchpoints.contains(w) : !watchpoints.remove(w)) {
            return "OK";
        }
        if (set) {
            watchpoints.add(w);
        }
        try {
            apply(target);
            return "OK";
        } catch (IllegalArgumentException e) {
            watchpoints.remove(w);
            apply(target);
            return "E." + e.getMessage();
        } catch (UnsupportedOperationException e) {
            watchpoints.remove(w);
            apply(target);
            return ""; // gdb then steps and compares
        }
    }

    private void apply(Target target) {
        long[] code = addresses();
        for (int i = 0; i < target.cpus(); i++) {
            target.vcpu(i).breakpoints(code);
            target.vcpu(i).watchpoints(watchpoints);
        }
    }

    private long[] addresses() {
        Set<Long> all = new TreeSet<>(software);
        all.addAll(hardware);
        return all.stream().mapToLong(Long::longValue).toArray();
    }

    boolean software(long address) {
        return software.contains(address);
    }

    boolean hardware(long address) {
        return hardware.contains(address);
    }

    /** Removes all. */
    void clear(Target target) {
        software.clear();
        hardware.clear();
        watchpoints.clear();
        apply(target);
    }
}
