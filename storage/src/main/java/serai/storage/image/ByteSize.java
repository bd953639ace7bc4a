package serai.storage.image;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.storage.DiskException;

/** Sizes as qemu-img reads and writes them: k, M, G, T, P and E are powers of 1,024. */
public final class ByteSize {
    private static final String UNITS = "kMGTPE";
    private static final Pattern TEXT = Pattern.compile("(\\d{1,19}(?:\\.\\d{1,9})?)([bkmgtpe]?)(?:i?b)?");

    private ByteSize() {}

    /**
     * Bytes.
     *
     * @param what whose size, for the message
     * @param text such as {@code 512}, {@code 64k}, {@code 1.5G}, {@code 20GiB}
     * @throws DiskException if that is no size, or more than 2^63-1 bytes
     */
    public static long parse(String what, String text) throws DiskException {
        Matcher m = TEXT.matcher(text.toLowerCase(Locale.ROOT));
        if (!m.matches()) {
            throw new DiskException("%s '%s' is no size, such as 65536, 64k or 2G".formatted(what, text));
        }
        int power = m.group(2).isEmpty() ? 0 : UNITS.toLowerCase(Locale.ROOT).indexOf(m.group(2)) + 1;
        BigDecimal bytes = new BigDecimal(m.group(1))
                .multiply(BigDecimal.valueOf(1024).pow(power))
                .setScale(0, RoundingMode.HALF_UP);
        if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
            throw new DiskException("%s %s is too large".formatted(what, text));
        }
        return bytes.longValueExact();
    }

    /**
     * The size of a disk: as {@link #parse}, rounded up to whole sectors.
     *
     * @throws DiskException if that is no size, or too large
     */
    public static long disk(String what, String text) throws DiskException {
        long bytes = parse(what, text);
        if (bytes > Long.MAX_VALUE - 511) {
            throw new DiskException("%s %s is too large".formatted(what, text));
        }
        return bytes + 511 & -512;
    }

    /** For people: {@code "1.5 GiB"}, with three digits at least where there is a fraction. */
    public static String words(long bytes) {
        int power = 0;
        double value = bytes;
        while (value >= 1000 && power < UNITS.length()) { // as qemu-img: 1000 KiB are 0.977 MiB
            value /= 1024;
            power++;
        }
        String digits = new BigDecimal(value)
                .round(new java.math.MathContext(3, RoundingMode.HALF_EVEN))
                .stripTrailingZeros()
                .toPlainString();
        return digits + " "
                + (power == 0 ? "B" : UNITS.substring(power - 1, power).toUpperCase(Locale.ROOT) + "iB");
    }
}
