package serai.bench.lockstep;

/** One entry of QEMU's log: the registers before an instruction. */
final class QemuState {
    /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15, as the architecture numbers them. */
    final long[] gpr = new long[16];

    long rip;
    long rflags;
    /** ES, CS, SS, DS, FS, GS. */
    final int[] selectors = new int[6];

    final long[] bases = new long[6];
    long cr0;
    long cr2;
    long cr3;
    long cr4;
    long efer;
    boolean halted;
    /** Low and high halves, when the log has them. */
    final long[] xmm = new long[32];

    boolean hasXmm;

    void copyFrom(QemuState s) {
        System.arraycopy(s.gpr, 0, gpr, 0, 16);
        rip = s.rip;
        rflags = s.rflags;
        System.arraycopy(s.selectors, 0, selectors, 0, 6);
        System.arraycopy(s.bases, 0, bases, 0, 6);
        cr0 = s.cr0;
        cr2 = s.cr2;
        cr3 = s.cr3;
        cr4 = s.cr4;
        efer = s.efer;
        halted = s.halted;
        System.arraycopy(s.xmm, 0, xmm, 0, 32);
        hasXmm = s.hasXmm;
    }
}
