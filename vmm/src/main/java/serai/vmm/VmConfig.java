package serai.vmm;

import java.math.BigDecimal;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.acpi.Numa;
import serai.machine.virtio.VirtioConsole;

/**
 * What one VM is to be, from {@code key=value} words.
 *
 * @param kernel the kernel; null only with {@code load}
 * @param initrd the initial RAM disk, or null
 * @param append the kernel's command line
 * @param memory how much RAM
 * @param cpus vCPUs at the start, 1 to {@link serai.machine.Layout#MAX_CPUS}
 * @param maxCpus how many there can be; more than {@code cpus} if they are to be plugged into the running machine
 * @param numa the NUMA nodes of vCPUs and memory
 * @param hpet whether the machine has high precision event timers
 * @param engine {@code auto}, {@code java} or {@code kvm}
 * @param cpuModel the CPU model's name, or empty for the default
 * @param disks in the order of their PCI slots
 * @param serial where COM1 goes
 * @param debugcon where port 0xe9 goes
 * @param console where the virtio console's terminal, hvc0, goes
 * @param ports further ports of the virtio console
 * @param debugExit port whose value ends the VM, or -1
 * @param timeoutMillis wall time after which the VM ends, or 0
 * @param noReboot whether a reset ends the VM
 * @param gdbPort loopback TCP port to wait for gdb on, or -1
 * @param stats whether to print counters at the end
 * @param trace what to trace, or null
 * @param deterministic the seed of deterministic mode, or null for real time
 * @param record file to record inputs to, or null
 * @param replay file to replay inputs from, or null
 * @param saveAt save a snapshot and end at this many instructions, or -1
 * @param snapshot the file to save to, or null
 * @param saveAfterMillis save a snapshot and end after this wall time, or 0: for engines that can't count
 * @param load a snapshot to go on from, or null
 * @param hashEvery print a hash of the CPU's state every so many instructions, or 0
 * @param parent the process whose end ends this one, or 0
 * @param qmp the control socket to make, or null
 */
public record VmConfig(
        @Nullable Path kernel,
        @Nullable Path initrd,
        String append,
        MemorySize memory,
        int cpus,
        int maxCpus,
        Numa numa,
        boolean hpet,
        String engine,
        String cpuModel,
        List<Disk> disks,
        Sink serial,
        Sink debugcon,
        Sink console,
        List<Port> ports,
        int debugExit,
        long timeoutMillis,
        boolean noReboot,
        int gdbPort,
        boolean stats,
        @Nullable Trace trace,
        @Nullable Long deterministic,
        @Nullable Path record,
        @Nullable Path replay,
        long saveAt,
        @Nullable Path snapshot,
        long saveAfterMillis,
        @Nullable Path load,
        long hashEvery,
        long parent,
        @Nullable Path qmp) {
    /** The port of the debug-exit device that guests/ and others use; QEMU's default for isa-debug-exit is 0x501. */
    public static final int DEFAULT_DEBUG_EXIT = 0xf4;

    private static final int MAX_PORT_NAME = 64;

    static final long MIN_MEMORY = 2L << 20;
    static final long MAX_MEMORY = 1L << 40;

    /**
     * A disk.
     *
     * @param file a raw image or a block device
     * @param readOnly whether the guest may only read
     * @param bus what the guest finds it on
     * @param id its name and its device's on the control socket, or null
     * @param slot one of those for hot-plug, or -1 for the next of those that stay
     */
    public record Disk(
            Path file, boolean readOnly, Bus bus, @Nullable String id, int slot) {
        /** How a disk is attached. */
        public enum Bus {
            /** A virtio block device. */
            VIRTIO,
            /** An NVMe controller with one namespace. */
            NVME
        }
    }

    /** Where a byte stream of the guest goes. */
    public sealed interface Sink {
        /** Standard output, and input from standard input. */
        record Stdio() implements Sink {}

        /** Nowhere. */
        record Null() implements Sink {}

        /** A file, written anew. */
        record ToFile(Path path) implements Sink {}

        /** A Unix socket that is made, with one client at a time; for ports of the virtio console. */
        record Socket(Path path) implements Sink {}
    }

    /**
     * A port of the virtio console.
     *
     * @param name what the guest finds it by
     * @param sink where it goes
     */
    public record Port(String name, Sink sink) {}

    /**
     * What to trace: instructions {@code from} to {@code to} (exclusive), counted from the start or, with
     * {@code addresses}, those whose linear address is in the range.
     */
    public record Trace(boolean addresses, long from, long to) {}

    /** vCPUs in a package: what is plugged into a running machine is a package, so that each has one then. */
    int cpusInPackage() {
        return maxCpus > cpus ? 1 : cpus;
    }

    /** The same for another machine: that of a snapshot. */
    VmConfig withMachine(MemorySize newMemory, String newModel, boolean newHpet) {
        return new VmConfig(
                kernel,
                initrd,
                append,
                newMemory,
                cpus,
                maxCpus,
                numa,
                newHpet,
                engine,
                newModel,
                disks,
                serial,
                debugcon,
                console,
                ports,
                debugExit,
                timeoutMillis,
                noReboot,
                gdbPort,
                stats,
                trace,
                deterministic,
                record,
                replay,
                saveAt,
                snapshot,
                saveAfterMillis,
                load,
                hashEvery,
                parent,
                qmp);
    }

    /**
     * Reads the words.
     *
     * @throws VmmException with status 2 if a key or a value is not one of those above
     */
    public static VmConfig parse(List<String> words) throws VmmException {
        Parser p = new Parser();
        for (String w : words) {
            int eq = w.indexOf('=');
            if (eq <= 0) {
                throw new VmmException(VmmException.USAGE, "'" + w + "' is not KEY=VALUE");
            }
            p.set(w.substring(0, eq), w.substring(eq + 1));
        }
        return p.finish();
    }

    private static final class Parser {
        private @Nullable Path kernel, initrd, record, replay, snapshot, load, qmp;
        private String append = "";
        private MemorySize memory = new MemorySize(512L << 20, 512L << 20, 0);
        private int cpus = 1;
        private int maxCpus = 1;
        private final NumaWords numa = new NumaWords();
        private boolean hpet;
        private String engine = "auto";
        private String cpuModel = "";
        private final List<Disk> disks = new ArrayList<>();
        private @Nullable Sink serial;
        private Sink console = new Sink.Null();
        private final List<Port> ports = new ArrayList<>();
        private Sink debugcon = new Sink.Null();
        private int debugExit = -1;
        private long timeoutMillis;
        private boolean noReboot;
        private int gdbPort = -1;
        private boolean stats;
        private @Nullable Trace trace;
        private @Nullable Long deterministic;
        private long saveAt = -1;
        private long saveAfterMillis;
        private long hashEvery;
        private long parent;

        void set(String key, String v) throws VmmException {
            switch (key) {
                case "kernel" -> kernel = path(key, v);
                case "initrd" -> initrd = path(key, v);
                case "append" -> append = v;
                case "memory" -> memory = MemorySize.parse(v);
                case "cpus" -> {
                    int comma = v.indexOf(",max=");
                    cpus = (int) number(key, comma < 0 ? v : v.substring(0, comma), 1, Layout.MAX_CPUS);
                    maxCpus = comma < 0
                            ? cpus
                            : (int) number("max of cpus", v.substring(comma + 5), cpus, Layout.MAX_CPUS);
                }
                case "numa" -> numa.node(v);
                case "numa-distance" -> numa.distance(v);
                case "hpet" -> hpet = bool(key, v);
                case "engine" -> engine = oneOf(key, v, "auto", "java", "kvm");
                case "cpu-model" -> cpuModel = v;
                case "disk" -> disks.add(disk(v));
                case "serial" -> serial = sink(key, v);
                case "console" -> console = portSink(key, v);
                case "port" -> {
                    int comma = v.indexOf(',');
                    if (comma <= 0 || v.substring(0, comma).length() > MAX_PORT_NAME) {
                        throw usage("port must be NAME,WHERE, not '" + v + "'");
                    }
                    ports.add(new Port(v.substring(0, comma), portSink(key, v.substring(comma + 1))));
                }
                case "debugcon" -> debugcon = sink(key, v);
                case "debug-exit" -> debugExit = (int) number(key, v, 0, 0xffff);
                case "timeout" -> timeoutMillis = seconds(key, v);
                case "no-reboot" -> noReboot = bool(key, v);
                case "gdb" -> gdbPort = (int) number(key, v, 0, 0xffff);
                case "stats" -> stats = bool(key, v);
                case "trace" -> trace = trace(v);
                case "deterministic" -> deterministic = number(key, v, Long.MIN_VALUE, Long.MAX_VALUE);
                case "record" -> record = path(key, v);
                case "replay" -> replay = path(key, v);
                case "save-at" -> {
                    int comma = v.indexOf(',');
                    saveAt = number(key, comma < 0 ? v : v.substring(0, comma), 0, Long.MAX_VALUE);
                    if (comma >= 0) {
                        snapshot = path(key, v.substring(comma + 1));
                    }
                }
                case "save-after" -> saveAfterMillis = seconds(key, v);
                case "snapshot" -> snapshot = path(key, v);
                case "load" -> load = path(key, v);
                case "hash-every" -> hashEvery = number(key, v, 1, Long.MAX_VALUE);
                case "qmp" -> qmp = path(key, v);
                case "parent" -> parent = number(key, v, 1, Long.MAX_VALUE);
                default -> throw usage("unknown option '" + key + "'");
            }
        }

        VmConfig finish() throws VmmException {
            if (kernel == null && load == null) {
                throw usage("no kernel given; try kernel=FILE");
            }
            if (initrd != null && kernel == null) {
                throw usage("an initrd needs a kernel");
            }
            if ((saveAt >= 0 || saveAfterMillis > 0) && snapshot == null) {
                throw usage("save-at needs snapshot=FILE to save to");
            }
            if (ports.size() >= VirtioConsole.MAX_PORTS) {
                throw usage("a VM has at most %d ports beside the console".formatted(VirtioConsole.MAX_PORTS - 1));
            }
            Sink stdio = new Sink.Stdio();
            Sink ofSerial = serial != null ? serial : console.equals(stdio) ? new Sink.Null() : stdio;
            if (console.equals(stdio) && ofSerial.equals(stdio)
                    || ports.stream().anyMatch(p -> p.sink().equals(stdio))) {
                throw usage("standard input is the serial line's or the console's, not of both or of a port");
            }
            if (record != null && replay != null) {
                throw usage("record and replay exclude each other");
            }
            if ((record != null || replay != null || hashEvery > 0) && deterministic == null) {
                deterministic = 1L;
            }
            if (deterministic != null
                    && (console instanceof Sink.Socket
                            || ports.stream().anyMatch(p -> p.sink() instanceof Sink.Socket))) {
                throw usage("what comes in by a socket does not repeat: not with deterministic");
            }
            Numa nodes = numa.finish(maxCpus, memory.bytes());
            memory.checkNode(nodes.nodes().size());
            return new VmConfig(
                    kernel,
                    initrd,
                    append,
                    memory,
                    cpus,
                    maxCpus,
                    nodes,
                    hpet,
                    engine,
                    cpuModel,
                    List.copyOf(disks),
                    ofSerial,
                    debugcon,
                    console,
                    List.copyOf(ports),
                    debugExit,
                    timeoutMillis,
                    noReboot,
                    gdbPort,
                    stats,
                    trace,
                    deterministic,
                    record,
                    replay,
                    saveAt,
                    snapshot,
                    saveAfterMillis,
                    load,
                    hashEvery,
                    parent,
                    qmp);
        }
    }

    private static VmmException usage(String message) {
        return new VmmException(VmmException.USAGE, message);
    }

    private static Path path(String key, String v) throws VmmException {
        if (v.isEmpty()) {
            throw usage(key + " needs a file name");
        }
        try {
            return Path.of(v);
        } catch (InvalidPathException e) {
            throw usage(key + " '" + v + "' is not a file name");
        }
    }

    private static long number(String key, String v, long min, long max) throws VmmException {
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

    private static final Pattern SIZE = Pattern.compile("(\\d{1,18})([KMGTkmgt]?)");

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

    private static long seconds(String key, String v) throws VmmException {
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

    private static boolean bool(String key, String v) throws VmmException {
        return oneOf(key, v, "true", "false").equals("true");
    }

    private static String oneOf(String key, String v, String... choices) throws VmmException {
        if (!List.of(choices).contains(v)) {
            throw usage("%s must be one of %s, not '%s'".formatted(key, String.join(", ", choices), v));
        }
        return v;
    }

    private static Disk disk(String v) throws VmmException {
        // settings from the end: what else has a comma is the file's name
        String file = v;
        boolean readOnly = false;
        Disk.Bus bus = Disk.Bus.VIRTIO;
        String id = null;
        int slot = -1;
        while (true) {
            int comma = file.lastIndexOf(',');
            String setting = comma < 0 ? "" : file.substring(comma + 1);
            switch (setting) {
                case "readonly=true" -> readOnly = true;
                case "readonly=false" -> readOnly = false;
                case "bus=virtio" -> bus = Disk.Bus.VIRTIO;
                case "bus=nvme" -> bus = Disk.Bus.NVME;
                default -> {
                    if (setting.startsWith("id=")) {
                        id = setting.substring(3);
                    } else if (setting.startsWith("addr=")) {
                        slot = (int) number(
                                "addr of a disk",
                                setting.substring(5),
                                Layout.FIRST_HOTPLUG_SLOT,
                                Layout.LAST_HOTPLUG_SLOT);
                    } else {
                        return new Disk(path("disk", file), readOnly, bus, id, slot);
                    }
                }
            }
            file = file.substring(0, comma);
        }
    }

    private static Sink sink(String key, String v) throws VmmException {
        return switch (v) {
            case "stdio" -> new Sink.Stdio();
            case "null" -> new Sink.Null();
            default -> {
                if (!v.startsWith("file:")) {
                    throw usage("%s must be stdio, null or file:PATH, not '%s'".formatted(key, v));
                }
                yield new Sink.ToFile(path(key, v.substring(5)));
            }
        };
    }

    private static Sink portSink(String key, String v) throws VmmException {
        if (v.startsWith("unix:")) {
            return new Sink.Socket(path(key, v.substring(5)));
        }
        try {
            return sink(key, v);
        } catch (VmmException e) {
            throw usage("%s must go to stdio, null, file:PATH or unix:PATH, not '%s'".formatted(key, v));
        }
    }

    private static Trace trace(String v) throws VmmException {
        int comma = v.indexOf(',');
        int dash = v.indexOf('-');
        if (comma > 0) {
            long from = number("trace", v.substring(0, comma), 0, Long.MAX_VALUE);
            long count = number("trace", v.substring(comma + 1), 1, Long.MAX_VALUE - from);
            return new Trace(false, from, from + count);
        }
        if (dash > 0) {
            return new Trace(true, address(v.substring(0, dash)), address(v.substring(dash + 1)));
        }
        throw usage("trace must be FIRST,COUNT of instructions or FROM-TO of addresses, not '" + v + "'");
    }

    private static long address(String v) throws VmmException {
        try {
            return Long.parseUnsignedLong(v.startsWith("0x") ? v.substring(2) : v, 16);
        } catch (NumberFormatException e) {
            throw usage("trace: '" + v + "' is not an address");
        }
    }
}
