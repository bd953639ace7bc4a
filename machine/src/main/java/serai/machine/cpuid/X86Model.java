package serai.machine.cpuid;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuFeature.Register;
import serai.machine.engine.CpuModel;

/**
 * The CPU models {@code x86-64-v1} to {@code x86-64-v3}: a level of the x86-64 psABI with what a paravirtual PC wants
 * beside it. CPUID promises exactly what the java engine does; SDM vol. 2, CPUID.
 *
 * <p>A level has features that it is made of, and others that the java engine has as well and that a processor under KVM may
 * lack. The latter can be taken away: {@code x86-64-v2,-sha,-rdpid} is a model of its own, by which a snapshot finds the
 * CPU again that its guest has seen.
 *
 * <p>The vendor is GenuineIntel, so that kernels take the TSC's frequency from leaf 0x15; IA32_ARCH_CAPABILITIES tells that the
 * speculation flaws of that family are not here, so that they don't pay for mending them.
 */
public final class X86Model implements CpuModel {
    /**
     * A level of the psABI.
     *
     * @param required what it is made of
     * @param optional what else a model of it has
     */
    private record Level(String label, Set<CpuFeature> required, Set<CpuFeature> optional) {
        /** A level made of {@code required} and of all that {@code below} is made of. */
        static Level of(String label, Set<CpuFeature> below, Set<CpuFeature> required, Set<CpuFeature> optional) {
            EnumSet<CpuFeature> all = EnumSet.copyOf(required);
            all.addAll(below);
            return new Level(label, Collections.unmodifiableSet(all), Collections.unmodifiableSet(optional));
        }
    }

    private static final Level V1 = Level.of(
            "x86-64-v1",
            Set.of(),
            EnumSet.of(
                    CpuFeature.FPU,
                    CpuFeature.CMOV,
                    CpuFeature.MMX,
                    CpuFeature.FXSR,
                    CpuFeature.SSE,
                    CpuFeature.SSE2,
                    CpuFeature.CLFSH),
            EnumSet.of(
                    CpuFeature.VME,
                    CpuFeature.SSE3,
                    CpuFeature.SSSE3,
                    CpuFeature.CX16,
                    CpuFeature.LAHF,
                    CpuFeature.RDTSCP));

    private static final Level V2 = Level.of(
            "x86-64-v2",
            V1.required,
            EnumSet.of(
                    CpuFeature.SSE3,
                    CpuFeature.SSSE3,
                    CpuFeature.CX16,
                    CpuFeature.LAHF,
                    CpuFeature.SSE4_1,
                    CpuFeature.SSE4_2,
                    CpuFeature.POPCNT),
            EnumSet.of(
                    CpuFeature.VME,
                    CpuFeature.PCID,
                    CpuFeature.SMEP,
                    CpuFeature.INVPCID,
                    CpuFeature.SMAP,
                    CpuFeature.UMIP,
                    CpuFeature.RDTSCP,
                    CpuFeature.PCLMULQDQ,
                    CpuFeature.MOVBE,
                    CpuFeature.AES,
                    CpuFeature.RDRAND,
                    CpuFeature.FSGSBASE,
                    CpuFeature.BMI1,
                    CpuFeature.BMI2,
                    CpuFeature.RDSEED,
                    CpuFeature.ADX,
                    CpuFeature.CLFLUSHOPT,
                    CpuFeature.CLWB,
                    CpuFeature.SHA,
                    CpuFeature.RDPID,
                    CpuFeature.LZCNT,
                    CpuFeature.PREFETCHW));

    private static final Level V3 = v3();

    private static final List<Level> LEVELS = List.of(V1, V2, V3);

    private static Level v3() {
        Set<CpuFeature> required = EnumSet.of(
                CpuFeature.XSAVE,
                CpuFeature.AVX,
                CpuFeature.AVX2,
                CpuFeature.FMA,
                CpuFeature.F16C,
                CpuFeature.BMI1,
                CpuFeature.BMI2,
                CpuFeature.LZCNT,
                CpuFeature.MOVBE);
        Set<CpuFeature> optional = EnumSet.of(CpuFeature.XSAVEOPT, CpuFeature.XSAVEC, CpuFeature.XGETBV1);
        optional.addAll(V2.optional);
        optional.removeAll(required);
        return Level.of("x86-64-v3", V2.required, required, optional);
    }

    /** Bits of leaf 1, EDX, that every level has. */
    private enum Edx1 {
        DE(2),
        PSE(3),
        TSC(4),
        MSR(5),
        PAE(6),
        MCE(7),
        CX8(8),
        APIC(9),
        SEP(11),
        MTRR(12),
        PGE(13),
        MCA(14),
        PAT(16),
        PSE36(17);

        final int bit;

        Edx1(int n) {
            bit = 1 << n;
        }
    }

    /** Bits of leaf 1, ECX, that every level has. */
    private enum Ecx1 {
        X2APIC(21),
        TSC_DEADLINE(24),
        HYPERVISOR(31);

        final int bit;

        Ecx1(int n) {
            bit = 1 << n;
        }
    }

    /** Bits of leaf 0x80000001, EDX, that every level has. */
    private enum EdxExtended {
        SYSCALL(11),
        NX(20),
        PDPE1GB(26),
        LM(29);

        final int bit;

        EdxExtended(int n) {
            bit = 1 << n;
        }
    }

    private static final int ARCH_CAPABILITIES = 1 << 29;
    /** With it (and the constant TSC) Linux trusts the TSC and does not watch it with a slower clock. */
    private static final int TSC_ADJUST = 1 << 1;
    /** The x87 unit keeps no selectors. */
    private static final int FCS_FDS_DEPRECATED = 1 << 13;

    /** Bytes of an XSAVE area with x87 and SSE, and of what AVX adds. */
    private static final int XSAVE_SIZE = 576, AVX_SIZE = 256;

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

    private final Level level;
    private final Set<CpuFeature> removed;
    private final Set<CpuFeature> features;
    private final int cpus;

    private X86Model(Level level, Set<CpuFeature> removed, int cpus) {
        this.level = level;
        this.removed = removed;
        this.cpus = cpus;
        EnumSet<CpuFeature> has = EnumSet.copyOf(level.required);
        has.addAll(level.optional);
        has.removeAll(removed);
        features = has;
    }

    /** {@code x86-64-v1} for a machine of so many vCPUs. */
    public static X86Model v1(int cpus) {
        return new X86Model(V1, EnumSet.noneOf(CpuFeature.class), cpus);
    }

    /** {@code x86-64-v2} for a machine of so many vCPUs. */
    public static X86Model v2(int cpus) {
        return new X86Model(V2, EnumSet.noneOf(CpuFeature.class), cpus);
    }

    /** {@code x86-64-v3} for a machine of so many vCPUs. */
    public static X86Model v3(int cpus) {
        return new X86Model(V3, EnumSet.noneOf(CpuFeature.class), cpus);
    }

    /**
     * The model that has this {@link #name}.
     *
     * @throws IllegalArgumentException if there is none, in one sentence
     */
    public static X86Model named(String name, int cpus) {
        String[] part = name.split(",", -1);
        for (Level level : LEVELS) {
            if (level.label.equals(part[0])) {
                EnumSet<CpuFeature> removed = EnumSet.noneOf(CpuFeature.class);
                for (int i = 1; i < part.length; i++) {
                    removed.add(removable(level, part[i]));
                }
                return new X86Model(level, removed, cpus);
            }
        }
        throw new IllegalArgumentException("there is no cpu-model '%s'; there are %s"
                .formatted(part[0], LEVELS.stream().map(Level::label).collect(Collectors.joining(", "))));
    }

    private static CpuFeature removable(Level level, String word) {
        for (CpuFeature f : level.optional) {
            if (word.equals("-" + f.label())) {
                return f;
            }
        }
        throw new IllegalArgumentException("cpu-model %s can't have '%s'; what can be taken away is: %s"
                .formatted(
                        level.label,
                        word,
                        level.optional.isEmpty()
                                ? "nothing"
                                : level.optional.stream()
                                        .map(f -> "-" + f.label())
                                        .collect(Collectors.joining(" "))));
    }

    /** This model without those features; they have to be {@link #optional} ones. */
    public X86Model without(Set<CpuFeature> unwanted) {
        EnumSet<CpuFeature> all = EnumSet.noneOf(CpuFeature.class);
        all.addAll(removed);
        all.addAll(unwanted);
        all.retainAll(level.optional);
        return new X86Model(level, all, cpus);
    }

    /** What this model has beyond its level, and can do without. */
    public Set<CpuFeature> optional() {
        EnumSet<CpuFeature> all = EnumSet.copyOf(features);
        all.retainAll(level.optional);
        return Collections.unmodifiableSet(all);
    }

    @Override
    public String name() {
        return level.label + removed.stream().map(f -> ",-" + f.label()).collect(Collectors.joining());
    }

    /** The bits of a register of a leaf that stand for features. */
    private int bits(int leaf, Register register) {
        return bits(leaf, 0, register);
    }

    private int bits(int leaf, int subleaf, Register register) {
        int v = 0;
        for (CpuFeature f : features) {
            v |= f.bit(leaf, subleaf, register);
        }
        return v;
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
            case 7 ->
                subleaf == 0
                        ? new Leaf(
                                0,
                                TSC_ADJUST | FCS_FDS_DEPRECATED | bits(7, Register.EBX),
                                bits(7, Register.ECX),
                                ARCH_CAPABILITIES)
                        : Leaf.NONE;
            case 0xb -> topology(subleaf, apicId);
            case 0xd -> extendedState(subleaf);
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
        int edx = bits(1, Register.EDX) | (cpus > 1 ? HTT : 0);
        for (Edx1 f : Edx1.values()) {
            edx |= f.bit;
        }
        int ecx = bits(1, Register.ECX);
        for (Ecx1 f : Ecx1.values()) {
            ecx |= f.bit;
        }
        return new Leaf(SIGNATURE, apicId << 24 | cpus << 16 | 8 << 8, ecx, edx);
    }

    /** XSAVE's state components: x87, SSE and AVX. What depends on XCR0 the engine sets. */
    private Leaf extendedState(int subleaf) {
        if (!features.contains(CpuFeature.XSAVE)) {
            return Leaf.NONE;
        }
        boolean avx = features.contains(CpuFeature.AVX);
        return switch (subleaf) {
            case 0 -> new Leaf(avx ? 7 : 3, XSAVE_SIZE, avx ? XSAVE_SIZE + AVX_SIZE : XSAVE_SIZE, 0);
            case 1 -> new Leaf(bits(0xd, 1, Register.EAX), 0, 0, 0);
            case 2 -> avx ? new Leaf(AVX_SIZE, XSAVE_SIZE, 0, 0) : Leaf.NONE;
            default -> Leaf.NONE;
        };
    }

    private Leaf extendedFeatures() {
        int edx = bits(0x80000001, Register.EDX);
        for (EdxExtended f : EdxExtended.values()) {
            edx |= f.bit;
        }
        return new Leaf(0, 0, bits(0x80000001, Register.ECX), edx);
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
