package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How the process of the VM behaves, and who looks at the VM.
 *
 * @param timeoutMillis wall time after which the VM ends, or 0
 * @param noReboot whether a reset ends the VM
 * @param parent the process whose end ends this one, or 0
 * @param qmp the control socket to make, or null
 * @param gdbPort loopback TCP port to wait for gdb on, or -1
 * @param stats whether to print counters at the end
 * @param trace what to trace, or null
 * @param profile the guest's profile, or null
 */
public record SessionConfig(
        long timeoutMillis,
        boolean noReboot,
        long parent,
        @Nullable Path qmp,
        int gdbPort,
        boolean stats,
        @Nullable Trace trace,
        @Nullable ProfileConfig profile) {
    /**
     * What to trace: instructions {@code from} to {@code to} (exclusive), counted from the start or, with
     * {@code addresses}, those whose linear address is in the range.
     */
    public record Trace(boolean addresses, long from, long to) {}

    static final class Group implements WordGroup {
        private long timeoutMillis;
        private boolean noReboot;
        private long parent;
        private @Nullable Path qmp;
        private int gdbPort = -1;
        private boolean stats;
        private @Nullable Trace trace;
        private @Nullable String profile;
        private @Nullable String symbols;

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "timeout" -> timeoutMillis = Words.seconds(key, v);
                case "no-reboot" -> noReboot = Words.bool(key, v);
                case "parent" -> parent = Words.number(key, v, 1, Long.MAX_VALUE);
                case "qmp" -> qmp = Words.path(key, v);
                case "gdb" -> gdbPort = (int) Words.number(key, v, 0, 0xffff);
                case "stats" -> stats = Words.bool(key, v);
                case "trace" -> trace = trace(v);
                case "profile" -> profile = v;
                case "symbols" -> symbols = v;
                default -> {
                    return false;
                }
            }
            return true;
        }

        SessionConfig finish() throws VmmException {
            return new SessionConfig(
                    timeoutMillis, noReboot, parent, qmp, gdbPort, stats, trace, ProfileConfig.parse(profile, symbols));
        }
    }

    private static Trace trace(String v) throws VmmException {
        int comma = v.indexOf(',');
        int dash = v.indexOf('-');
        if (comma > 0) {
            long from = Words.number("trace", v.substring(0, comma), 0, Long.MAX_VALUE);
            long count = Words.number("trace", v.substring(comma + 1), 1, Long.MAX_VALUE - from);
            return new Trace(false, from, from + count);
        }
        if (dash > 0) {
            return new Trace(true, address(v.substring(0, dash)), address(v.substring(dash + 1)));
        }
        throw Words.usage("trace must be FIRST,COUNT of instructions or FROM-TO of addresses, not '" + v + "'");
    }

    private static long address(String v) throws VmmException {
        try {
            return Long.parseUnsignedLong(v.startsWith("0x") ? v.substring(2) : v, 16);
        } catch (NumberFormatException e) {
            throw Words.usage("trace: '" + v + "' is not an address");
        }
    }
}
