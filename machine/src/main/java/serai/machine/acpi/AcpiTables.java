package serai.machine.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import serai.machine.Layout;
import serai.machine.hpet.Hpet;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciHotplug;
import serai.machine.pm.PowerManagement;

/**
 * RSDP, XSDT, FADT, FACS, MADT, MCFG and DSDT; with NUMA nodes SRAT and SLIT, with memory that can be plugged SRAT, with an HPET its table. The hardware is full, not reduced: PM1 blocks, PM timer and SCI are there, in ACPI
 * mode from the start (no SMI command port).
 */
public final class AcpiTables {
    private static final int HEADER = 36;
    private static final int GAS_IO = 1;
    /** The shortest period of the HPET that loses no interrupt: 128 us. */
    private static final int HPET_MIN_TICKS = 12_800;
    /** Flags of a local APIC: its CPU is there, or can come while the machine runs. */
    static final int ENABLED = 1, ONLINE_CAPABLE = 2;

    private AcpiTables() {}

    /**
     * Writes the tables.
     *
     * @param cpus the vCPUs, which come and go or not
     * @param numa the nodes that they and the memory are in
     * @param hpet whether there is an HPET
     * @return the guest-physical address of the RSDP
     */
    public static long build(GuestMemory memory, Processors cpus, Numa numa, boolean hpet) {
        long facs = Facs.ADDRESS;
        memory.write(facs, Facs.table());
        long dsdt = facs + Facs.LENGTH;
        byte[] dsdtBytes = table("DSDT", 2, dsdt(cpus, numa, hpet));
        memory.write(dsdt, dsdtBytes);
        long at = align(dsdt + dsdtBytes.length);
        List<Long> tables = new ArrayList<>();
        List<byte[]> all = new ArrayList<>(List.of(fadt(facs, dsdt), madt(cpus), mcfg()));
        if (!numa.nodes().isEmpty()) {
            all.add(table("SRAT", 3, AffinityTables.srat(numa, memory)));
            all.add(table("SLIT", 1, AffinityTables.slit(numa)));
        }
        if (hpet) {
            all.add(hpet());
        }
        if (numa.nodes().isEmpty() && memory.pluggable() != null) {
            all.add(table("SRAT", 3, AffinityTables.srat(Numa.one(cpus.possible(), memory.ramSize()), memory)));
        }
        for (byte[] t : all) {
            memory.write(at, t);
            tables.add(at);
            at = align(at + t.length);
        }
        ByteBuffer entries = buffer(tables.size() * 8);
        tables.forEach(entries::putLong);
        memory.write(at, table("XSDT", 1, entries.array()));
        memory.write(Layout.ACPI_RSDP, rsdp(at));
        return Layout.ACPI_RSDP;
    }

    private static long align(long a) {
        return a + 15 & ~15L;
    }

    private static ByteBuffer buffer(int n) {
        return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte checksum(byte[] b, int length) {
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum += b[i];
        }
        return (byte) -sum;
    }

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.US_ASCII);
    }

    /** The header of 5.2.6 before a body. */
    private static byte[] table(String signature, int revision, byte[] body) {
        ByteBuffer b = buffer(HEADER + body.length);
        b.put(ascii(signature))
                .putInt(HEADER + body.length)
                .put((byte) revision)
                .put((byte) 0);
        b.put(ascii("SERAI "))
                .put(ascii("PC-1.0  "))
                .putInt(1)
                .put(ascii("SERA"))
                .putInt(1);
        b.put(body);
        b.put(9, checksum(b.array(), b.capacity()));
        return b.array();
    }

    /** 5.2.5.3. */
    private static byte[] rsdp(long xsdt) {
        ByteBuffer b = buffer(36);
        b.put(ascii("RSD PTR ")).put((byte) 0).put(ascii("SERAI ")).put((byte) 2);
        b.putInt(0).putInt(36).putLong(xsdt);
        b.put(8, checksum(b.array(), 20));
        b.put(32, checksum(b.array(), 36));
        return b.array();
    }

    /** 5.2.9, revision 6.5. */
    private static byte[] fadt(long facs, long dsdt) {
        ByteBuffer b = buffer(276 - HEADER);
        int o = -HEADER;
        b.putInt(o + 36, (int) facs);
        b.putInt(o + 40, (int) dsdt);
        b.putShort(o + 46, (short) Layout.SCI_IRQ);
        b.putInt(o + 56, Layout.PM_BASE);
        b.putInt(o + 64, Layout.PM_BASE + 4);
        b.putInt(o + 76, Layout.PM_BASE + 8);
        b.putInt(o + 80, Layout.PM_BASE + 0x20);
        b.put(o + 88, (byte) 4); // PM1 event length
        b.put(o + 89, (byte) 2); // PM1 control length
        b.put(o + 91, (byte) 4); // PM timer length
        b.put(o + 92, (byte) 4); // GPE0 length
        b.putShort(o + 96, (short) 0xfff); // no C2
        b.putShort(o + 98, (short) 0xfff); // no C3
        b.put(o + 108, (byte) 0x32); // century
        b.putShort(o + 109, (short) 1); // legacy devices, no 8042
        // WBINVD, C1, sleep button absent, 32-bit PM timer, reset register; the RTC's alarm is in fixed space, and
        // wakes from S3 only
        b.putInt(o + 112, 1 | 1 << 2 | 1 << 5 | 1 << 8 | 1 << 10);
        gas(b, o + 116, 8, PowerManagement.RESET_PORT, 1);
        b.put(o + 128, (byte) 6); // reset value: full, by the CPU
        b.put(o + 131, (byte) 5); // minor revision
        b.putLong(o + 132, facs);
        b.putLong(o + 140, dsdt);
        gas(b, o + 148, 32, Layout.PM_BASE, 3);
        gas(b, o + 172, 16, Layout.PM_BASE + 4, 2);
        gas(b, o + 208, 32, Layout.PM_BASE + 8, 3);
        gas(b, o + 220, 32, Layout.PM_BASE + 0x20, 1);
        b.put(o + 268, ascii("SERAI")); // hypervisor vendor identity
        return table("FACP", 6, b.array());
    }

    /** A generic address (5.2.3.2) in port space. */
    private static void gas(ByteBuffer b, int at, int bits, int port, int access) {
        b.put(at, (byte) GAS_IO).put(at + 1, (byte) bits).put(at + 2, (byte) 0).put(at + 3, (byte) access);
        b.putLong(at + 4, port);
    }

    /** 5.2.12. */
    private static byte[] madt(Processors cpus) {
        ByteBuffer b = buffer(8 + cpus.possible() * 8 + 12 + 2 * 10 + 6);
        b.putInt((int) Layout.LAPIC_BASE).putInt(1); // PC-AT compatible: 8259s
        for (int i = 0; i < cpus.possible(); i++) {
            b.put(localApic(i, cpus.has(i) ? ENABLED : ONLINE_CAPABLE));
        }
        b.put((byte) 1)
                .put((byte) 12)
                .put((byte) 0)
                .put((byte) 0)
                .putInt((int) Layout.IOAPIC_BASE)
                .putInt(0);
        sourceOverride(b, 0, 2, 0);
        sourceOverride(b, Layout.SCI_IRQ, Layout.SCI_IRQ, 0xd); // level, active-high
        b.put((byte) 4).put((byte) 6).put((byte) 0xff).putShort((short) 0).put((byte) 1); // NMI on LINT1
        return table("APIC", 5, b.array());
    }

    /** The processor local APIC structure (5.2.12.2) of a vCPU. */
    static byte[] localApic(int cpu, int flags) {
        return buffer(8)
                .put((byte) 0)
                .put((byte) 8)
                .put((byte) cpu)
                .put((byte) cpu)
                .putInt(flags)
                .array();
    }

    private static void sourceOverride(ByteBuffer b, int irq, int gsi, int flags) {
        b.put((byte) 2).put((byte) 10).put((byte) 0).put((byte) irq).putInt(gsi).putShort((short) flags);
    }

    /** PCI firmware specification 3.3, 4.1.2. */
    private static byte[] mcfg() {
        ByteBuffer b = buffer(8 + 16);
        b.putLong(0).putLong(Layout.ECAM_BASE).putShort((short) 0).put((byte) 0).put((byte) (Layout.ECAM_BUSES - 1));
        return table("MCFG", 1, b.array());
    }

    /** IA-PC HPET specification 1.0a, 3.2.4. */
    private static byte[] hpet() {
        ByteBuffer b = buffer(56 - HEADER);
        b.putInt(Hpet.ID);
        b.put((byte) 0).put((byte) 64).put((byte) 0).put((byte) 0).putLong(Layout.HPET_BASE);
        b.put((byte) 0); // its number
        b.putShort((short) HPET_MIN_TICKS);
        b.put((byte) 0); // nothing is said of who else is on its page
        return table("HPET", 1, b.array());
    }

    // ---- DSDT ----

    private static byte[] dsdt(Processors cpus, Numa numa, boolean hpet) {
        byte[] pci = Aml.device(
                "PCI0",
                Aml.name("_HID", Aml.eisaId("PNP0A08")),
                Aml.name("_CID", Aml.eisaId("PNP0A03")),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_BBN", Aml.integer(0)),
                Aml.name(
                        "_CRS",
                        Aml.resources(
                                Aml.wordBus(0, Layout.ECAM_BUSES - 1),
                                Aml.io(0xcf8, 8),
                                Aml.wordIo(0, 0xcf7),
                                Aml.wordIo(0xd00, 0xffff),
                                Aml.dwordMemory(Layout.PCI_WINDOW_32, Layout.PCI_WINDOW_32_END - 1),
                                Aml.qwordMemory(Layout.PCI_WINDOW_64, Layout.PCI_WINDOW_64_END - 1))),
                Aml.name("_PRT", routing()),
                PciHotplugAml.bus());
        byte[] ecam = Aml.device(
                "MBRD",
                Aml.name("_HID", Aml.eisaId("PNP0C02")),
                Aml.name("_UID", Aml.integer(1)),
                Aml.name(
                        "_CRS",
                        Aml.resources(
                                memory32(Layout.ECAM_BASE, Layout.ECAM_BUSES << 20),
                                Aml.io(Layout.PM_BASE, PowerManagement.PORTS),
                                Aml.io(Layout.PCI_HOTPLUG_BASE, PciHotplug.PORTS))));
        byte[] com = Aml.device(
                "COM1",
                Aml.name("_HID", Aml.eisaId("PNP0501")),
                Aml.name("_UID", Aml.integer(1)),
                Aml.name("_CRS", Aml.resources(Aml.io(Layout.UART_BASE, 8), Aml.irq(4))));
        byte[] rtc = Aml.device(
                "RTC_",
                Aml.name("_HID", Aml.eisaId("PNP0B00")),
                Aml.name("_CRS", Aml.resources(Aml.io(0x70, 2), Aml.irq(8))));
        byte[] timers = hpet
                ? Aml.device(
                        "HPET",
                        Aml.name("_HID", Aml.eisaId("PNP0103")),
                        Aml.name("_UID", Aml.integer(0)),
                        Aml.name("_CRS", Aml.resources(memory32(Layout.HPET_BASE, Hpet.SIZE))))
                : new byte[0];
        byte[] sleep = Aml.join(
                sleepState("\\_S3_", PowerManagement.SLEEP_S3),
                sleepState("\\_S4_", PowerManagement.SLEEP_S4),
                sleepState("\\_S5_", PowerManagement.SLEEP_S5));
        byte[] none = {};
        byte[] processors = cpus.pluggable() ? CpuHotplugAml.devices(cpus, numa) : none;
        byte[] processorEvent = cpus.pluggable() ? CpuHotplugAml.event() : none;
        return Aml.join(
                Aml.scope("\\_SB_", pci, ecam, com, rtc, timers, processors),
                sleep,
                Aml.scope("\\_GPE", PciHotplugAml.event(), processorEvent));
    }

    /** 7.4.2: what to write into PM1a control's sleep type. */
    private static byte[] sleepState(String name, int type) {
        return Aml.name(name, Aml.pack(Aml.integer(type), Aml.integer(0), Aml.integer(0), Aml.integer(0)));
    }

    /** Memory32Fixed (6.4.3.4). */
    private static byte[] memory32(long base, long size) {
        return Aml.join(new byte[] {(byte) 0x86, 9, 0, 1}, Aml.le(base, 4), Aml.le(size, 4));
    }

    /** All four pins of all slots, straight to inputs of the I/O APIC (6.2.13). */
    private static byte[] routing() {
        byte[][] entries = new byte[32 * 4][];
        for (int slot = 0; slot < 32; slot++) {
            for (int pin = 0; pin < 4; pin++) {
                entries[slot * 4 + pin] = Aml.pack(
                        Aml.integer((long) slot << 16 | 0xffff),
                        Aml.integer(pin),
                        Aml.integer(0),
                        Aml.integer(Layout.pciGsi(slot, pin)));
            }
        }
        return Aml.pack(entries);
    }
}
