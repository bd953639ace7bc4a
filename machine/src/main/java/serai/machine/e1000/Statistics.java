package serai.machine.e1000;

import java.util.Arrays;

/** The statistics registers (SDM, chapter 13): each is cleared when it is read, those of 64 bits with their upper half, and stops at its end. */
final class Statistics {
    private static final int MPC = 0x10, PRC64 = 0x5c, GPRC = 0x74, BPRC = 0x78, MPRC = 0x7c, GPTC = 0x80;
    private static final int GORC = 0x88, GOTC = 0x90, RUC = 0xa4, ROC = 0xac, TOR = 0xc0, TOT = 0xc8;
    private static final int TPR = 0xd0,
            TPT = 0xd4,
            PTC64 = 0xd8,
            MPTC = 0xf0,
            BPTC = 0xf4,
            TSCTC = 0xf8,
            TSCTFC = 0xfc;
    /** Bytes up to which a frame counts for the registers from PRC64 and PTC64 on, checksum included; the last is for longer ones. */
    private static final int[] SIZES = {64, 127, 255, 511, 1023};

    private static final int CRC = 4;

    private final int[] values = new int[(Registers.STATISTICS_END - Registers.STATISTICS) / 4];

    private void add(int at) {
        values[at / 4] += values[at / 4] == -1 ? 0 : 1;
    }

    private void add64(int at, long n) {
        long v = (values[at / 4] & 0xffffffffL | (long) values[at / 4 + 1] << 32) + n;
        values[at / 4] = (int) v;
        values[at / 4 + 1] = (int) (v >>> 32);
    }

    private static int bySize(int first, int bytes) {
        int i = 0;
        while (i < SIZES.length && bytes > SIZES[i]) {
            i++;
        }
        return first + 4 * i;
    }

    /** A frame for the guest, without its checksum. */
    void received(int length, boolean group, boolean broadcast) {
        add(GPRC);
        add(TPR);
        add(bySize(PRC64, length + CRC));
        if (broadcast) {
            add(BPRC);
        } else if (group) {
            add(MPRC);
        }
        add64(GORC, length + CRC);
        add64(TOR, length + CRC);
    }

    void missed() {
        add(MPC);
    }

    void tooShort() {
        add(RUC);
    }

    void tooLong() {
        add(ROC);
    }

    /** A frame of the guest, without its checksum. */
    void sent(int length, boolean group, boolean broadcast) {
        add(GPTC);
        add(TPT);
        add(bySize(PTC64, length + CRC));
        if (broadcast) {
            add(BPTC);
        } else if (group) {
            add(MPTC);
        }
        add64(GOTC, length + CRC);
        add64(TOT, length + CRC);
    }

    /** A segmentation; its segments are {@link #sent} each. */
    void segmented(boolean failed) {
        add(failed ? TSCTFC : TSCTC);
    }

    int read(int at) {
        int v = values[at / 4];
        switch (at) {
            case GORC, GOTC, TOR, TOT -> {}
            case GORC + 4, GOTC + 4, TOR + 4, TOT + 4 -> {
                values[at / 4] = 0;
                values[at / 4 - 1] = 0;
            }
            default -> values[at / 4] = 0;
        }
        return v;
    }

    void reset() {
        Arrays.fill(values, 0);
    }

    int[] save() {
        return values.clone();
    }

    void restore(int[] saved) {
        if (saved.length != values.length) {
            throw new IllegalArgumentException(saved.length + " statistics");
        }
        System.arraycopy(saved, 0, values, 0, values.length);
    }
}
