package serai.machine.engine;

import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Model-specific registers by number (SDM vol. 4, table 2-2). */
public final class Msr {
    public static final int TSC = 0x10;
    public static final int PLATFORM_ID = 0x17;
    public static final int APIC_BASE = 0x1b;
    public static final int TSC_ADJUST = 0x3b;
    public static final int BIOS_SIGN_ID = 0x8b;
    public static final int MTRRCAP = 0xfe;
    public static final int ARCH_CAPABILITIES = 0x10a;
    public static final int SYSENTER_CS = 0x174;
    public static final int SYSENTER_ESP = 0x175;
    public static final int SYSENTER_EIP = 0x176;
    public static final int MCG_CAP = 0x179;
    public static final int MISC_ENABLE = 0x1a0;
    public static final int DEBUGCTL = 0x1d9;
    /** The first of {@link #MTRR_VARIABLE_COUNT} pairs of base and mask. */
    public static final int MTRR_VARIABLE = 0x200;

    public static final int MTRR_VARIABLE_COUNT = 8;
    /** MTRR_FIX64K_00000, MTRR_FIX16K_80000 and A0000, MTRR_FIX4K_C0000 to F8000. */
    private static final int[] MTRR_FIXED = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f
    };

    public static final int PAT = 0x277;
    public static final int MTRR_DEF_TYPE = 0x2ff;
    /** MTRRs on, write-back for all memory: as firmware leaves it; with MTRRs off Linux leaves the PAT off, too. */
    public static final long MTRR_DEF_TYPE_WB = 1 << 11 | 6;

    public static final int TSC_DEADLINE = 0x6e0;
    public static final int EFER = 0xc0000080;
    public static final int STAR = 0xc0000081;
    public static final int LSTAR = 0xc0000082;
    public static final int CSTAR = 0xc0000083;
    public static final int FMASK = 0xc0000084;
    public static final int FS_BASE = 0xc0000100;
    public static final int GS_BASE = 0xc0000101;
    public static final int KERNEL_GS_BASE = 0xc0000102;
    public static final int TSC_AUX = 0xc0000103;

    /** Those a {@link CpuState} carries, ascending as unsigned; FS and GS bases are in the segments. */
    public static int[] saved() {
        IntStream low = IntStream.of(SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, MISC_ENABLE, DEBUGCTL);
        IntStream variable = IntStream.range(MTRR_VARIABLE, MTRR_VARIABLE + 2 * MTRR_VARIABLE_COUNT);
        IntStream fixed = IntStream.of(MTRR_FIXED);
        IntStream high = IntStream.of(PAT, MTRR_DEF_TYPE, EFER, STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX);
        return Stream.of(low, variable, fixed, high).flatMapToInt(x -> x).toArray();
    }

    /** The MTRRs of fixed ranges, ascending. */
    public static int[] fixedMtrrs() {
        return MTRR_FIXED.clone();
    }

    private Msr() {}
}
