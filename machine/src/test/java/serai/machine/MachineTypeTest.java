package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuModel.Leaf;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/** Machine type pc-1.0 as a guest finds it, down to the byte. Golden says what a difference means. */
class MachineTypeTest {
    private static final int[] SLOTS = {
        Layout.HOST_BRIDGE_SLOT,
        Layout.CONSOLE_SLOT,
        Layout.RNG_SLOT,
        Layout.FIRST_DISK_SLOT,
        Layout.FIRST_DISK_SLOT + 1,
        Layout.LPC_SLOT
    };

    @TempDir
    Path dir = Path.of("");

    @Test
    void portsAndAddresses() {
        try (TestPc pc = new TestPc()) {
            Golden.check("addresses.txt", String.join("\n", pc.machine.addressMap()) + "\n");
        }
    }

    @Test
    void localApicPageAndMessages() {
        try (TestPc pc = new TestPc()) {
            assertEquals(0x50014, pc.host().mmioRead(Layout.LAPIC_BASE + 0x30, 4));
            assertEquals(0x170011, ioApicVersion(pc.host()));
        }
    }

    private static long ioApicVersion(VcpuHost h) {
        h.mmioWrite(Layout.IOAPIC_BASE, 4, 1);
        return h.mmioRead(Layout.IOAPIC_BASE + 0x10, 4);
    }

    @Test
    void pciFunctions() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = new TestPc()) {
            for (int slot = 0; slot < 32; slot++) {
                for (int function = 0; function < 8; function++) {
                    long at = Layout.ECAM_BASE + ((long) slot << 15) + (function << 12);
                    if (pc.host().mmioRead(at, 2) != 0xffff) {
                        s.append("slot %d, function %d\n".formatted(slot, function));
                        s.append(Golden.hex(config(pc.host(), at)));
                        bars(s, pc.host(), at);
                    }
                }
            }
        }
        Golden.check("pci.txt", s.toString());
    }

    /** With SATA: the adapter, its registers, and what its devices say of themselves. */
    @Test
    void ahci() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = TestPc.withAll()) {
            long at = Layout.ECAM_BASE + ((long) Layout.AHCI_SLOT << 15);
            s.append(Golden.hex(config(pc.host(), at)));
            bars(s, pc.host(), at);
            long abar = pc.config(Layout.AHCI_SLOT, 0x24) & 0xfffffff0L;
            for (int i = 0; i < 0x200; i += 4) {
                long v = pc.host().mmioRead(abar + i, 4);
                if (v != 0) {
                    s.append("register %03x: %08x\n".formatted(i, v));
                }
            }
            for (int port = 0; port < 2; port++) {
                pc.startAhci(port);
                pc.ahci().command(port, 0, port == 0 ? 0xec : 0xa1, 0, 0, 0, 512);
                s.append("port %d\n".formatted(port))
                        .append(Golden.hex(pc.memory.read(pc.ahci().data(port), 512)));
            }
        }
        Golden.check("ahci.txt", s.toString());
    }

    /** The network interfaces. */
    @Test
    void network() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = TestPc.withAll()) {
            for (int slot : new int[] {TestPc.NET_SLOT, TestPc.E1000_SLOT}) {
                long at = Layout.ECAM_BASE + ((long) slot << 15);
                s.append(Golden.hex(config(pc.host(), at)));
                bars(s, pc.host(), at);
            }
            VcpuHost h = pc.host();
            long bar = pc.bar4(TestPc.NET_SLOT);
            h.mmioWrite(bar, 4, 0);
            s.append("features %08x, %d queues\n".formatted(h.mmioRead(bar + 4, 4), h.mmioRead(bar + 18, 2)));
            for (int i = 0; i < 16; i += 4) {
                s.append("configuration %x: %08x\n".formatted(i, h.mmioRead(bar + 0x2000 + i, 4)));
            }
            for (int i = 0; i < 0x6000; i += 4) {
                int v = pc.e1000().register(i);
                if (v != 0) {
                    s.append("register %04x: %08x\n".formatted(i, v));
                }
            }
            for (int i = 0; i < 64; i++) {
                pc.e1000().register(0x14, i << 8 | 1);
                int v = pc.e1000().register(0x14) >>> 16;
                if (v != 0) {
                    s.append("EEPROM %02x: %04x\n".formatted(i, v));
                }
            }
            for (int i = 0; i < 32; i++) {
                pc.e1000().register(0x20, 2 << 26 | 1 << 21 | i << 16);
                int v = pc.e1000().register(0x20) & 0xffff;
                if (v != 0) {
                    s.append("transceiver %02x: %04x\n".formatted(i, v));
                }
            }
        }
        Golden.check("network.txt", s.toString());
    }

    private static byte[] config(VcpuHost h, long at) {
        byte[] b = new byte[4096];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) h.mmioRead(at + i, 1);
        }
        return b;
    }

    /** The sizes, found as firmware does (PCI 3.0, 6.2.5.1), and the bits a guest may write. */
    private static void bars(StringBuilder s, VcpuHost h, long at) {
        long command = h.mmioRead(at + 4, 2);
        h.mmioWrite(at + 4, 2, 0);
        for (int bar = 0x10; bar < 0x28; bar += 4) {
            long old = h.mmioRead(at + bar, 4);
            h.mmioWrite(at + bar, 4, 0xffffffffL);
            long mask = h.mmioRead(at + bar, 4);
            h.mmioWrite(at + bar, 4, old);
            if (mask != 0) {
                s.append("BAR %d: writable %08x\n".formatted((bar - 0x10) / 4, mask));
            }
        }
        h.mmioWrite(at + 4, 2, 0xffff);
        s.append("command: writable %04x\n".formatted(h.mmioRead(at + 4, 2)));
        h.mmioWrite(at + 4, 2, command);
    }

    @Test
    void pciInterrupts_areTheSlotsOwn() {
        StringBuilder s = new StringBuilder();
        for (int slot : SLOTS) {
            s.append("slot %d: inputs %d %d %d %d\n"
                    .formatted(
                            slot,
                            Layout.pciGsi(slot, 0),
                            Layout.pciGsi(slot, 1),
                            Layout.pciGsi(slot, 2),
                            Layout.pciGsi(slot, 3)));
        }
        Golden.check("pci-interrupts.txt", s.toString());
    }

    @Test
    void virtioFeaturesAndConfigurations() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = new TestPc()) {
            for (int slot = Layout.CONSOLE_SLOT; slot <= Layout.FIRST_DISK_SLOT; slot++) {
                VcpuHost h = pc.host();
                long bar = pc.bar4(slot);
                h.mmioWrite(bar, 4, 0);
                long low = h.mmioRead(bar + 4, 4);
                h.mmioWrite(bar, 4, 1);
                s.append("slot %d: features %08x %08x, %d queues\n"
                        .formatted(slot, h.mmioRead(bar + 4, 4), low, h.mmioRead(bar + 18, 2)));
                for (int q = 0; q < h.mmioRead(bar + 18, 2); q++) {
                    h.mmioWrite(bar + 22, 2, q);
                    s.append("  queue %d: %d entries, notified at %d\n"
                            .formatted(q, h.mmioRead(bar + 24, 2), h.mmioRead(bar + 30, 2)));
                }
                byte[] config = new byte[64];
                for (int i = 0; i < config.length; i++) {
                    config[i] = (byte) h.mmioRead(bar + 0x2000 + i, 1);
                }
                s.append(Golden.hex(config));
            }
        }
        Golden.check("virtio.txt", s.toString());
    }

    @Test
    void cmos() {
        byte[] b = new byte[128];
        try (TestPc pc = new TestPc()) {
            for (int i = 0; i < b.length; i++) {
                pc.host().portWrite(0x70, 1, i);
                b[i] = (byte) pc.host().portRead(0x71, 1);
            }
        }
        Golden.check("cmos.txt", Golden.hex(b));
    }

    @Test
    void cpuid() {
        StringBuilder s = new StringBuilder();
        for (int cpus : new int[] {1, 4}) {
            for (X86Model model : List.of(X86Model.v1(cpus), X86Model.v2(cpus), X86Model.v3(cpus))) {
                s.append("%s, %d CPUs, the last\n".formatted(model.name(), cpus));
                leaves(s, model, cpus - 1);
            }
        }
        Golden.check("cpuid.txt", s.toString());
    }

    private static void leaves(StringBuilder s, X86Model model, int cpu) {
        for (long base : new long[] {0, 0x40000000L, 0x80000000L}) {
            for (int leaf = (int) base; leaf < (int) base + 0x30; leaf++) {
                for (int sub = 0; sub < 8; sub++) {
                    Leaf l = model.cpuid(leaf, sub, cpu);
                    if (!l.equals(Leaf.NONE) && (sub == 0 || !l.equals(model.cpuid(leaf, 0, cpu)))) {
                        s.append("%08x.%d: %08x %08x %08x %08x\n"
                                .formatted(leaf, sub, l.eax(), l.ebx(), l.ecx(), l.edx()));
                    }
                }
            }
        }
    }

    // ---- ACPI ----

    /** The tables by signature, with where they lie, found as a guest does. */
    private static Map<String, Long> tables(GuestMemory m) {
        Map<String, Long> found = new LinkedHashMap<>();
        assertEquals("RSD PTR ", ascii(m, Layout.ACPI_RSDP, 8));
        long xsdt = m.readLong(Layout.ACPI_RSDP + 24);
        found.put("XSDT", xsdt);
        for (int i = 36; i < m.readInt(xsdt + 4); i += 8) {
            long t = m.readLong(xsdt + i);
            found.put(ascii(m, t, 4), t);
        }
        long fadt = found.getOrDefault("FACP", 0L);
        found.put("FACS", m.readLong(fadt + 132));
        found.put("DSDT", m.readLong(fadt + 140));
        return found;
    }

    private static String ascii(GuestMemory m, long at, int length) {
        return new String(m.read(at, length), StandardCharsets.US_ASCII);
    }

    private static byte[] table(GuestMemory m, long at) {
        return m.read(at, m.readInt(at + 4));
    }

    @Test
    void acpiTables() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = new TestPc()) {
            s.append("RSDP at %x\n".formatted(Layout.ACPI_RSDP))
                    .append(Golden.hex(pc.memory.read(Layout.ACPI_RSDP, 36)));
            tables(pc.memory).forEach((name, at) -> s.append("%s at %x\n".formatted(name, at))
                    .append(Golden.hex(table(pc.memory, at))));
        }
        Golden.check("acpi.txt", s.toString());
    }

    /** With an HPET: what differs from the tables without. */
    @Test
    void acpiTables_withHpet() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = TestPc.withHpet()) {
            Map<String, Long> t = tables(pc.memory);
            for (String name : List.of("HPET", "DSDT")) {
                long at = t.getOrDefault(name, 0L);
                s.append("%s at %x\n".formatted(name, at)).append(Golden.hex(table(pc.memory, at)));
            }
            pc.machine.addressMap().stream().filter(l -> l.contains("hpet")).forEach(l -> s.append(l)
                    .append('\n'));
        }
        Golden.check("hpet.txt", s.toString());
    }

    /** With room for vCPUs: what differs from the tables without. */
    @Test
    void acpiTables_withRoomForCpus() {
        StringBuilder s = new StringBuilder();
        try (TestPc pc = TestPc.withRoomForCpus()) {
            Map<String, Long> t = tables(pc.memory);
            for (String name : List.of("APIC", "DSDT")) {
                s.append(name).append('\n').append(Golden.hex(table(pc.memory, t.getOrDefault(name, 0L))));
            }
            pc.machine.addressMap().stream()
                    .filter(l -> l.contains("cpu-hotplug"))
                    .forEach(l -> s.append(l).append('\n'));
        }
        Golden.check("cpus.txt", s.toString());
    }

    @Test
    void acpiTables_sumUpToZero() {
        try (TestPc pc = TestPc.withAll()) {
            assertEquals(0, sum(pc.memory.read(Layout.ACPI_RSDP, 20)));
            assertEquals(0, sum(pc.memory.read(Layout.ACPI_RSDP, 36)));
            tables(pc.memory).forEach((name, at) -> {
                if (!name.equals("FACS")) {
                    assertEquals(0, sum(table(pc.memory, at)), name);
                }
            });
        }
    }

    private static int sum(byte[] b) {
        int n = 0;
        for (byte x : b) {
            n += x;
        }
        return n & 0xff;
    }

    /** ACPICA reads every table, and compiles what it made of the DSDT, without a word of complaint. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void acpiTables_pleaseTheReferenceCompiler(boolean all) throws Exception {
        assumeTrue(onPath("iasl"), "capability: iasl");
        try (TestPc pc = all ? TestPc.withAll() : new TestPc()) {
            for (Map.Entry<String, Long> t : tables(pc.memory).entrySet()) {
                String name = t.getKey().toLowerCase(java.util.Locale.ROOT);
                Files.write(dir.resolve(name + ".dat"), table(pc.memory, t.getValue()));
                String said = iasl("-d", name + ".dat");
                assertFalse(complains(said), () -> name + ": " + said);
                String source = Files.readString(dir.resolve(name + ".dsl"));
                assertFalse(complains(source), () -> name + ": " + source);
                if (name.equals("dsdt")) {
                    String compiled = iasl("-tc", name + ".dsl");
                    assertTrue(compiled.contains("0 Errors, 0 Warnings, 0 Remarks"), compiled);
                    assertFalse(complains(compiled.replace("0 Errors, 0 Warnings", "")), compiled);
                }
            }
        }
    }

    private static boolean complains(String s) {
        return s.contains("rror") || s.contains("arning") || s.contains("nvalid") || s.contains("Incorrect");
    }

    private static boolean onPath(String program) {
        for (String d : String.valueOf(System.getenv("PATH")).split(File.pathSeparator, -1)) {
            if (Files.isExecutable(Path.of(d, program))) {
                return true;
            }
        }
        return false;
    }

    private String iasl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("iasl"));
        command.addAll(List.of(arguments));
        Path out = dir.resolve("out");
        Process p = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertTrue(p.waitFor(60, TimeUnit.SECONDS), "iasl hangs");
        String said = Files.readString(out);
        assertEquals(0, p.exitValue(), said);
        return said;
    }
}
