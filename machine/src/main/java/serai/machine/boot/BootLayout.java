package serai.machine.boot;

/**
 * Guest-physical addresses of what the loader adds. All of it lies just below the extended BIOS data area, where boot
 * loaders of PCs have always put it, so that small guests linked low don't collide with it.
 *
 * <pre>
 *   0x00000..0x8ffff   free
 *   0x90000            GDT
 *   0x91000            boot_params, hvm_start_info or multiboot info
 *   0x92000            memory map and module list (PVH, multiboot)
 *   0x93000..0x98fff   page tables: PML4, PDPT, four PDs mapping 4 GiB by 2-MiB pages
 *   0x99000..0x9efff   command line, zero-terminated
 *   0x9fc00..0x9ffff   extended BIOS data area, reserved
 *   0xa0000..0xfffff   VGA hole, option ROMs; from 0xe0000 reserved: BIOS and ACPI tables
 *   0x100000..         kernel; initrd at the top
 * </pre>
 */
final class BootLayout {
    static final long GDT = 0x90000;
    static final long INFO = 0x91000;
    static final long TABLES = 0x92000;
    static final long PAGE_TABLES = 0x93000;
    static final long CMDLINE = 0x99000;
    static final int CMDLINE_MAX = 0x5fff;
    static final long BOOT_DATA = GDT;
    static final long BOOT_DATA_END = 0x9f000;
    static final long EBDA = 0x9fc00;
    static final long LOW_END = 0xa0000;
    static final long BIOS = 0xe0000;
    static final long HIGH = 0x100000;

    private BootLayout() {}
}
