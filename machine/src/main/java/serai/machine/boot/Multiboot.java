package serai.machine.boot;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Multiboot 1 (Multiboot Specification 0.6.96): a header in the first 8 KiB, then an ELF file or, with bit 16 of the
 * flags, load addresses in the header itself; 32-bit protected mode, EAX the magic number, EBX the information structure.
 *
 * <pre>
 *   header   0 magic 0x1badb002  4 flags   8 checksum  12 header_addr  16 load_addr  20 load_end_addr
 *           24 bss_end_addr     28 entry_addr
 *   info     0 flags    4 mem_lower   8 mem_upper  16 cmdline    20 mods_count  24 mods_addr
 *           44 mmap_length           48 mmap_addr  64 boot_loader_name
 *   module   0 start    4 end         8 string     12 reserved
 *   mmap     0 size 20  4 base 8     12 length 8   20 type 4
 * </pre>
 */
final class Multiboot {
    private static final int SEARCH = 8192;
    private static final int HEADER_MAGIC = 0x1badb002;
    private static final long BOOT_MAGIC = 0x2badb002L;
    /** Flags we honour: page-aligned modules, memory information, addresses in the header. */
    private static final int ALIGN = 1, MEMORY = 2, ADDRESSES = 1 << 16;

    private static final int MODULES = 0xf00;
    private static final int NAME = 0xf80;
    private static final int MAX_MAP = MODULES / 24;

    private Multiboot() {}

    /** The offset of the header in the first bytes of a file, or -1. */
    static int find(byte[] head) {
        for (int at = 0; at + 12 <= Math.min(head.length, SEARCH); at += 4) {
            if (Le.i32(head, at) == HEADER_MAGIC
                    && Le.i32(head, at) + Le.i32(head, at + 4) + Le.i32(head, at + 8) == 0) {
                return at;
            }
        }
        return -1;
    }

    static BootState load(KernelFile file, byte[] head, int header, Ram ram, @Nullable KernelFile initrd, String append)
            throws BootException, IOException {
        int flags = Le.i32(head, header + 4);
        int unknown = flags & 0xffff & ~(ALIGN | MEMORY);
        if (unknown != 0) {
            // 3.1.2: a loader that does not understand one of bits 0 to 15 has to refuse
            throw new BootException(file
                    + " asks by multiboot flags %#x for what is not offered%s"
                            .formatted(unknown, (unknown & 4) != 0 ? " (a graphics mode)" : ""));
        }
        Path name = file.path().getFileName();
        String cmdline = ((name == null ? "kernel" : name.toString()) + " " + append).trim();
        Cmdline.check(file, cmdline, BootLayout.CMDLINE_MAX);

        long entry;
        long end;
        if ((flags & ADDRESSES) != 0) {
            if (head.length - header < 32) {
                throw file.truncated();
            }
            long headerAddress = Le.u32(head, header + 12);
            long load = Le.u32(head, header + 16);
            long loadEnd = Le.u32(head, header + 20);
            long bssEnd = Le.u32(head, header + 24);
            entry = Le.u32(head, header + 28);
            long offset = header - (headerAddress - load);
            long size = loadEnd == 0 ? file.size() - offset : loadEnd - load;
            if (offset < 0 || offset > header || size <= 0) {
                throw new BootException(
                        file + " has a damaged multiboot header: load address %#x, end %#x".formatted(load, loadEnd));
            }
            if (size > file.size() - offset) {
                throw file.truncated();
            }
            end = Math.max(load + size, bssEnd);
            if (entry < load || entry >= end) {
                throw new BootException(file + " has an entry point outside of what it loads: %#x".formatted(entry));
            }
            KernelPlace.check(file, ram, load, end - load);
            ram.copy(load, file, offset, size);
            ram.zero(load + size, end - load - size);
        } else {
            if (!Elf.looksLike(head)) {
                throw new BootException(file + " has a multiboot header without load addresses and is not an ELF file");
            }
            Elf elf = Elf.parse(file, file);
            entry = elf.entry();
            end = elf.end();
            if (entry >>> 32 != 0 || !elf.covers(entry)) {
                throw new BootException(file + " has an entry point outside of what it loads: %#x".formatted(entry));
            }
            elf.load(ram);
        }
        Initrd.Place module = Initrd.load(initrd, ram, end, 1L << 32);
        Cmdline.write(ram, cmdline);
        info(ram, module);
        return new BootState(
                BootState.Protocol.MULTIBOOT,
                InitialCpu.flat32(ram.memory, entry, BOOT_MAGIC, BootLayout.INFO),
                end,
                module.address(),
                module.size());
    }

    private static void info(Ram ram, Initrd.Place module) {
        byte[] tables = new byte[4096];
        List<MemoryRange> map = ram.map.ranges();
        int n = Math.min(map.size(), MAX_MAP);
        for (int i = 0; i < n; i++) {
            Le.put32(tables, i * 24, 20);
            Le.put64(tables, i * 24 + 4, map.get(i).base());
            Le.put64(tables, i * 24 + 12, map.get(i).size());
            Le.put32(tables, i * 24 + 20, map.get(i).type());
        }
        Le.put32(tables, MODULES, module.address());
        Le.put32(tables, MODULES + 4, module.address() + module.size());
        byte[] name = "serai".getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(name, 0, tables, NAME, name.length);
        ram.memory.write(BootLayout.TABLES, tables);

        byte[] info = new byte[120];
        Le.put32(info, 0, 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9); // memory, cmdline, modules, mmap, loader name
        Le.put32(info, 4, BootLayout.EBDA >>> 10);
        Le.put32(info, 8, ram.map.lowRamEnd() - BootLayout.HIGH >>> 10);
        Le.put32(info, 16, BootLayout.CMDLINE);
        Le.put32(info, 20, module.size() == 0 ? 0 : 1);
        Le.put32(info, 24, module.size() == 0 ? 0 : BootLayout.TABLES + MODULES);
        Le.put32(info, 44, n * 24L);
        Le.put32(info, 48, BootLayout.TABLES);
        Le.put32(info, 64, BootLayout.TABLES + NAME);
        ram.memory.write(BootLayout.INFO, info);
    }
}
