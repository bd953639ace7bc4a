package serai.cpu;

import serai.machine.engine.CpuFeature;

/** The ways between Java and translated code: where all registers change hands, see {@link HostFrame}. Addresses as they are written. */
final class CodeGate {
    /** {@code void enter(long base)}, by the System V ABI: to where {@link HostFrame#TARGET} says. */
    final long enter;

    /** The common way out, called; its return address is that of the record. */
    final long exit;

    /** The same for when guest flags are in the frame. */
    final long exitSaved;

    /** The same for when guest flags are in the frame, or {@link HostFrame#CARRIED} tells of code that computes them. */
    final long exitCarried;

    /** Where that code leads. */
    final long carriedOut;

    /** Where a jump leads whose target, in R11, is not known. */
    final long miss;

    private static final boolean AVX = HostCpu.FEATURES.contains(CpuFeature.AVX);
    private static final int ZERO = 4;

    private final Assembler a;

    /** Writes them. */
    CodeGate(Assembler a) {
        this.a = a;
        enter = a.at();
        writeEnter();
        a.align(16);
        exit = a.at();
        exitSaved = writeExit();
        a.align(16);
        exitCarried = a.at();
        pushOrPop(0x58, Assembler.RCX);
        a.store(Assembler.RSP, HostFrame.EXIT, Assembler.RCX);
        a.mem(0, true, 0, 0x63, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.CARRIED); // movsxd
        long inFrame = a.jrcxz();
        a.load(Assembler.R11, Assembler.RSP, HostFrame.WAY_OUT);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.bytes(0xff, 0xe1); // jmp rcx
        a.here(inFrame);
        a.mem(0, false, 0, 0xff, 6, Assembler.RSP, Assembler.NONE, 0, HostFrame.EXIT); // push
        a.jump(exitSaved);
        carriedOut = a.at();
        a.mem(0, false, 0, 0xff, 6, Assembler.RSP, Assembler.NONE, 0, HostFrame.EXIT);
        a.jump(exit);
        a.align(16);
        miss = a.at();
        a.call(exit);
        a.bytes(UnitFlow.EXIT_JUMP, 0);
        a.int2(0);
        a.int8(0);
        a.align(64);
    }

    private static final int[] SAVED = {
        Assembler.RBX, Assembler.RBP, Assembler.R12, Assembler.R13, Assembler.R14, Assembler.R15
    };

    private void pushOrPop(int opcode, int register) {
        if (register >= 8) {
            a.byte1(0x41);
        }
        a.byte1(opcode | register & 7);
    }

    /** VZEROUPPER: SSE after dirty upper halves is slow. */
    private void zeroUpper() {
        a.bytes(0xc5, 0xf8, 0x77);
    }

    /** VINSERTF128 or VEXTRACTF128 of all upper halves, if they change hands; changes flags. False if this host has none. */
    private boolean upper(int opcode) {
        if (AVX) {
            a.mem(0, false, 0, 0x83, 7, Assembler.RSP, Assembler.NONE, 0, HostFrame.WIDE); // cmp dword
            a.byte1(0);
            long narrow = a.jump(ZERO);
            for (int i = 0; i < 16; i++) {
                int vvvv = opcode == 0x18 ? i : 0;
                int at = HostFrame.UPPER + 16 * i;
                a.vexMem(3, 0x66, false, true, opcode, i, vvvv, Assembler.RSP, Assembler.NONE, at);
                a.byte1(1);
            }
            a.patch(narrow, a.at());
        }
        return AVX;
    }

    private void writeEnter() {
        for (int register : SAVED) {
            pushOrPop(0x50, register);
        }
        a.store(Assembler.RDI, HostFrame.HOST_RSP, Assembler.RSP);
        a.move(Assembler.RSP, Assembler.RDI);
        if (AVX) {
            zeroUpper();
        }
        a.mem(0, false, 1, 0xae, 2, Assembler.RSP, Assembler.NONE, 0, HostFrame.MXCSR);
        for (int i = 0; i < 16; i++) {
            a.mem(0, false, 1, 0x10, i, Assembler.RSP, Assembler.NONE, 0, HostFrame.XMM + 16 * i);
        }
        upper(0x18);
        a.load(Assembler.RAX, Assembler.RSP, HostFrame.FLAGS);
        a.bytes(0x04, 0x7f, 0x9e); // add al, 127; sahf: OF is AL's
        for (int g = 0; g < 16; g++) {
            if (!HostFrame.spilled(g)) {
                a.load(HostFrame.host(g), Assembler.RSP, HostFrame.slot(g));
            }
        }
        a.mem(0, false, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.CARRIED);
        a.int4(0);
        for (int s = 0; s < SharedLooks.SLOTS; s++) {
            a.store(Assembler.RSP, HostFrame.SHARED + 8 * s, 0, true);
        }
        a.load(Assembler.R11, Assembler.RSP, HostFrame.R11);
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.NONE, 0, HostFrame.TARGET);
    }

    /** Writes {@link #exit}; the address of {@link #exitSaved}. */
    private long writeExit() {
        a.store(Assembler.RSP, 8 + HostFrame.RCX, Assembler.RCX);
        a.store(Assembler.RSP, 8 + HostFrame.slot(0), Assembler.RAX);
        a.bytes(0x9f, 0x0f, 0x90, 0xc0); // lahf; seto al
        a.store(Assembler.RSP, 8 + HostFrame.FLAGS, Assembler.RAX);
        long over = a.jump();
        long saved = a.at();
        a.store(Assembler.RSP, 8 + HostFrame.RCX, Assembler.RCX);
        a.store(Assembler.RSP, 8 + HostFrame.slot(0), Assembler.RAX);
        a.patch(over, a.at());
        pushOrPop(0x58, Assembler.RCX);
        a.store(Assembler.RSP, HostFrame.EXIT, Assembler.RCX);
        for (int g = 1; g < 16; g++) {
            if (!HostFrame.spilled(g)) {
                a.store(Assembler.RSP, HostFrame.slot(g), HostFrame.host(g));
            }
        }
        a.store(Assembler.RSP, HostFrame.R11, Assembler.R11);
        a.mem(0, false, 1, 0xae, 3, Assembler.RSP, Assembler.NONE, 0, HostFrame.MXCSR);
        a.mem(0, false, 1, 0xae, 2, Assembler.RSP, Assembler.NONE, 0, HostFrame.HOST_MXCSR);
        for (int i = 0; i < 16; i++) {
            a.mem(0, false, 1, 0x11, i, Assembler.RSP, Assembler.NONE, 0, HostFrame.XMM + 16 * i);
        }
        if (upper(0x19)) {
            zeroUpper();
        }
        a.load(Assembler.RSP, Assembler.RSP, HostFrame.HOST_RSP);
        for (int i = SAVED.length - 1; i >= 0; i--) {
            pushOrPop(0x58, SAVED[i]);
        }
        a.byte1(0xc3);
        return saved;
    }
}
