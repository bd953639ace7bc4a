package serai.machine.engine;

/** Model-specific registers by number (SDM vol. 4, table 2-2). */
public final class Msr {
    public static final int TSC = 0x10;
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
    public static final int MTRR_FIX64K_00000 = 0x250;
    public static final int PAT = 0x277;
    public static final int MTRR_DEF_TYPE = 0x2ff;
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
        return new int[] {
            SYSENTER_CS,
            SYSENTER_ESP,
            SYSENTER_EIP,
            MISC_ENABLE,
            PAT,
            MTRR_DEF_TYPE,
            EFER,
            STAR,
            LSTAR,
            CSTAR,
            FMASK,
            KERNEL_GS_BASE,
            TSC_AUX
        };
    }

    private Msr() {}
}
