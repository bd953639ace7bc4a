package serai.machine.cpuid;

import java.nio.charset.StandardCharsets;
import serai.machine.engine.CpuModel;

/**
 * The CPU model {@code x86-64-v1}: the baseline of the x86-64 psABI with what a paravirtual PC wants beside it. CPUID promises
 * exactly what the java engine does; SDM vol. 2, CPUID.
 *
 * <p>The vendor is GenuineIntel, so that kernels take the TSC's frequency from leaf 0x15; IA32_ARCH_CAPABILITIES tells that the
 * speculation flaws of that family are not here, so that they don't pay for mending them.
 */
public final class X86V1Model implements CpuModel {
    /** Bits of leaf 1, EDX. */
    private enum Edx1 {
        FPU(0),
        DE(2),
        PSE(3),
        TSC(4),
        MSR(5),
        PAE(6),
        MCE(7),
        CX8(8),
        APIC(9),
        SEP(11),
        PGE(13),
        MCA(14),
        CMOV(15),
        PAT(16),
        CLFSH(19),
        MMX(23),
        FXSR(24),
        SSE(25),
        SSE2(26);

        final int bit;

        Edx1(int n) {
            bit = 1 << n;
        }
    }

    /** Bits of leaf 1, ECX. */
    private enum Ecx1 {
        SSE3(0),
        SSSE3(9),
        CX16(13),
        X2APIC(21),
        TSC_DEADLINE(24),
        HYPERVISOR(31);

        final int bit;

        Ecx1(int n) {
            bit = 1 << n;
        }
    }

    /** Bits of leaf 0x80000001, EDX. */
    private enum EdxExtended {
        SYSCALL(11),
        NX(20),
        PDPE1GB(26),
        RDTSCP(27),
        LM(29);

        final int bit;

        EdxExtended(int n) {
            bit = 1 << n;
        }
    }

    private static final int LAHF = 1;
    private static final int ARCH_CAPABILITIES = 1 << 29;
    /** With it (and the constant TSC) Linux trusts the TSC and does not watch it with a slower clock. */
    private static final int TSC_ADJUST = 1 << 1;
    /** The x87 unit keeps no selectors. */
    private static final int FCS_FDS_DEPRECATED = 1 << 13;

    private static final int ARAT = 1 << 2;
    private static final int INVARIANT_TSC = 1 << 8;
    private static final int HTT = 1 << 28;
    /** Family 6, model 0x3a, stepping 9. */
    private static final int SIGNATURE = 0x306a9;

    private static final int MAX_BASIC = 0x16;
    private static final int MAX_EXTENDED = 0x80000008;
    private static final int HYPERVISOR_BASE = 0x40000000;
    private static final int HYPERVISOR_TIMING = 0x40000010;
    private static final int PHYSICAL_BITS = 40;
    private static final int LINEAR_BITS = 48;
    private static final String VENDOR = "GenuineIntel";
    private static final String HYPERVISOR_VENDOR = "SeraiSerai\0\0";
    private static final String BRAND = "Serai virtual CPU";

    private final int cpus;

    /** A model for a machine of so many vCPUs. */
    public X86V1Model(int cpus) {
        this.cpus = cpus;
    }

    @Override
    public String name() {
        return "x86-64-v1";
    }

    private static int word(String s, int at) {
        byte[] b = s.getBytes(StandardCharsets.US_ASCII);
        int v = 0;
        for (int i = 0; i < 4; i++) {
            v |= (at + i < b.length ? b[at + i] & 0xff : 0) << i * 8;
        }
        return v;
    }

    @Override
    public Leaf cpuid(int leaf, int subleaf, int apicId) {
        return switch (leaf) {
            case 0 -> new Leaf(MAX_BASIC, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4));
            case 1 -> features(apicId);
            case 4 -> cache(subleaf);
            // no MONITOR, no power management but an APIC timer that never stops
            case 6 -> new Leaf(ARAT, 0, 0, 0);
            case 7 -> subleaf == 0 ? new Leaf(0, TSC_ADJUST | FCS_FDS_DEPRECATED, 0, ARCH_CAPABILITIES) : Leaf.NONE;
            case 0xb -> topology(subleaf, apicId);
            case 0x15 -> new Leaf(1, (int) (TSC_HZ / APIC_HZ), (int) APIC_HZ, 0);
            case 0x16 -> new Leaf((int) (TSC_HZ / 1_000_000), (int) (TSC_HZ / 1_000_000), 100, 0);
            case HYPERVISOR_BASE ->
                new Leaf(
                        HYPERVISOR_TIMING,
                        word(HYPERVISOR_VENDOR, 0),
                        word(HYPERVISOR_VENDOR, 4),
                        word(HYPERVISOR_VENDOR, 8));
            case HYPERVISOR_TIMING -> new Leaf((int) (TSC_HZ / 1000), (int) (APIC_HZ / 1000), 0, 0);
            case 0x80000000 -> new Leaf(MAX_EXTENDED, 0, 0, 0);
            case 0x80000001 -> extendedFeatures();
            case 0x80000002, 0x80000003, 0x80000004 -> {
                int at = (leaf - 0x80000002) * 16;
                yield new Leaf(word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12));
            }
            case 0x80000006 -> new Leaf(0, 0, 256 << 16 | 6 << 12 | 64, 0);
            case 0x80000007 -> new Leaf(0, 0, 0, INVARIANT_TSC);
            case MAX_EXTENDED -> new Leaf(LINEAR_BITS << 8 | PHYSICAL_BITS, 0, 0, 0);
            default -> Leaf.NONE;
        };
    }

    private Leaf features(int apicId) {
        int edx = cpus > 1 ? HTT : 0;
        for (Edx1 f : Edx1.values()) {
            edx |= f.bit;
        }
        int ecx = 0;
        for (Ecx1 f : Ecx1.values()) {
            ecx |= f.bit;
        }
        return new Leaf(SIGNATURE, apicId << 24 | cpus << 16 | 8 << 8, ecx, edx);
    }

    private static Leaf extendedFeatures() {
        int edx = 0;
        for (EdxExtended f : EdxExtended.values()) {
            edx |= f.bit;
        }
        return new Leaf(0, 0, LAHF, edx);
    }

    /** 32 KiB of L1 for data and for code, 256 KiB of L2; all eight-way with lines of 64 bytes. */
    private Leaf cache(int subleaf) {
        int cores = cpus - 1 << 26;
        return switch (subleaf) {
            case 0 -> new Leaf(1 | 1 << 5 | 1 << 8 | cores, 7 << 22 | 63, 63, 0);
            case 1 -> new Leaf(2 | 1 << 5 | 1 << 8 | cores, 7 << 22 | 63, 63, 0);
            case 2 -> new Leaf(3 | 2 << 5 | 1 << 8 | cores, 7 << 22 | 63, 511, 0);
            default -> Leaf.NONE;
        };
    }

    /** One thread a core, all cores in one package. */
    private Leaf topology(int subleaf, int apicId) {
        int bits = 32 - Integer.numberOfLeadingZeros(cpus - 1);
        return switch (subleaf) {
            case 0 -> new Leaf(0, 1, 1 << 8, apicId);
            case 1 -> new Leaf(bits, cpus, 2 << 8 | 1, apicId);
            default -> new Leaf(0, 0, subleaf & 0xff, apicId);
        };
    }
}
