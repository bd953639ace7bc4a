package serai.cpu;

import java.util.Arrays;
import serai.machine.engine.Msr;

/**
 * Memory-type range registers (SDM vol. 3, 12.11): eight variable ranges, the fixed ones, write-combining. They hold what is written and
 * have no effect, for the interpreter has no caches; kernels look at them all the same, and hold processors that differ in them
 * for broken.
 */
final class Mtrrs {
    private static final int[] FIXED = Msr.fixedMtrrs();
    private static final int VARIABLE = Msr.MTRR_VARIABLE_COUNT;
    /** MTRRCAP: VCNT, FIX, WC. */
    private static final long CAPABILITIES = VARIABLE | 1 << 8 | 1 << 10;

    private static final long DEF_TYPE_RESERVED = ~0xcffL;
    private static final long BASE_RESERVED = 0xf00L | -1L << CpuPaging.PHYSICAL_BITS;
    private static final long MASK_RESERVED = 0x7ffL | -1L << CpuPaging.PHYSICAL_BITS;

    private final long[] variable = new long[VARIABLE * 2];
    private final long[] fixed = new long[FIXED.length];
    private long defType;

    Mtrrs() {
        reset();
    }

    void reset() {
        Arrays.fill(variable, 0);
        Arrays.fill(fixed, 0);
        defType = Msr.MTRR_DEF_TYPE_WB;
    }

    /** Whether an MSR is one of these. */
    static boolean owns(int index) {
        return index == Msr.MTRRCAP
                || index == Msr.MTRR_DEF_TYPE
                || index >= Msr.MTRR_VARIABLE && index < Msr.MTRR_VARIABLE + VARIABLE * 2
                || fixedIndex(index) >= 0;
    }

    private static int fixedIndex(int index) {
        return Math.max(-1, Arrays.binarySearch(FIXED, index));
    }

    long read(int index) {
        if (index == Msr.MTRRCAP) {
            return CAPABILITIES;
        }
        if (index == Msr.MTRR_DEF_TYPE) {
            return defType;
        }
        int f = fixedIndex(index);
        return f >= 0 ? fixed[f] : variable[index - Msr.MTRR_VARIABLE];
    }

    /** Writes one; false if that is #GP: a type or bit that there is not, or MTRRCAP. */
    boolean write(int index, long v) {
        if (index == Msr.MTRRCAP) {
            return false;
        }
        if (index == Msr.MTRR_DEF_TYPE) {
            if ((v & DEF_TYPE_RESERVED) != 0 || !isType(v)) {
                return false;
            }
            defType = v;
            return true;
        }
        int f = fixedIndex(index);
        if (f >= 0) {
            for (int i = 0; i < 64; i += 8) {
                if (!isType(v >>> i)) {
                    return false;
                }
            }
            fixed[f] = v;
            return true;
        }
        boolean isBase = (index & 1) == 0;
        if (isBase ? (v & BASE_RESERVED) != 0 || !isType(v) : (v & MASK_RESERVED) != 0) {
            return false;
        }
        variable[index - Msr.MTRR_VARIABLE] = v;
        return true;
    }

    /** UC, WC, WT, WP, WB. */
    private static boolean isType(long v) {
        int type = (int) v & 0xff;
        return type <= 1 || type >= 4 && type <= 6;
    }
}
