package serai.machine.boot;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;

/**
 * An executable ELF file for x86 (System V ABI, "Object Files"): its headers and its segments.
 *
 * <pre>
 *             32-bit      64-bit
 *   e_type    0x10 2      0x10 2
 *   e_machine 0x12 2      0x12 2
 *   e_entry   0x18 4      0x18 8
 *   e_phoff   0x1c 4      0x20 8
 *   e_phentsz 0x2a 2      0x36 2
 *   e_phnum   0x2c 2      0x38 2
 *   p_type    0x00 4      0x00 4
 *   p_offset  0x04 4      0x08 8
 *   p_paddr   0x0c 4      0x18 8
 *   p_filesz  0x10 4      0x20 8
 *   p_memsz   0x14 4      0x28 8
 * </pre>
 */
final class Elf {
    private static final int PT_LOAD = 1, PT_INTERP = 3, PT_NOTE = 4, PT_TLS = 7;
    private static final int EM_386 = 3, EM_X86_64 = 62;
    private static final int ET_EXEC = 2, ET_DYN = 3;
    /** Linux has five; a file that claims more than this is no kernel. */
    private static final int MAX_SEGMENTS = 256;

    private static final int MAX_NOTES = 1 << 20;
    /** xen/include/public/elfnote.h. */
    private static final int XEN_GUEST_OS = 6, XEN_PHYS32_ENTRY = 18;

    private record Segment(int type, long offset, long address, long fileSize, long memorySize) {}

    private final KernelFile file;
    private final ByteSource source;
    private final List<Segment> segments;
    private final boolean wide;
    private final long entry;

    private Elf(KernelFile file, ByteSource source, List<Segment> segments, boolean wide, long entry) {
        this.file = file;
        this.source = source;
        this.segments = segments;
        this.wide = wide;
        this.entry = entry;
    }

    /** Whether a file that begins like this is ELF. */
    static boolean looksLike(byte[] head) {
        return head.length >= 4 && Le.i32(head, 0) == 0x464c457f;
    }

    /**
     * Reads the headers.
     *
     * @param file for messages
     * @param source where the bytes come from: the file itself or what is unpacked from it
     */
    static Elf parse(KernelFile file, ByteSource source) throws BootException, IOException {
        byte[] ident = source.read(0, 20);
        if (!looksLike(ident)) {
            throw new BootException(file + " has a payload that is not an ELF file");
        }
        boolean wide = ident[4] == 2;
        int type = Le.u16(ident, 0x10);
        int machine = Le.u16(ident, 0x12);
        if ((ident[4] != 1 && ident[4] != 2)
                || ident[5] != 1
                || (wide ? machine != EM_X86_64 : machine != EM_386 && machine != EM_X86_64)) {
            throw new BootException(file + " is an ELF file for another kind of CPU (" + machineName(ident, machine)
                    + "); Serai runs x86-64");
        }
        if (type != ET_EXEC && type != ET_DYN) {
            throw new BootException(file + " is an ELF "
                    + (type == 1 ? "object file or kernel module" : type == 4 ? "core dump" : "file of unknown type")
                    + ", not an executable kernel");
        }
        byte[] h = source.read(0, wide ? 64 : 52);
        long entry = wide ? Le.i64(h, 0x18) : Le.u32(h, 0x18);
        long phoff = wide ? Le.i64(h, 0x20) : Le.u32(h, 0x1c);
        int phentsize = Le.u16(h, wide ? 0x36 : 0x2a);
        int phnum = Le.u16(h, wide ? 0x38 : 0x2c);
        int size = wide ? 56 : 32;
        if (phentsize != size || phnum == 0 || phnum > MAX_SEGMENTS || phoff < 0) {
            throw new BootException(
                    file + " has a damaged ELF header: " + phnum + " program headers of " + phentsize + " bytes");
        }
        byte[] table = source.read(phoff, phnum * size);
        List<Segment> segments = new ArrayList<>();
        for (int at = 0; at < table.length; at += size) {
            Segment s = wide
                    ? new Segment(
                            Le.i32(table, at),
                            Le.i64(table, at + 0x08),
                            Le.i64(table, at + 0x18),
                            Le.i64(table, at + 0x20),
                            Le.i64(table, at + 0x28))
                    : new Segment(
                            Le.i32(table, at),
                            Le.u32(table, at + 0x04),
                            Le.u32(table, at + 0x0c),
                            Le.u32(table, at + 0x10),
                            Le.u32(table, at + 0x14));
            if (s.type == PT_INTERP || s.type == PT_TLS) { // who would load the one, or set up the other?
                throw new BootException(file + " is not a kernel but a program that runs on an operating system");
            }
            if (s.type == PT_LOAD && s.memorySize != 0) {
                if (s.offset < 0
                        || s.address < 0
                        || s.fileSize < 0
                        || s.memorySize < s.fileSize
                        || s.address + s.memorySize < 0
                        || s.offset + s.fileSize < 0) {
                    throw new BootException(
                            file + " has a damaged ELF segment at physical address " + "%#x".formatted(s.address));
                }
                segments.add(s);
            } else if (s.type == PT_NOTE) {
                segments.add(s);
            }
        }
        if (segments.stream().noneMatch(s -> s.type == PT_LOAD)) {
            throw new BootException(file + " has nothing to load: no PT_LOAD segment in its ELF headers");
        }
        return new Elf(file, source, List.copyOf(segments), wide, entry);
    }

    private static String machineName(byte[] ident, int machine) {
        if (ident[5] == 2) {
            return "big-endian";
        }
        return switch (machine) {
            case 40 -> "ARM";
            case 183 -> "AArch64";
            case 243 -> "RISC-V";
            case 258 -> "LoongArch";
            case 21 -> "PowerPC64";
            case 22 -> "S/390";
            default -> "machine type " + machine;
        };
    }

    /** Whether it is a 64-bit file. */
    boolean wide() {
        return wide;
    }

    /** The entry point, a physical address. */
    long entry() {
        return entry;
    }

    /** The end of the highest segment. */
    long end() {
        long end = 0;
        for (Segment s : segments) {
            end = s.type == PT_LOAD ? Math.max(end, s.address + s.memorySize) : end;
        }
        return end;
    }

    /** Whether the byte at this physical address is loaded from the file or zeroed by the loader. */
    boolean covers(long address) {
        return segments.stream()
                .anyMatch(s -> s.type == PT_LOAD && address >= s.address && address - s.address < s.memorySize);
    }

    /** Copies the segments into RAM, after checking that all of them fit. */
    void load(Ram ram) throws BootException, IOException {
        List<Segment> loads = segments.stream()
                .filter(s -> s.type == PT_LOAD)
                .sorted(Comparator.comparingLong(Segment::offset))
                .toList();
        for (Segment s : loads) {
            KernelPlace.check(file, ram, s.address, s.memorySize);
        }
        for (Segment s : loads) {
            ram.copy(s.address, source, s.offset, s.fileSize);
            ram.zero(s.address + s.fileSize, s.memorySize - s.fileSize);
        }
    }

    /** Whether its notes say that it is a Linux kernel. */
    boolean isLinux() throws BootException, IOException {
        for (Note n : notes()) {
            if (n.name.equals("Linux")
                    || (n.name.equals("Xen")
                            && n.type == XEN_GUEST_OS
                            && new String(n.value, StandardCharsets.ISO_8859_1).startsWith("linux"))) {
                return true;
            }
        }
        return false;
    }

    /** The PVH entry point, if it has one: a physical address below 4 GiB. */
    OptionalLong pvhEntry() throws BootException, IOException {
        for (Note n : notes()) {
            if (n.name.equals("Xen") && n.type == XEN_PHYS32_ENTRY) {
                if (n.value.length != 4 && n.value.length != 8) {
                    throw new BootException(
                            file + " has a PVH entry note of " + n.value.length + " bytes instead of 4 or 8");
                }
                long at = n.value.length == 8 ? Le.i64(n.value, 0) : Le.u32(n.value, 0);
                if (at >>> 32 != 0 || !covers(at)) {
                    throw new BootException(
                            file + " has a PVH entry point outside of what it loads: %#x".formatted(at));
                }
                return OptionalLong.of(at);
            }
        }
        return OptionalLong.empty();
    }

    private record Note(String name, int type, byte[] value) {}

    /** The notes: namesz, descsz, type, then name and value, each padded to 4 bytes. Damaged ones end the list. */
    private List<Note> notes() throws BootException, IOException {
        List<Note> notes = new ArrayList<>();
        for (Segment s : segments) {
            if (s.type != PT_NOTE || s.fileSize <= 0 || s.fileSize > MAX_NOTES) {
                continue;
            }
            byte[] b = source.read(s.offset, (int) s.fileSize);
            int at = 0;
            while (b.length - at >= 12) {
                long nameSize = Le.u32(b, at);
                long valueSize = Le.u32(b, at + 4);
                long value = at + 12 + (nameSize + 3 & ~3L);
                if (value + valueSize > b.length) {
                    break;
                }
                int nameLength = (int) Math.max(0, nameSize - 1);
                byte[] bytes = new byte[(int) valueSize];
                System.arraycopy(b, (int) value, bytes, 0, bytes.length);
                notes.add(new Note(
                        new String(b, at + 12, nameLength, StandardCharsets.ISO_8859_1), Le.i32(b, at + 8), bytes));
                at = (int) Math.min(b.length, value + (valueSize + 3 & ~3L));
            }
        }
        return notes;
    }
}
