package serai.vmm.block;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.storage.throttle.Limit;
import serai.storage.throttle.Limits;

/**
 * Limits by the names that QEMU has for them: {@code throttling.bps-total}, {@code throttling.iops-read-max-length} and so on, with or without
 * {@code throttling.}; the short ones of old ({@code bps}, {@code iops_rd_max}); those of {@code block_set_io_throttle}. Besides,
 * {@code iops-normalized} is of requests of 8 KiB.
 */
public final class LimitWords {
    private static final Pattern NAME = Pattern.compile(
            "(?:throttling\\.)?(?:(bps|iops)-?(total|read|rd|write|wr|normalized)?(-max)?(-length)?|(iops-size))");

    private static final class Numbers {
        long average;
        long max;
        long seconds = 1;
    }

    private final Map<String, Numbers> limits = new LinkedHashMap<>();
    private long size;
    private boolean any;

    /** Whether it is the name of a limit; in it '_' is as '-'. */
    public static boolean isName(String name) {
        Matcher m = NAME.matcher(name.replace('_', '-'));
        return m.matches()
                && !(m.group(4) != null && m.group(3) == null)
                && !("bps".equals(m.group(1)) && "normalized".equals(m.group(2)))
                && !name.endsWith("-")
                && !name.endsWith("_");
    }

    /** The names of the QMP command, where they are with '_'. */
    public static Set<String> qmpNames() {
        Set<String> names = new java.util.LinkedHashSet<>();
        for (String s : new String[] {"", "_max", "_max_length"}) {
            for (String n : new String[] {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"}) {
                names.add(n + s);
            }
            names.add("x-iops_normalized" + s);
        }
        names.add("iops_size");
        return names;
    }

    /**
     * Takes one; of two of a name the later counts.
     *
     * @param name one that {@link #isName}
     */
    public void take(String name, long value) {
        Matcher m = NAME.matcher(name.replace('_', '-'));
        if (!m.matches()) {
            throw new IllegalArgumentException(name);
        }
        any = true;
        if (m.group(5) != null) {
            size = value;
            return;
        }
        String which = m.group(2) == null ? "total" : m.group(2).replace("rd", "read");
        which = which.equals("wr") ? "write" : which;
        Numbers n = limits.computeIfAbsent(m.group(1) + "-" + which, k -> new Numbers());
        if (m.group(4) != null) {
            n.seconds = value;
        } else if (m.group(3) != null) {
            n.max = value;
        } else {
            n.average = value;
        }
    }

    /** Whether one was taken. */
    public boolean any() {
        return any;
    }

    /**
     * The limits.
     *
     * @throws IllegalArgumentException in one sentence, if they don't go together
     */
    public Limits limits() {
        return new Limits(
                limit("bps-total"),
                limit("bps-read"),
                limit("bps-write"),
                limit("iops-total"),
                limit("iops-read"),
                limit("iops-write"),
                size,
                limit("iops-normalized"));
    }

    private Limit limit(String name) {
        Numbers n = limits.get(name);
        if (n == null) {
            return Limit.NONE;
        }
        try {
            return new Limit(n.average, n.max, n.seconds);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(name + ": " + e.getMessage(), e);
        }
    }
}
