package serai.cpu;

/** The x87 registers: eight 80-bit values, control, status and tag words. */
final class Fpu {
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
}
