package serai.machine.nvme;

import serai.machine.memory.GuestMemory;

/**
 * A submission queue entry (NVMe 1.4, 4.2).
 *
 * <pre>
 *   0 opcode (1) | 1 fuse, PSDT (1) | 2 command id (2) | 4 namespace id (4) | 8 reserved (8) | 16 metadata pointer (8)
 *  24 PRP 1 (8) | 32 PRP 2 (8) | 40 command dwords 10 to 15 (24)
 * </pre>
 *
 * @param words its eight quadwords, read once: the queue is the driver's memory
 */
record Command(long[] words) {
    static final int BYTES = 64;

    static Command read(GuestMemory memory, long address) {
        long[] w = new long[BYTES / 8];
        for (int i = 0; i < w.length; i++) {
            w[i] = memory.readLong(address + i * 8);
        }
        return new Command(w);
    }

    private int dword(int n) {
        return (int) (words[n >>> 1] >>> (n & 1) * 32);
    }

    int opcode() {
        return (int) words[0] & 0xff;
    }

    /** Fused operation and PRP or SGL: only 0 is supported. */
    int flags() {
        return (int) words[0] >>> 8 & 0xff;
    }

    int id() {
        return (int) words[0] >>> 16 & 0xffff;
    }

    int namespace() {
        return dword(1);
    }

    long prp1() {
        return words[3];
    }

    long prp2() {
        return words[4];
    }

    /** Command dword 10 to 15. */
    int cdw(int n) {
        return dword(n);
    }

    /** Command dwords 10 and 11. */
    long lba() {
        return words[5];
    }
}
