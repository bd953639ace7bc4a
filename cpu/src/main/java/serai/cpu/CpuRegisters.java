package serai.cpu;

import serai.machine.engine.Segment;

/**
 * The registers of a vCPU, and its flags.
 *
 * <h2>Lazy flags</h2>
 *
 * An arithmetic instruction stores three words and no flag: {@link #zr} (ZF is {@code zr == 0}), {@link #sr} (SF is its sign, PF
 * the parity of its low byte) and the carry vector {@link #cv}: bit 63 the carry out of the top bit (CF), bit 62 the carry into
 * it (OF is their difference), bit 3 the carry out of bit 3 (AF). So every flag is a few instructions without a branch
 * and without remembering which operation it was; measured against "operation, a, b" with a switch, conditions cost
 * less and arithmetic the same. {@code zr} and {@code sr} are the same value after arithmetic; they differ only after
 * POPF and its like, where ZF, SF and PF can contradict each other.
 */
abstract class CpuRegisters {
    static final int RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
    /** {@link #r}: always zero, for addresses without a base or an index. */
    static final int ZERO = 16;
    /** {@link #r}: address of the first instruction of the running block. */
    static final int BLOCK = 17;

    static final int ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;
    static final int CF = 1, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, TF = 1 << 8, IF = 1 << 9;
    static final int DF = 1 << 10, OF = 1 << 11, IOPL = 3 << 12, NT = 1 << 14, RF = 1 << 16, VM = 1 << 17;
    static final int AC = 1 << 18, VIF = 1 << 19, VIP = 1 << 20, ID = 1 << 21;
    /** All there are. */
    static final int ALL_FLAGS = 0x3f7fd5;
    /** The six flags kept lazily. */
    static final int ARITHMETIC = CF | PF | AF | ZF | SF | OF;

    static final int CR0_PE = 1, CR0_MP = 1 << 1, CR0_EM = 1 << 2, CR0_TS = 1 << 3, CR0_ET = 1 << 4, CR0_NE = 1 << 5;
    static final int CR0_WP = 1 << 16, CR0_AM = 1 << 18, CR0_NW = 1 << 29, CR0_CD = 1 << 30, CR0_PG = 1 << 31;
    static final int CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 16, CR4_PAE = 32, CR4_MCE = 64;
    static final int CR4_PGE = 128, CR4_PCE = 256, CR4_OSFXSR = 512, CR4_OSXMMEXCPT = 1024, CR4_UMIP = 2048;
    static final int CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20;
    static final int CR4_SMAP = 1 << 21;
    static final int EFER_SCE = 1, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11;

    /** RAX to R15, then {@link #ZERO} and {@link #BLOCK}. */
    final long[] r = new long[18];

    /** While a block runs: the address after its last instruction. */
    long rip;

    long zr = 1;
    long sr = 1;
    long cv;
    /** RFLAGS without the lazy six; bit 1 set. */
    int flagsRest = 2;

    final int[] selector = new int[8];
    final long[] base = new long[8];
    /** As unsigned 32-bit values. */
    final int[] limit = new int[8];
    /** As {@link Segment#attributes}. */
    final int[] attributes = new int[8];

    long gdtBase;
    int gdtLimit = 0xffff;
    long idtBase;
    int idtLimit = 0xffff;

    long cr0 = CR0_ET | CR0_NW | CR0_CD;
    long cr2;
    long cr3;
    long cr4;
    /** Which extended states the system has switched on (XCR0). */
    long xcr0 = 1;

    final long[] dr = {0, 0, 0, 0, 0xffff0ff0L, 0x400};
    int efer;
    int cpl;
    /** Bytes: 2, 4 or 8 (64-bit mode). */
    int codeSize = 2;
    /** Bytes of the stack pointer: 2, 4 or 8. */
    int stackSize = 2;

    /** XMM/YMM/ZMM registers, eight words each (room to AVX-512): XMM n is words 8n (low) and 8n + 1 (high). */
    final long[] vec = new long[(32 + 1) * 8];
    /** Index into {@link #vec} of room for a result that may yet come to nothing: VEX forms write their destination last. */
    static final int SCRATCH = 32 * 8;

    /** Room for an XSAVE area on its way between registers and memory. */
    final byte[] xsaveArea = new byte[XsaveImage.AVX_END];

    int mxcsr = 0x1f80;
    final Fpu fpu = new Fpu();

    // ---- flags ----

    final boolean cf() {
        return cv < 0;
    }

    final boolean zf() {
        return zr == 0;
    }

    final boolean sf() {
        return sr < 0;
    }

    final boolean of() {
        return (cv ^ cv << 1) < 0;
    }

    final boolean pf() {
        // 0x9669: bit n is set if n has even parity
        int x = (int) sr;
        return (0x9669 >>> ((x ^ x >>> 4) & 15) & 1) != 0;
    }

    final boolean af() {
        return (cv & 8) != 0;
    }

    /** RFLAGS. */
    final long flags() {
        return flagsRest
                | (cf() ? CF : 0)
                | (pf() ? PF : 0)
                | (af() ? AF : 0)
                | (zf() ? ZF : 0)
                | (sf() ? SF : 0)
                | (of() ? OF : 0);
    }

    /** Sets the six arithmetic flags from the bits of {@code f}. */
    final void arithmeticFlags(long f) {
        zr = (f & ZF) != 0 ? 0 : 1;
        sr = ((f & SF) != 0 ? Long.MIN_VALUE : 0) | ((f & PF) != 0 ? 0 : 1);
        long carry = (f & CF) != 0 ? 1 : 0;
        long into = carry ^ ((f & OF) != 0 ? 1 : 0);
        cv = carry << 63 | into << 62 | ((f & AF) != 0 ? 8 : 0);
    }

    /** Sets the arithmetic flags in {@code mask} from the bits of {@code f}; the others stay. */
    final void arithmeticFlags(long f, long mask) {
        arithmeticFlags(f & mask | flags() & ARITHMETIC & ~mask);
    }

    final void cf(boolean carry) {
        // OF is the difference of bits 63 and 62: keep it
        if (carry != cv < 0) {
            cv ^= 3L << 62;
        }
    }

    /**
     * A condition of Jcc, SETcc, CMOVcc (SDM vol. 1, B.1).
     *
     * @param code 0 to 15
     */
    final boolean condition(int code) {
        boolean c =
                switch (code >> 1) {
                    case 0 -> of();
                    case 1 -> cf();
                    case 2 -> zf();
                    case 3 -> cf() || zf();
                    case 4 -> sf();
                    case 5 -> pf();
                    case 6 -> sf() != of();
                    default -> zf() || sf() != of();
                };
        return c ^ (code & 1) != 0;
    }

    // ---- general registers by operand number (20 to 23: AH, CH, DH, BH) ----

    final int get8(int n) {
        return n < 16 ? (int) r[n] & 0xff : (int) (r[n - 20] >>> 8) & 0xff;
    }

    final void set8(int n, int v) {
        if (n < 16) {
            r[n] = r[n] & ~0xffL | v & 0xff;
        } else {
            r[n - 20] = r[n - 20] & ~0xff00L | (v & 0xff) << 8;
        }
    }

    /** A register of 1, 2, 4 or 8 bytes, zero-extended. */
    final long get(int n, int size) {
        return switch (size) {
            case 1 -> get8(n);
            case 2 -> r[n] & 0xffff;
            case 4 -> r[n] & 0xffffffffL;
            default -> r[n];
        };
    }

    /** Writes a register of 1, 2, 4 (zero-extending) or 8 bytes. */
    final void set(int n, int size, long v) {
        switch (size) {
            case 1 -> set8(n, (int) v);
            case 2 -> r[n] = r[n] & ~0xffffL | v & 0xffff;
            case 4 -> r[n] = v & 0xffffffffL;
            default -> r[n] = v;
        }
    }

    final boolean longMode() {
        return (efer & EFER_LMA) != 0;
    }

    /** Base of a segment in 64-bit mode: zero but for FS and GS. */
    final long segBase(int segment) {
        return segment >= FS ? base[segment] : 0;
    }
}
