package serai.vmm;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;
import serai.machine.Machine;
import serai.machine.MachineState;
import serai.machine.engine.CpuState;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.cbor.CBORMapper;

/**
 * A stopped VM in a file.
 *
 * <pre>
 *  8  "SERAISNP"
 *  4  version of this layout
 *  4  n: length of the head         at most 64 MiB
 *  n  head: CBOR of {@link Head}
 *  …  runs of pages with content: address (8), pages (4, 1 to 256), their bytes
 *  8  -1
 *  8  CRC-32C of all before
 * </pre>
 *
 * Big-endian. Pages of zeros are left out. A file may come from anywhere: lengths, addresses and the checksum are checked
 * before anything of it is used by a machine, and every wrong one is a {@link VmmException} that says so.
 */
final class Snapshot {
    private static final byte[] MAGIC = {'S', 'E', 'R', 'A', 'I', 'S', 'N', 'P'};
    private static final int VERSION = 1;
    private static final int MAX_HEAD = 64 << 20;
    private static final int MAX_RUN = 256;

    private static final CBORMapper MAPPER = CBORMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .build();

    /**
     * All but RAM: {@link MachineState} with its devices' records as trees, as their classes are known only to the machine
     * that takes them, and what the VMM itself adds.
     *
     * @param cpuModel the CPU model's name
     * @param random the state of the source of random numbers
     */
    record Head(
            int version,
            String type,
            long memory,
            long pluggable,
            long clockNanos,
            long clockSkipped,
            int turn,
            long turnLeft,
            String cpuModel,
            long random,
            List<CpuState> cpus,
            List<DeviceTree> devices) {
        static Head of(MachineState s, String cpuModel, long random) {
            return new Head(
                    s.version(),
                    s.type(),
                    s.memory(),
                    s.pluggable(),
                    s.clockNanos(),
                    s.clockSkipped(),
                    s.turn(),
                    s.turnLeft(),
                    cpuModel,
                    random,
                    s.cpus(),
                    s.devices().stream()
                            .map(d -> new DeviceTree(d.name(), MAPPER.valueToTree(d.state())))
                            .toList());
        }

        /** Whether the machine had a device of this name. */
        boolean has(String device) {
            return devices.stream().anyMatch(d -> d.name.equals(device));
        }

        /** The machine's state, with the classes that {@code machine} has for its devices. */
        MachineState state(Machine machine) throws VmmException {
            List<MachineState.DeviceState> states = new ArrayList<>();
            for (DeviceTree d : devices) {
                Class<? extends Record> type = machine.stateType(d.name);
                if (type == null) {
                    throw refused("it has a device " + d.name + ", this machine has none");
                }
                try {
                    states.add(new MachineState.DeviceState(d.name, MAPPER.treeToValue(d.state, type)));
                } catch (JacksonException e) {
                    throw refused("its state of " + d.name + " is not what this version writes", e);
                }
            }
            return new MachineState(
                    version, type, memory, pluggable, clockNanos, clockSkipped, turn, turnLeft, cpus, states);
        }
    }

    /** A device's name and its state record. */
    record DeviceTree(String name, JsonNode state) {}

    private Snapshot() {}

    /** Writes a snapshot, beside the file first: the old one stays whole until the new one is. */
    static void save(Path file, Head head, GuestMemory memory) throws VmmException {
        Path aside = file.resolveSibling(file.getFileName() + ".new");
        try {
            try (FileOutputStream f = new FileOutputStream(aside.toFile())) {
                CheckedOutputStream sum = new CheckedOutputStream(f, new CRC32C());
                DataOutputStream out = new DataOutputStream(new BufferedOutputStream(sum, 1 << 20));
                byte[] h = MAPPER.writeValueAsBytes(head);
                out.write(MAGIC);
                out.writeInt(VERSION);
                out.writeInt(h.length);
                out.write(h);
                ram(out, memory);
                out.writeLong(-1);
                out.flush();
                out.writeLong(sum.getChecksum().getValue());
                out.flush();
                f.getFD().sync();
            }
            try {
                Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(aside, file, StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            try {
                Files.deleteIfExists(aside);
            } catch (IOException f) {
                e.addSuppressed(f);
            }
            throw new VmmException(
                    VmmException.HOST, "snapshot " + file + " could not be written: " + Reasons.of(e), e);
        }
    }

    private static void ram(DataOutputStream out, GuestMemory memory) throws IOException {
        byte[] run = new byte[MAX_RUN * Pages.SIZE];
        for (RamRegion r : memory.present()) {
            if (r.readOnly()) {
                continue;
            }
            int pages = 0;
            long start = 0;
            for (long at = 0; at <= r.size(); at += Pages.SIZE) {
                boolean content = at < r.size() && !Pages.zero(memory, r, at);
                if (pages > 0 && (!content || pages == MAX_RUN)) {
                    out.writeLong(r.base() + start);
                    out.writeInt(pages);
                    out.write(run, 0, pages * Pages.SIZE);
                    pages = 0;
                }
                if (content) {
                    if (pages == 0) {
                        start = at;
                    }
                    memory.read(r.base() + at, run, pages++ * Pages.SIZE, Pages.SIZE);
                }
            }
        }
    }

    /** Reads the head alone, to build the machine it is for. */
    static Head head(Path file) throws VmmException {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            return head(in);
        } catch (IOException | JacksonException e) {
            throw unreadable(file, e);
        }
    }

    private static Head head(DataInputStream in) throws IOException, VmmException {
        byte[] magic = new byte[MAGIC.length];
        in.readFully(magic);
        if (!java.util.Arrays.equals(magic, MAGIC)) {
            throw refused("it is not a snapshot of Serai's");
        }
        int version = in.readInt();
        if (version != VERSION) {
            throw refused("it is of version %d, this is version %d".formatted(version, VERSION));
        }
        int length = in.readInt();
        if (length <= 0 || length > MAX_HEAD) {
            throw refused("its head can't be %d bytes long".formatted(length));
        }
        byte[] h = in.readNBytes(length);
        if (h.length < length) {
            throw new EOFException();
        }
        Head head = MAPPER.readValue(h, Head.class);
        if (!MemorySize.possible(head.memory, head.pluggable)) {
            throw refused("it has %d bytes of memory and %d to plug".formatted(head.memory, head.pluggable));
        }
        for (CpuState s : head.cpus) {
            check(s);
        }
        return head;
    }

    private static void check(CpuState s) throws VmmException {
        if (s.version() != CpuState.VERSION
                || s.gpr().length != 16
                || s.segments().length != 8
                || s.cr().length != 5
                || s.dr().length != 6
                || s.xsave().length != CpuState.XSAVE_SIZE
                || s.msrs().length % 2 != 0
                || s.msrs().length > 4096
                || (s.apic().length != 0 && s.apic().length != 4096)
                || s.gdtLimit() >>> 16 != 0
                || s.idtLimit() >>> 16 != 0) {
            throw refused("its CPU state is not what this version writes");
        }
        for (Object g : s.segments()) {
            if (g == null) {
                throw refused("its CPU state lacks a segment");
            }
        }
    }

    /** Checks the whole file, then puts its pages into RAM, which is all zeros. */
    static Head load(Path file, GuestMemory memory) throws VmmException {
        try {
            pass(file, null);
            return pass(file, memory);
        } catch (IOException | JacksonException e) {
            throw unreadable(file, e);
        } catch (GuestAddressException e) {
            throw refused("it has memory where this machine has none", e);
        }
    }

    private static Head pass(Path file, @org.jspecify.annotations.Nullable GuestMemory memory)
            throws IOException, VmmException {
        CRC32C crc = new CRC32C();
        try (BufferedInputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 20)) {
            DataInputStream in = new DataInputStream(new CheckedInputStream(raw, crc));
            Head head = head(in);
            byte[] run = new byte[MAX_RUN * Pages.SIZE];
            while (true) {
                long base = in.readLong();
                if (base == -1) {
                    break;
                }
                int pages = in.readInt();
                if (pages < 1 || pages > MAX_RUN || base < 0 || base % Pages.SIZE != 0) {
                    throw refused("it has %d pages at %#x".formatted(pages, base));
                }
                in.readFully(run, 0, pages * Pages.SIZE);
                if (memory != null) {
                    memory.write(base, run, 0, pages * Pages.SIZE);
                }
            }
            long sum = crc.getValue();
            if (in.readLong() != sum) {
                throw refused("its checksum is wrong");
            }
            if (raw.read() >= 0) {
                throw refused("something follows its end");
            }
            return head;
        }
    }

    private static VmmException unreadable(Path file, Exception e) {
        if (e instanceof EOFException) {
            return refused("it is truncated", e);
        }
        if (e instanceof NoSuchFileException) {
            return new VmmException(VmmException.INPUT, "snapshot " + file + " does not exist", e);
        }
        return e instanceof IOException io
                ? new VmmException(VmmException.INPUT, "snapshot " + file + " can't be read: " + Reasons.of(io), e)
                : refused("its head is not what this version writes", e);
    }

    private static VmmException refused(String why) {
        return new VmmException(VmmException.INPUT, "the snapshot was refused: " + why);
    }

    private static VmmException refused(String why, Exception cause) {
        return new VmmException(VmmException.INPUT, "the snapshot was refused: " + why, cause);
    }
}
