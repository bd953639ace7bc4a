package serai.cpu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import serai.machine.engine.CpuState;

/**
 * The extended state as bytes: the standard XSAVE format (SDM vol. 1, 13.4), whose first 512 bytes are the FXSAVE area
 * (10.5.1).
 *
 * <pre>
 *    0  FCW  2  FSW  4  FTW (a bit a register)  6  FOP  8  FIP  16  FDP  24  MXCSR  28  MXCSR_MASK
 *   32  ST(0) to ST(7), or MM0 to MM7, 16 bytes each
 *  160  XMM0 to XMM15
 *  512  header: XSTATE_BV, XCOMP_BV (zero: not compacted)
 *  576  AVX: upper halves of YMM0 to YMM15
 * 1088  opmask (AVX-512; not kept)
 * 1152  ZMM_Hi256: upper halves of ZMM0 to ZMM15
 * 1664  Hi16_ZMM: ZMM16 to ZMM31
 * 2688  PKRU (not kept)
 * </pre>
 */
final class XsaveImage {
    /** Bytes of the FXSAVE area. */
    static final int LEGACY_SIZE = 512;
    /** Where the AVX component ends. */
    static final int AVX_END = 832;
    /** Bits of MXCSR that there are; the others are reserved. */
    static final int MXCSR_MASK = 0xffff;

    /** The two bits of XCR0 that AVX needs. */
    static final long SSE_AND_AVX = 6;

    /** MXCSR after reset and as the initial value of the SSE component. */
    static final int MXCSR_INITIAL = 0x1f80;

    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final int FCW = 0, FSW = 2, FTW = 4, FOP = 6, FIP = 8, FDP = 16, MXCSR = 24, MASK = 28;
    private static final int ST = 32, XMM = 160, XSTATE_BV = 512, YMM = 576, ZMM_HIGH = 1152, HIGH_ZMM = 1664;
    private static final int X87_BIT = 1, SSE_BIT = 2, AVX_BIT = 4, ZMM_HIGH_BIT = 1 << 6, HIGH_ZMM_BIT = 1 << 7;

    private XsaveImage() {}

    /** The whole image, {@link CpuState#XSAVE_SIZE} bytes. */
    static byte[] save(Cpu c) {
        byte[] b = new byte[CpuState.XSAVE_SIZE];
        saveLegacy(c, b, 16, true);
        long present = X87_BIT | SSE_BIT;
        present |= words(c, b, true, YMM, 0, 16, 2, 2) ? AVX_BIT : 0;
        present |= words(c, b, true, ZMM_HIGH, 0, 16, 4, 4) ? ZMM_HIGH_BIT : 0;
        present |= words(c, b, true, HIGH_ZMM, 16, 16, 0, 8) ? HIGH_ZMM_BIT : 0;
        LONG.set(b, XSTATE_BV, present);
        return b;
    }

    /**
     * Restores what {@link #save}, or another engine's XSAVE, wrote; components whose XSTATE_BV bit is clear get their
     * initial values.
     *
     * @throws IllegalArgumentException if it has another length, is compacted, or reserved bits of MXCSR are set
     */
    static void restore(Cpu c, byte[] image) {
        if (image.length != CpuState.XSAVE_SIZE) {
            throw new IllegalArgumentException("an XSAVE image has " + CpuState.XSAVE_SIZE + " bytes: " + image.length);
        }
        if ((long) LONG.get(image, XSTATE_BV + 8) != 0) {
            throw new IllegalArgumentException("the XSAVE image is compacted");
        }
        int newMxcsr = mxcsr(image);
        if ((newMxcsr & ~MXCSR_MASK) != 0) {
            throw new IllegalArgumentException("reserved bits of MXCSR are set: %#x".formatted(newMxcsr));
        }
        byte[] b = image.clone();
        long present = (long) LONG.get(b, XSTATE_BV);
        if ((present & X87_BIT) == 0) {
            initialX87(b);
        }
        if ((present & SSE_BIT) == 0) {
            java.util.Arrays.fill(b, XMM, XMM + 256, (byte) 0);
        }
        if ((present & (SSE_BIT | AVX_BIT)) == 0) {
            initialMxcsr(b);
        }
        if ((present & AVX_BIT) == 0) {
            java.util.Arrays.fill(b, YMM, YMM + 256, (byte) 0);
        }
        if ((present & ZMM_HIGH_BIT) == 0) {
            java.util.Arrays.fill(b, ZMM_HIGH, ZMM_HIGH + 512, (byte) 0);
        }
        if ((present & HIGH_ZMM_BIT) == 0) {
            java.util.Arrays.fill(b, HIGH_ZMM, HIGH_ZMM + 1024, (byte) 0);
        }
        restoreLegacy(c, b, 16, true);
        words(c, b, false, YMM, 0, 16, 2, 2);
        words(c, b, false, ZMM_HIGH, 0, 16, 4, 4);
        words(c, b, false, HIGH_ZMM, 16, 16, 0, 8);
    }

    static long get64(byte[] b, int at) {
        return (long) LONG.get(b, at);
    }

    static void put64(byte[] b, int at, long v) {
        LONG.set(b, at, v);
    }

    /** Gives the x87 component its initial value. */
    static void initialX87(byte[] b) {
        java.util.Arrays.fill(b, 0, MXCSR, (byte) 0);
        java.util.Arrays.fill(b, ST, XMM, (byte) 0);
        SHORT.set(b, FCW, (short) 0x37f);
    }

    static void initialMxcsr(byte[] b) {
        INT.set(b, MXCSR, MXCSR_INITIAL);
    }

    /** MXCSR in an FXSAVE area. */
    static int mxcsr(byte[] b) {
        return (int) INT.get(b, MXCSR);
    }

    /**
     * Copies {@code count} words from word {@code from} of {@code registers} vector registers; whether any is not zero.
     */
    private static boolean words(Cpu c, byte[] b, boolean save, int at, int first, int registers, int from, int count) {
        long any = 0;
        for (int i = 0; i < registers; i++) {
            for (int j = 0; j < count; j++) {
                int word = (first + i) * 8 + from + j;
                int offset = at + (i * count + j) * 8;
                if (save) {
                    LONG.set(b, offset, c.vec[word]);
                } else {
                    c.vec[word] = (long) LONG.get(b, offset);
                }
                any |= c.vec[word];
            }
        }
        return any != 0;
    }

    /**
     * Writes the FXSAVE area into the first 512 bytes of {@code b}; what is reserved stays as it is.
     *
     * @param xmm how many XMM registers: 16, or 8 outside 64-bit mode
     * @param wide whether FIP and FDP have 64 bits (REX.W) or 32 and a selector
     */
    static void saveLegacy(Cpu c, byte[] b, int xmm, boolean wide) {
        Fpu f = c.fpu;
        SHORT.set(b, FCW, (short) f.controlWord);
        SHORT.set(b, FSW, (short) f.status());
        SHORT.set(b, FTW, (short) (~f.empty & 0xff));
        SHORT.set(b, FOP, (short) f.lastOpcode);
        if (wide) {
            LONG.set(b, FIP, f.lastIp);
            LONG.set(b, FDP, f.lastData);
        } else {
            LONG.set(b, FIP, f.lastIp & 0xffffffffL | (long) f.lastCs << 32);
            LONG.set(b, FDP, f.lastData & 0xffffffffL | (long) f.lastDs << 32);
        }
        INT.set(b, MXCSR, c.mxcsr);
        INT.set(b, MASK, MXCSR_MASK);
        for (int i = 0; i < 8; i++) {
            int p = f.top + i & 7;
            LONG.set(b, ST + i * 16, f.significand[p]);
            LONG.set(b, ST + i * 16 + 8, f.signExponent[p] & 0xffffL);
        }
        for (int i = 0; i < xmm; i++) {
            LONG.set(b, XMM + i * 16, c.vec[i * 8]);
            LONG.set(b, XMM + i * 16 + 8, c.vec[i * 8 + 1]);
        }
    }

    /** Reads an FXSAVE area, whose MXCSR the caller has checked. */
    static void restoreLegacy(Cpu c, byte[] b, int xmm, boolean wide) {
        restoreX87(c, b, wide);
        c.mxcsr = mxcsr(b);
        restoreXmm(c, b, xmm);
    }

    /** Reads the x87 component. */
    static void restoreX87(Cpu c, byte[] b, boolean wide) {
        Fpu f = c.fpu;
        f.control((short) SHORT.get(b, FCW) & 0xffff);
        f.status((short) SHORT.get(b, FSW) & 0xffff);
        f.empty = ~(short) SHORT.get(b, FTW) & 0xff;
        f.lastOpcode = (short) SHORT.get(b, FOP) & 0x7ff;
        long ip = (long) LONG.get(b, FIP);
        long data = (long) LONG.get(b, FDP);
        f.lastIp = wide ? ip : ip & 0xffffffffL;
        f.lastCs = wide ? 0 : (int) (ip >>> 32) & 0xffff;
        f.lastData = wide ? data : data & 0xffffffffL;
        f.lastDs = wide ? 0 : (int) (data >>> 32) & 0xffff;
        for (int i = 0; i < 8; i++) {
            int p = f.top + i & 7;
            f.significand[p] = (long) LONG.get(b, ST + i * 16);
            f.signExponent[p] = (short) SHORT.get(b, ST + i * 16 + 8);
        }
    }

    /** Reads {@code count} XMM registers. */
    static void restoreXmm(Cpu c, byte[] b, int count) {
        for (int i = 0; i < count; i++) {
            c.vec[i * 8] = (long) LONG.get(b, XMM + i * 16);
            c.vec[i * 8 + 1] = (long) LONG.get(b, XMM + i * 16 + 8);
        }
    }
}
