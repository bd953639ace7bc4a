package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Values of options, checked. Files are checked where they are opened, by the VMM. */
final class Values {
    /** Enough for firmware areas and a very small guest. */
    private static final long MIN_MEMORY = 2 << 20;

    private static final int MAX_CPUS = 16;
    private static final Pattern SIZE = Pattern.compile("(\\d{1,12})([KMGT]?)(i?B)?", Pattern.CASE_INSENSITIVE);
    private static final Pattern MEM_TOTAL = Pattern.compile("MemTotal:\\s*(\\d{1,15}) kB");

    private Values() {}

    /** Bytes, a multiple of 1 MiB, from 2 MiB to what the host has. */
    static long memory(String text) throws CliException {
        return memory(text, hostMemory());
    }

    static long memory(String text, long host) throws CliException {
        Matcher m = SIZE.matcher(text);
        if (!m.matches()) {
            throw CliException.usage("--memory wants a size such as 512M or 2G, not '" + text + "'");
        }
        int bits = "KMGT".indexOf((m.group(2) + " ").toUpperCase(Locale.ROOT).charAt(0)) * 10 + 10;
        long n = Long.parseLong(m.group(1));
        if (n > Long.MAX_VALUE >>> bits || n << bits > host) {
            throw CliException.usage("--memory " + text + " is more than this machine has (" + (host >>> 20) + "M)");
        }
        n <<= bits;
        if (n < MIN_MEMORY) {
            throw CliException.usage("--memory " + text + " is too little: a guest needs at least 2M");
        }
        if ((n & 0xfffff) != 0) {
            throw CliException.usage("--memory " + text + " is not a whole number of megabytes");
        }
        return n;
    }

    /** SIZE[,max=SIZE[,node=N]], as the VMM takes it. */
    static String memoryWord(String text) throws CliException {
        String[] parts = text.split(",", -1);
        long size = memory(parts[0]);
        StringBuilder word = new StringBuilder(Long.toString(size));
        for (int i = 1; i < parts.length; i++) {
            String value = parts[i].substring(parts[i].indexOf('=') + 1);
            if (parts[i].startsWith("max=")) {
                long max = memory(value);
                if (max < size) {
                    throw CliException.usage("--memory " + text + " can't grow to less than it has");
                }
                word.append(",max=").append(max);
            } else if (parts[i].startsWith("node=")) {
                word.append(",node=").append(number("--memory ...,node=", value, 0, 255));
            } else {
                throw CliException.usage("--memory wants SIZE[,max=SIZE[,node=N]], not '" + text + "'");
            }
        }
        return word.toString();
    }

    /** What this machine, or the container it runs in, has; unlimited if it doesn't tell. */
    private static long hostMemory() {
        long total = Long.MAX_VALUE;
        try {
            Matcher m = MEM_TOTAL.matcher(Files.readString(Path.of("/proc/meminfo")));
            total = m.find() ? Long.parseLong(m.group(1)) << 10 : total;
            String limit =
                    Files.readString(Path.of("/sys/fs/cgroup/memory.max")).strip();
            return limit.matches("\\d{1,18}") ? Math.min(total, Long.parseLong(limit)) : total;
        } catch (IOException e) {
            return total;
        }
    }

    /** N, or N,max=M. */
    static String cpus(String text) throws CliException {
        int comma = text.indexOf(",max=");
        if (comma < 0) {
            return Integer.toString(number("--cpus", text, 1, MAX_CPUS));
        }
        int n = number("--cpus", text.substring(0, comma), 1, MAX_CPUS);
        return n + ",max=" + number("max of --cpus", text.substring(comma + 5), n, MAX_CPUS);
    }

    /** Decimal, or hexadecimal after 0x. */
    static int number(String option, String text, int min, int max) throws CliException {
        boolean hex = text.regionMatches(true, 0, "0x", 0, 2);
        String digits = hex ? text.substring(2) : text;
        if (digits.matches(hex ? "[0-9a-fA-F]{1,8}" : "\\d{1,10}")) {
            long n = Long.parseLong(digits, hex ? 16 : 10);
            if (n >= min && n <= max) {
                return (int) n;
            }
        }
        throw CliException.usage(option + " wants a number from " + min + " to " + max + ", not '" + text + "'");
    }

    /** Seconds, with up to three decimals, above 0. */
    static String seconds(String option, String text) throws CliException {
        if (text.matches("\\d{1,9}(\\.\\d{1,3})?") && !text.matches("[0.]+")) {
            return text;
        }
        throw CliException.usage(option + " wants a number of seconds above 0, not '" + text + "'");
    }

    static String oneOf(String option, String text, List<String> names) throws CliException {
        if (!names.contains(text)) {
            throw CliException.usage(option + " wants " + listed(names) + ", not '" + text + "'");
        }
        return text;
    }

    /** NAME[,translate=WHEN]. */
    static String engine(String text) throws CliException {
        String[] parts = text.split(",", -1);
        oneOf("--engine", parts[0], List.of("auto", "java", "kvm"));
        for (int i = 1; i < parts.length; i++) {
            if (!parts[i].startsWith("translate=")) {
                throw CliException.usage("--engine has no setting '" + parts[i] + "'; there is translate");
            }
            if (parts[0].equals("kvm")) {
                throw CliException.usage("--engine kvm does not translate: translate is for java");
            }
            oneOf("--engine ...,translate=", parts[i].substring(10), List.of("auto", "on", "off"));
        }
        return text;
    }

    private static String listed(List<String> names) {
        String last = names.getLast();
        return names.size() == 1 ? last : String.join(", ", names.subList(0, names.size() - 1)) + " or " + last;
    }

    /** stdio, null or file:PATH. */
    static String output(String option, String text) throws CliException {
        if (text.equals("stdio") || text.equals("null") || (text.startsWith("file:") && text.length() > 5)) {
            return text;
        }
        throw CliException.usage(option + " wants stdio, null or file:PATH, not '" + text + "'");
    }

    /** null, file:PATH, unix:PATH or, where that may be, stdio. */
    static String port(String option, String text, boolean stdio) throws CliException {
        if (text.equals("null")
                || stdio && text.equals("stdio")
                || text.length() > 5 && (text.startsWith("file:") || text.startsWith("unix:"))) {
            return text;
        }
        throw CliException.usage(
                "%s wants %snull, file:PATH or unix:PATH, not '%s'".formatted(option, stdio ? "stdio, " : "", text));
    }

    /**
     * A disk as given by --disk.
     *
     * @param more settings for the VMM alone, {@code KEY=VALUE}
     */
    record Disk(
            String file,
            boolean readOnly,
            String bus,
            @Nullable String id,
            int slot,
            List<String> more) {
        /** A disk of which nothing more is said. */
        Disk(String file, boolean readOnly, String bus) {
            this(file, readOnly, bus, null, -1, List.of());
        }

        /** As the VMM takes it: the settings at its end are never of the file's name. */
        String vmmValue() {
            return file + ",readonly=" + readOnly + ",bus=" + bus + (id == null ? "" : ",id=" + id)
                    + (slot < 0 ? "" : ",addr=" + slot)
                    + (more.isEmpty() ? "" : "," + String.join(",", more));
        }
    }

    /** What the VMM reads itself, which says what is wrong with it. */
    private static final Pattern MORE =
            Pattern.compile("[rw]error|stall|stall-timeout|(encrypt\\.)?key-secret|group|(throttling\\.|bps|iops).*");

    static Disk disk(String text) throws CliException {
        List<String> parts = split(text);
        if (parts.getFirst().isEmpty()) {
            throw CliException.usage(
                    "--disk wants FILE[,format=FORMAT][,readonly][,bus=BUS][,id=NAME][,addr=SLOT]..., not '" + text
                            + "'");
        }
        boolean readOnly = false;
        String id = null;
        int slot = -1;
        String bus = "virtio";
        List<String> more = new ArrayList<>();
        for (String p : parts.subList(1, parts.size())) {
            int eq = p.indexOf('=');
            String key = eq < 0 ? p : p.substring(0, eq);
            String value = eq < 0 ? "" : p.substring(eq + 1);
            switch (key) {
                case "readonly" ->
                    readOnly = eq < 0
                            || oneOf("--disk ...,readonly=", value, List.of("on", "off", "true", "false"))
                                    .matches("on|true");
                case "format" ->
                    more.add("format="
                            + oneOf(
                                    "--disk ...,format=",
                                    value,
                                    List.of("raw", "qcow2", "luks", "vmdk", "vpc", "vhd", "vhdx")));
                case "bus" -> bus = oneOf("--disk ...,bus=", value, List.of("virtio", "nvme", "sata"));
                case "id" -> id = id("--disk", value);
                case "addr" -> slot = number("--disk ...,addr=", value, 16, 23);
                default -> {
                    if (eq < 0 || !MORE.matcher(key).matches()) {
                        throw CliException.usage(
                                "--disk has no setting '" + key + "'; 'serai run --help' has them all");
                    }
                    more.add(p);
                }
            }
        }
        if (bus.equals("sata") && slot >= 0) {
            throw CliException.usage("--disk ...,addr= is a PCI slot, which a SATA disk is not in");
        }
        return new Disk(parts.getFirst(), readOnly, bus, id, slot, List.copyOf(more));
    }

    private static String id(String option, String value) throws CliException {
        if (!value.matches("[A-Za-z][A-Za-z0-9._-]{0,30}")) {
            throw CliException.usage(option
                    + " ...,id= wants a letter and at most 30 letters, digits, '.', '_' or '-', not '" + value + "'");
        }
        return value;
    }

    /** FILE[,id=NAME] of the n-th drive, as the VMM takes it: with an id at the end, which is never of the file's name. */
    static String cdrom(String text, int n) throws CliException {
        List<String> parts = split(text);
        if (parts.getFirst().isEmpty() || parts.size() > 2) {
            throw CliException.usage("--cdrom wants FILE[,id=NAME], not '" + text + "'");
        }
        if (parts.size() == 1) {
            return parts.getFirst() + ",id=cdrom-" + n;
        }
        if (!parts.get(1).startsWith("id=")) {
            throw CliException.usage("--cdrom has no setting '" + parts.get(1) + "'; there is id");
        }
        return parts.getFirst() + ",id=" + id("--cdrom", parts.get(1).substring(3));
    }

    /** At commas, but not at doubled ones, which stand for one in a name. */
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
}
