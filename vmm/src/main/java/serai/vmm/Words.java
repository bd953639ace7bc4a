package serai.vmm;

import java.math.BigDecimal;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The values that words have, and what is said of those that are none. */
final class Words {
    static final long MIN_MEMORY = 2L << 20;
    static final long MAX_MEMORY = 1L << 40;

    private static final Pattern SIZE = Pattern.compile("(\\d{1,18})([KMGTkmgt]?)");

    private Words() {}

    static VmmException usage(String message) {
        return new VmmException(VmmException.USAGE, message);
    }

    static Path path(String key, String v) throws VmmException {
        if (v.isEmpty()) {
            throw usage(key + " needs a file name");
        }
        try {
            return Path.of(v);
        } catch (InvalidPathException e) {
            throw usage(key + " '" + v + "' is not a file name");
        }
    }

    static long number(String key, String v, long min, long max) throws VmmException {
        long n;
        try {
            n = Long.decode(v);
        } catch (NumberFormatException e) {
            throw usage("%s must be a number, not '%s'".formatted(key, v));
        }
        if (n < min || n > max) {
            throw usage(
                    min == max
                            ? "%s can only be %d in this version, not %d".formatted(key, min, n)
                            : "%s must be from %d to %d, not %d".formatted(key, min, max, n));
        }
        return n;
    }

    /** Bytes of memory. */
    static long memory(String v) throws VmmException {
        Matcher m = SIZE.matcher(v);
        if (!m.matches()) {
            throw usage("memory '" + v + "' is not a size; try 512M");
        }
        int shift = m.group(2).isEmpty() ? 0 : 10 * ("KMGT".indexOf(m.group(2).toUpperCase(Locale.ROOT)) + 1);
        long n = Long.parseLong(m.group(1));
        if (n > MAX_MEMORY >> shift) {
            throw usage("memory " + v + " is more than the 1T that a guest can have");
        }
        n <<= shift;
        if (n < MIN_MEMORY) {
            throw usage("memory " + v + " is too little: a guest needs 2M at least");
        }
        if ((n & 0xfffff) != 0) {
            throw usage("memory " + v + " is not a whole number of megabytes");
        }
        return n;
    }

    /** A number that may be large: with K, M, G or T, of 1024. */
    static long amount(String key, String v) throws VmmException {
        Matcher m = SIZE.matcher(v);
        if (!m.matches()) {
            throw usage("%s must be a number, perhaps with K, M or G, not '%s'".formatted(key, v));
        }
        int shift = m.group(2).isEmpty() ? 0 : 10 * ("KMGT".indexOf(m.group(2).toUpperCase(Locale.ROOT)) + 1);
        long n = Long.parseLong(m.group(1));
        if (n > Long.MAX_VALUE >> shift) {
            throw usage(key + " " + v + " is too large");
        }
        return n << shift;
    }

    /** Seconds, perhaps with a fraction, as milliseconds. */
    static long seconds(String key, String v) throws VmmException {
        try {
            BigDecimal s = new BigDecimal(v);
            if (s.signum() > 0 && s.compareTo(BigDecimal.valueOf(1_000_000_000)) <= 0) {
                return Math.max(1, s.movePointRight(3).longValue());
            }
        } catch (NumberFormatException e) {
            throw usage(key + " '" + v + "' is not a number of seconds");
        }
        throw usage(key + " must be more than 0 seconds and at most 1000000000, not " + v);
    }

    /** At commas, but not at doubled ones, which stand for one in a value. */
    static List<String> split(String text) {
        List<String> parts = new ArrayList<>();
        StringBuilder part = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == ',' && i + 1 < text.length() && text.charAt(i + 1) == ',') {
                part.append(c);
                i++;
            } else if (c == ',') {
                parts.add(part.toString());
                part.setLength(0);
            } else {
                part.append(c);
            }
        }
        parts.add(part.toString());
        return parts;
    }

    static boolean bool(String key, String v) throws VmmException {
        return oneOf(key, v, "true", "false").equals("true");
    }

    static String oneOf(String key, String v, String... choices) throws VmmException {
        if (!List.of(choices).contains(v)) {
            throw usage("%s must be one of %s, not '%s'".formatted(key, String.join(", ", choices), v));
        }
        return v;
    }
}
