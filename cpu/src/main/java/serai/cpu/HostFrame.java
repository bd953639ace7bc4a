package serai.cpu;

/**
 * What translated code finds around the address in its RSP ({@link VcpuContext#base}): guest registers that have no host register, constants
 * and what the way in and out needs. Offsets in bytes; those from -128 to 127 take one byte in an instruction.
 *
 * <p>Below RSP the host's signals spare 128 bytes (System V ABI, the red zone), of which a stub's CALL uses the first eight.
 *
 * <pre>
 *  guest  RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10   R11   R12 R13 R14 R15
 *  host   RAX R10 RDX RBX R15 RBP RSI RDI R8 R9 frame frame R12 R13 R14 frame        RCX and R11 are free for use
 * </pre>
 */
final class HostFrame {
    /** Address of the page of guest code that runs. */
    static final int CODE_BASE = -0x10;
    /** 32 bits: zero if something is to be done before the next unit. */
    static final int RUN = -0x18;

    static final int FS_BASE = -0x20;
    static final int GS_BASE = -0x28;
    /** Of 32-bit code: what may not be in an offset in FS and GS, see {@link SegmentTemplates}. */
    static final int FS_OUTSIDE = 0x300;

    static final int GS_OUTSIDE = 0x308;
    /** Constant: the bits of an address that choose the TLB's entry. */
    static final int INDEX_MASK = -0x30;
    /** Constant: the bits of an address above the page. */
    static final int PAGE_MASK = -0x38;
    /**
     * 32 bits: where code is that computes guest flags again which a jump back has carried along, as a distance from the way out; 0 if they are in
     * the frame. See {@link FlagPlan}.
     */
    static final int CARRIED = -0x40;
    /** Constant: those above the page, and the lowest four. */
    static final int ALIGNED_MASK = -0x48;
    /** Constant: those above the page, and the lowest five. */
    static final int ALIGNED_32_MASK = 0x2d8;
    /** Constant: the bits of an address that choose the entry of the jump table. */
    static final int JUMP_MASK = -0x50;
    /** The target of a call whose return address is not yet pushed. */
    static final int CALL_TARGET = -0x58;

    /**
     * 32 bits: the last indirect transfer, or 0. Bits 0 to 11 its offset in its page, 12 and 13 its kind ({@code UnitFlow.TRANSFER_…}), 16 to 31 what a return
     * releases.
     */
    static final int TRANSFER = -0x60;
    /** RFLAGS without the arithmetic flags, RF, and what has a place of its own: IF, DF, AC. */
    static final int FLAGS_REST = 0x218;
    /** IF, in its place in RFLAGS. */
    static final int INTERRUPT_FLAG = -0x68;
    /** 32 bits: zero if an interrupt may wait for IF to be set. */
    static final int QUIET = -0x70;

    /** DF, in its place in RFLAGS. */
    static final int DIRECTION_FLAG = -0x78;
    /** AH as by LAHF, AL is OF: the arithmetic flags while Java runs, and where {@link FlagPlan} says so. */
    static final int FLAGS = -0x80;

    /** Guest registers RAX to R15; those that have a host register are here only while Java runs. */
    static final int REGISTERS = 0;

    /**
     * {@link SharedLooks#SLOTS} host addresses, or zero: what accesses share while translated code runs, in the words of RBX to RSI, which have none for that
     * time.
     */
    static final int SHARED = 0x18;

    static final int HOST_RSP = 0x88;
    /** Where to enter. */
    static final int TARGET = 0x90;
    /** After an exit: address of its record. */
    static final int EXIT = 0x98;
    /** R11, in and out: the target of an indirect jump. */
    static final int R11 = 0xa0;

    static final int RCX = 0xa8;
    /** 32 bits each. */
    static final int MXCSR = 0xb0;

    static final int HOST_MXCSR = 0xb4;
    /** Constants: the bits of a bit's number within 64 and 32 bits. */
    static final int BIT_64 = 0xc0;

    static final int BIT_32 = 0xc8;
    /** Constant: the arithmetic flags. */
    static final int ARITHMETIC_MASK = 0xd0;
    /** Selectors ES to GS, 16 bits each. */
    static final int SELECTORS = 0xe0;
    /** While a string instruction runs: host addresses, guest registers, and how many elements are due. */
    static final int STRING_SOURCE = 0x200;

    static final int STRING_RSI = 0x208;
    static final int STRING_RDI = 0x210;
    static final int STRING_TARGET = 0x2a0;
    static final int STRING_COUNT = 0x2a8;
    static final int STRING_LIMIT = 0x2b0;
    /** What an instruction has overwritten whose flags may have to be computed again. */
    static final int STASH = 0x80;
    /** AC, in its place in RFLAGS. */
    static final int ACCESS_FLAG = 0x2b8;
    /** Zero unless CR4.SMAP is set. */
    static final int SMAP = 0x220;

    static final int KERNEL_GS_BASE = 0x228;
    /** Where SYSCALL goes to look its target up, or zero if it is the interpreter's. */
    static final int SYSCALL_LOOKUP = 0x230;
    /** LSTAR. */
    static final int SYSCALL_TARGET = 0x238;
    /** The flags that SYSCALL keeps. */
    static final int SYSCALL_KEEPS = 0x240;
    /** 32 bits each: CS, then SS, as SYSCALL and SYSRET load them. */
    static final int SYSCALL_SELECTORS = 0x248;

    static final int SYSRET_SELECTORS = 0x24c;
    /** Zero if SYSRET is the interpreter's. */
    static final int SYSRET_READY = 0x250;
    /** What has changed the privilege last: {@link #SYSCALL}, {@link #SYSRET}, or 0. */
    static final int TRANSITION = 0x258;

    /** CR0 to CR4. */
    static final int CONTROL = 0x260;
    /** The linear address of an access that the TLB doesn't have, if R11 is used for other things on the way out. */
    static final int ADDRESS = 0x2d0;
    /** Zero unless CR4.FSGSBASE is set. */
    static final int BASES = 0x2c8;
    /** Where a routine returns to. */
    static final int RETURN = 0x288;
    /** Constant: the bits of an address of which all are zero in the lower half of canonical ones. */
    static final int UPPER_HALF_MASK = 0x290;
    /** Constant: flags that only the interpreter sets. */
    static final int UNUSUAL_FLAGS = 0x298;

    static final int SYSCALL = 1;
    static final int SYSRET = 2;
    /** Constant: the address of the way out. */
    static final int WAY_OUT = 0x2c0;
    /** XMM0 to XMM15. */
    static final int XMM = 0x100;

    /** The upper halves of YMM0 to YMM15. */
    static final int UPPER = 0x400;
    /** 32 bits: zero unless they change hands with XMM0 to XMM15. */
    static final int WIDE = 0x2e0;

    private static final int SPILLED = 1 << 10 | 1 << 11 | 1 << 15;
    private static final int[] HOST = {0, 10, 2, 3, 15, 5, 6, 7, 8, 9, -1, -1, 12, 13, 14, -1};

    private HostFrame() {}

    /** Whether a guest register has no host register. */
    static boolean spilled(int guest) {
        return (SPILLED >>> guest & 1) != 0;
    }

    /** The host register of a guest register; -1 if it lives in the frame. */
    static int host(int guest) {
        return HOST[guest];
    }

    /** Where in the frame a guest register lives. */
    static int slot(int guest) {
        return REGISTERS + 8 * guest;
    }
}
