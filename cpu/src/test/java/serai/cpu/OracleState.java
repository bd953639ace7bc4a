package serai.cpu;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The state before or after an instruction.
 *
 * @param vector -1 if it completed (its single-step trap came), else the exception it raised
 * @param error the error code of the exception; 0 if it has none
 * @param cr2 the address of a page fault
 * @param rip relative to CS
 * @param selector ES, CS, SS, DS, FS, GS
 * @param fsBase the base of FS; before the instruction it counts if the selector is null
 * @param gsBase the base of GS, likewise
 * @param xs an XSAVE image in standard format (SDM vol. 1, 13.4): the FXSAVE area in its 64-bit form, the header (not
 *     looked at) and the upper halves of YMM0 to YMM15
 * @param data the window
 * @param outside a sum over the data pages without the window
 * @param steps how often a repeated string instruction trapped before it was through
 */
record OracleState(
        int vector,
        int error,
        long cr2,
        long rip,
        long rflags,
        long[] gpr,
        int[] selector,
        long fsBase,
        long gsBase,
        byte[] xs,
        byte[] data,
        long outside,
        int steps) {
    /** Bytes of the XSAVE image. */
    static final int XSAVE = 832;
    /** Where in the XSAVE image the upper halves of YMM0 to YMM15 begin. */
    static final int YMM_HIGH = 576;

    /** Before an instruction. */
    OracleState(long rip, long rflags, long[] gpr, int[] selector, long fsBase, long gsBase, byte[] xs, byte[] data) {
        this(-1, 0, 0, rip, rflags, gpr, selector, fsBase, gsBase, xs, data, 0, 0);
    }

    /** Little-endian view of bytes. */
    static ByteBuffer view(byte[] b) {
        return ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    }
}
