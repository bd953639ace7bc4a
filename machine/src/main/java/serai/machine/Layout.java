package serai.machine;

/**
 * The address map of machine type {@value #MACHINE_TYPE}: memory, ports, interrupts and PCI slots. A guest may rely on every number here, so
 * none changes without a new machine type.
 *
 * <pre>
 *           0 - 9ffff           RAM
 *       a0000 - dffff           RAM, told to the guest as reserved with the next
 *       e0000 - fffff           RAM, ACPI tables (e0000), RSDP (f0000)
 *      100000 - bfffffff        RAM, as far as it goes
 *    c0000000 - dfffffff        PCI memory window, 32 bits
 *    e0000000 - efffffff        PCI Express configuration space, 256 buses
 *    fec00000                   I/O APIC
 *    fed00000                   HPET, if there is one
 *    fee00000                   local APICs
 *   100000000 - …               RAM past the first 3 GiB; from the next GiB boundary on what can be plugged, if any
 *  8000000000 - bfffffffff      PCI memory window, 64 bits
 * </pre>
 */
public final class Layout {
    /** The machine type's name. */
    public static final String MACHINE_TYPE = "pc-1.0";

    private static final long GIB = 1L << 30;

    /** RAM below 4 GiB ends here at the latest; the rest begins at {@link #HIGH_RAM}. */
    public static final long LOW_RAM_END = 0xc0000000L;
    /** Where RAM past the hole begins. */
    public static final long HIGH_RAM = 0x1_0000_0000L;

    /** FACS, DSDT, FADT, MADT, MCFG, XSDT. */
    public static final long ACPI_TABLES = 0xe0000;
    /** The RSDP, where a scan of the BIOS area finds it. */
    public static final long ACPI_RSDP = 0xf0000;

    /** Three page tables for who wakes in long mode (ACPI 6.5, 5.2.10), in what the guest takes for the firmware's. */
    public static final long WAKE_PAGE_TABLES = 0xd0000;

    public static final long PCI_WINDOW_32 = 0xc0000000L;
    public static final long PCI_WINDOW_32_END = 0xe0000000L;
    public static final long PCI_WINDOW_64 = 0x80_0000_0000L;
    public static final long PCI_WINDOW_64_END = 0xc0_0000_0000L;
    /** Ports for BARs. */
    public static final int PCI_PORTS = 0xc000;

    public static final int PCI_PORTS_END = 0x10000;
    public static final long ECAM_BASE = 0xe0000000L;
    public static final int ECAM_BUSES = 256;
    public static final long IOAPIC_BASE = 0xfec00000L;
    /** {@link serai.machine.hpet.Hpet}; where Intel's chipsets have it. */
    public static final long HPET_BASE = 0xfed00000L;

    public static final long LAPIC_BASE = 0xfee00000L;

    public static final int UART_BASE = 0x3f8;
    /** ACPI fixed hardware, {@link serai.machine.pm.PowerManagement}. */
    public static final int PM_BASE = 0x600;

    public static final int SCI_IRQ = 9;

    /** {@link serai.machine.pci.PciHotplug}; where QEMU's ICH9 has it. */
    public static final int PCI_HOTPLUG_BASE = 0xcc0;

    /** {@link serai.machine.hotplug.CpuHotplug}, in a machine that vCPUs can be plugged into; where QEMU's ICH9 has it. */
    public static final int CPU_HOTPLUG_BASE = 0xcd8;

    // general-purpose events, GPE0 by number
    public static final int GPE_PCI_HOTPLUG = 1;
    public static final int GPE_CPU_HOTPLUG = 2;

    /** vCPUs at most. */
    public static final int MAX_CPUS = 16;

    // PCI slots of bus 0

    public static final int HOST_BRIDGE_SLOT = 0;
    public static final int CONSOLE_SLOT = 1;
    public static final int RNG_SLOT = 2;
    /** Disks given at the start, in their order. */
    public static final int FIRST_DISK_SLOT = 3;

    public static final int LAST_DISK_SLOT = 10;
    /** For network interfaces given at the start. */
    public static final int FIRST_NIC_SLOT = 11;

    public static final int LAST_NIC_SLOT = 15;
    /** What is plugged into the running machine, {@link serai.machine.pci.PciHotplug}. */
    public static final int FIRST_HOTPLUG_SLOT = 16;

    public static final int LAST_HOTPLUG_SLOT = 23;
    /** The virtio memory device, in a machine whose memory can grow. */
    public static final int MEMORY_SLOT = 24;
    /** {@link serai.machine.ahci.Ahci}, in a machine with SATA disks or CD-ROM drives. */
    public static final int AHCI_SLOT = 25;
    /** {@link serai.machine.virtio.VirtioBalloon}, in a machine that has one. */
    public static final int BALLOON_SLOT = 26;
    /** {@link serai.machine.virtio.VirtioVsock}, in a machine that has one. */
    public static final int VSOCK_SLOT = 27;
    /** {@link serai.machine.virtio.Virtio9p}, directories of the host in their order. */
    public static final int FIRST_SHARE_SLOT = 28;

    public static final int LAST_SHARE_SLOT = 30;

    public static final int LPC_SLOT = 31;

    /**
     * Where memory that can be plugged begins: past RAM, at a whole GiB, as the largest blocks in which Linux adds memory are 2 GiB, the
     * usual ones 128 MiB, and QEMU's begins so, too.
     *
     * @param ram bytes of RAM
     */
    public static long pluggableRam(long ram) {
        return HIGH_RAM + Math.max(0, ram - LOW_RAM_END) + GIB - 1 & -GIB;
    }

    /** The I/O APIC input of a slot's interrupt pin: 16 to 23. */
    public static int pciGsi(int slot, int pin) {
        return 16 + (slot + pin & 7);
    }

    private Layout() {}
}
