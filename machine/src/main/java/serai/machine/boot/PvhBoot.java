package serai.machine.boot;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Xen's PVH entry (xen/include/public/arch-x86/hvm/start_info.h): 32-bit protected mode, flat, paging off, EBX points to
 * hvm_start_info.
 *
 * <pre>
 *   hvm_start_info        0 magic 0x336ec578   4 version 1     8 flags         12 nr_modules
 *                        16 modlist 8         24 cmdline 8    32 rsdp 8        40 memmap 8
 *                        48 memmap_entries 4  52 reserved
 *   hvm_modlist_entry     0 paddr 8            8 size 8       16 cmdline 8     24 reserved 8
 *   hvm_memmap_entry      0 addr 8             8 size 8       16 type 4        20 reserved 4
 * </pre>
 */
final class PvhBoot {
    private static final int MAGIC = 0x336ec578;
    private static final int MODULES = 0xf00;
    private static final int MAX_MAP = MODULES / 24;

    private PvhBoot() {}

    static BootState load(
            KernelFile file, Elf elf, long entry, Ram ram, @Nullable KernelFile initrd, String append, long rsdp)
            throws BootException, IOException {
        Cmdline.check(file, append, BootLayout.CMDLINE_MAX);
        elf.load(ram);
        Initrd.Place module = Initrd.load(initrd, ram, elf.end(), 1L << 32);
        Cmdline.write(ram, append);

        byte[] tables = new byte[4096];
        List<MemoryRange> map = ram.map.ranges();
        int n = Math.min(map.size(), MAX_MAP);
        for (int i = 0; i < n; i++) {
            Le.put64(tables, i * 24, map.get(i).base());
            Le.put64(tables, i * 24 + 8, map.get(i).size());
            Le.put32(tables, i * 24 + 16, map.get(i).type());
        }
        Le.put64(tables, MODULES, module.address());
        Le.put64(tables, MODULES + 8, module.size());
        ram.memory.write(BootLayout.TABLES, tables);

        byte[] info = new byte[56];
        Le.put32(info, 0, MAGIC);
        Le.put32(info, 4, 1);
        Le.put32(info, 12, initrd == null ? 0 : 1);
        Le.put64(info, 16, initrd == null ? 0 : BootLayout.TABLES + MODULES);
        Le.put64(info, 24, BootLayout.CMDLINE);
        Le.put64(info, 32, rsdp);
        Le.put64(info, 40, BootLayout.TABLES);
        Le.put32(info, 48, n);
        ram.memory.write(BootLayout.INFO, info);
        return new BootState(
                BootState.Protocol.PVH,
                InitialCpu.flat32(ram.memory, entry, 0, BootLayout.INFO),
                elf.end(),
                module.address(),
                module.size());
    }
}
