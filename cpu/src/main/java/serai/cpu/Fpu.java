package serai.cpu;

/**
 * The x87 registers: eight 80-bit values, control, status and tag words. MMX register n is the significand of physical
 * register n.
 */
final class Fpu {
    /** Exception flags and masks, in the status and control words and in MXCSR alike. */
    static final int IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32;
    /** Status word: stack fault, error summary, conditions, busy. */
    static final int SF = 1 << 6, ES = 1 << 7, C0 = 1 << 8, C1 = 1 << 9, C2 = 1 << 10, C3 = 1 << 14, BUSY = 1 << 15;

    /** Significands by physical register. */
    final long[] significand = new long[8];
    /** Sign (bit 15) and exponent by physical register. */
    final short[] signExponent = new short[8];

    int controlWord = 0x40;
    /** Without TOP. */
    int statusWord;
    /** Physical number of ST(0). */
    int top;
    /** Bit n: physical register n is empty. The full tag word is derived from the values. */
    int empty = 0;

    int lastOpcode;
    long lastIp;
    int lastCs;
    long lastData;
    int lastDs;

    /** Scratch of the arithmetic, here because there is one a vCPU. */
    final SoftFloat soft = new SoftFloat();

    /** Power-on (SDM vol. 3, table 10-1): all registers +0 and valid. */
    void reset() {
        initialize();
        controlWord = 0x40;
        empty = 0;
        java.util.Arrays.fill(significand, 0);
        java.util.Arrays.fill(signExponent, (short) 0);
    }

    /** FNINIT. */
    void initialize() {
        controlWord = 0x37f;
        statusWord = 0;
        top = 0;
        empty = 0xff;
        lastOpcode = 0;
        lastIp = 0;
        lastCs = 0;
        lastData = 0;
        lastDs = 0;
    }

    /** Whether all is as FNINIT leaves it, and the registers are zero: the initial value of the XSAVE component. */
    boolean initial() {
        long any = lastOpcode | lastIp | lastCs | lastData | lastDs | top | statusWord;
        for (int i = 0; i < 8; i++) {
            any |= significand[i] | signExponent[i];
        }
        return any == 0 && controlWord == 0x37f && empty == 0xff;
    }

    /** The status word with TOP. */
    int status() {
        return statusWord | top << 11;
    }

    /** Sets status word and TOP; the summary bits follow from the flags and masks. */
    void status(int value) {
        top = value >>> 11 & 7;
        statusWord = value & 0x477f;
        summarize();
    }

    /** Sets the control word; bit 6 always reads as one, 7 and 13 to 15 as zero. */
    void control(int value) {
        controlWord = value & 0x1f3f | 0x40;
        summarize();
    }

    /** Derives ES and B from flags and masks. */
    void summarize() {
        if ((statusWord & ~controlWord & 0x3f) != 0) {
            statusWord |= ES | BUSY;
        } else {
            statusWord &= ~(ES | BUSY);
        }
    }

    /** The full tag word: two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, 8.1.7). */
    int tagWord() {
        int tags = 0;
        for (int i = 0; i < 8; i++) {
            int tag;
            int exponent = signExponent[i] & 0x7fff;
            if ((empty >>> i & 1) != 0) {
                tag = 3;
            } else if (exponent == 0 && significand[i] == 0) {
                tag = 1;
            } else {
                tag = exponent == 0 || exponent == 0x7fff || significand[i] >= 0 ? 2 : 0;
            }
            tags |= tag << i * 2;
        }
        return tags;
    }

    /** Sets which registers are empty from a full tag word. */
    void tagWord(int tags) {
        empty = 0;
        for (int i = 0; i < 8; i++) {
            if ((tags >>> i * 2 & 3) == 3) {
                empty |= 1 << i;
            }
        }
    }
}
