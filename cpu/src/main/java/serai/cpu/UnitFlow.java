package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * The ways into, between and out of units.
 *
 * <h2>Jumps</h2>
 *
 * Within a page a jump leads to the other unit directly, once that exists: a page's units come and go together, so nothing has to be
 * unlinked. All others look their target up by its address in the vCPU's jump table.
 *
 * <h2>Exits</h2>
 *
 * An exit is a CALL of the common way out, followed by a record that tells what is due; see the constants {@code EXIT_…}.
 */
final class UnitFlow {
    /** Exit: something is to be done before the instruction at the record's place. */
    static final int EXIT_POLL = 0;
    /** Exit: no code known for the target in R11. */
    static final int EXIT_JUMP = 1;
    /** Exit: a direct jump within the page, to the record's place, is not linked. */
    static final int EXIT_LINK = 2;
    /** Exit: the interpreter is to run one instruction. */
    static final int EXIT_ONE = 3;

    // the record: kind, length of the instruction, or of several that the interpreter is to run, place of the
    // instruction in its page, where to go on (from the
    // record, or 0), an argument; that of EXIT_ONE is the instruction's row and why (see ExitCounts), shifted by
    // RECORD_CAUSE, and of an access that the TLB doesn't have what it is, shifted by RECORD_ACCESS; then the
    // instruction
    // itself, from the record, follows
    static final int RECORD_LENGTH = 1, RECORD_PLACE = 2, RECORD_RESUME = 4, RECORD_ARGUMENT = 8, RECORD_BYTES = 12;
    static final int RECORD_CAUSE = 16, RECORD_ACCESS = 20, RECORD_AGAIN = 12;

    /** Of an access, besides its size: it writes; it has to be aligned; its address is in {@link HostFrame#ADDRESS} and not in R11. */
    static final int ACCESS_SIZE = 63, ACCESS_WRITES = 1 << 6, ACCESS_ALIGNED = 1 << 7, ACCESS_STORED = 1 << 8;

    /** Of an access: R11 is the address plus the tag of the entry at RCX. */
    private static final int ACCESS_COMPARED = 1 << 9;

    /** By how much an address is rotated that is added to itself to find its entry in the jump table: half as many collisions as without, in a boot. */
    static final int JUMP_ROTATION = 14;

    /** In place of a condition: always. */
    static final int JMP = 0xe9;

    /** Bytes of the look at the beginning of an {@link #entry}. */
    static final int ENTRY_CHECK = 20;

    private static final long BEHIND = -1;
    private static final int STUB_ONE = 0, STUB_CARRIED = 1, STUB_LINK = 2, STUB_FAR = 3, STUB_ACCESS = 4;
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int MAX = TranslationUnit.MAX;

    private final Assembler a;
    private final TranslationUnit unit;
    private final FlagPlan plan;
    private final FlagTemplates flags;
    private final CodeGate gate;

    /** Where the code of each instruction begins. */
    private final long[] hostAt = new long[MAX + 1];

    /** The same behind what saves flags. */
    private final long[] bodyAt = new long[MAX + 1];

    private int writing;

    // jumps to instructions further on
    private final long[] forwardFrom = new long[MAX];
    private final int[] forwardTo = new int[MAX];
    private int forwards;

    // code out of line, written after the unit
    private final int[] stubKind = new int[MAX * 6];
    private final long[] stubFrom = new long[MAX * 6];
    private final int[] stubIndex = new int[MAX * 6];
    private final int[] stubPlace = new int[MAX * 6];
    private int stubs;

    private int jumpCode;
    private int readTlb;
    private int writeTlb;
    private Labels labels = place -> 0;

    /** Knows what is translated of the page. */
    interface Labels {
        /** Where the code of the instruction at an offset in the page begins, as it runs; or 0. */
        long at(int place);
    }

    /**
     * The ways of all units.
     *
     * @param gate the ways out
     */
    UnitFlow(Assembler a, TranslationUnit unit, FlagPlan plan, FlagTemplates flags, CodeGate gate) {
        this.a = a;
        this.unit = unit;
        this.plan = plan;
        this.flags = flags;
        this.gate = gate;
    }

    /**
     * Begins a unit.
     *
     * @param kind its {@link UnitKind}
     */
    void begin(int kind, Labels known) {
        labels = known;
        jumpCode = VcpuContext.jumpCode(UnitKind.jumpTable(kind));
        readTlb = VcpuContext.READ_TLB + UnitKind.tlb(kind) * VcpuContext.TLB_TABLE;
        writeTlb = VcpuContext.WRITE_TLB + UnitKind.tlb(kind) * VcpuContext.TLB_TABLE;
        forwards = 0;
        stubs = 0;
    }

    /**
     * Where an instruction is entered from elsewhere, with its address in R11 and the number of its entry in the jump table in RCX: looks whether that is
     * the address it was meant for. {@link #ENTRY_CHECK} bytes on no look is due.
     *
     * @param at the instruction's offset in its page
     * @param kind the {@link UnitKind} of its unit
     * @param label where its code begins, as it runs
     * @return the entry, as it runs
     */
    long entry(int at, int kind, long label) {
        a.align(16);
        long poll = a.at();
        out(EXIT_POLL, 0, at, 0, 0);
        long entry = a.at();
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, VcpuContext.jumpTags(UnitKind.jumpTable(kind)));
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 1);
        long hit = a.jrcxz();
        a.jump(gate.miss);
        a.here(hit);
        if (a.at() != entry + ENTRY_CHECK) {
            throw new IllegalStateException("the look takes " + (a.at() - entry) + " bytes");
        }
        a.lea(Assembler.RCX, Assembler.R11, Assembler.NONE, 0, -at);
        a.store(Assembler.RSP, HostFrame.CODE_BASE, Assembler.RCX);
        poll(poll);
        a.jumpRunning(label);
        return a.runs(entry);
    }

    /** Where the code of an instruction of the unit begins, as it runs. */
    long label(int i) {
        return a.runs(hostAt[i]);
    }

    /** The code of an instruction, or of what comes after the last, begins here. */
    void at(int i) {
        flags.before(i);
        hostAt[i] = a.at();
        writing = i;
        flags.save(i);
        bodyAt[i] = a.at();
        flags.stash(i);
    }

    /** Ends a unit: what is out of line. */
    void end() {
        for (int i = 0; i < forwards; i++) {
            a.patch(forwardFrom[i], hostAt[forwardTo[i]]);
        }
        for (int i = 0; i < stubs; i++) {
            stub(i);
        }
    }

    /** The interpreter runs the instruction, and {@code n - 1} after it. */
    void interpret(int i, int n) {
        int length = unit.defined[i] ? unit.place[i + n] - unit.place[i] : 0;
        one(i, length, unit.goesOn(i + n - 1) ? BEHIND : 0, ExitCounts.INSTRUCTION << RECORD_CAUSE);
    }

    /** The interpreter runs the instruction if this is reached; otherwise jump over it. */
    void interpretUnless(int i) {
        later(STUB_ONE, a.jump(), i, 0);
    }

    /** The same for an access that the TLB doesn't have. */
    void missUnless(int i, int size, boolean write, boolean aligned) {
        later(STUB_ACCESS, a.jump(), i, access(size, write, aligned));
    }

    /** The same if the condition, 0 to 15, holds after {@link MemoryTemplates#compare}. */
    void missIf(int condition, int i, int size, boolean write, boolean aligned) {
        later(STUB_ACCESS, a.jump(condition), i, access(size, write, aligned) | ACCESS_COMPARED);
    }

    /** The same for an access that the TLB doesn't have, right here. */
    void missed(int i, int size, boolean write) {
        missed(i, access(size, write, false));
    }

    private static int access(int size, boolean write, boolean aligned) {
        return size | (write ? ACCESS_WRITES : 0) | (aligned ? ACCESS_ALIGNED : 0);
    }

    /** A unit that is entered by address alone: goes to where the jump table says the page's offset {@code at} is. */
    long farOnly(int at) {
        long start = a.at();
        far(at);
        return a.runs(start);
    }

    void out(int kind, int length, int at, long resume, int argument) {
        a.call(gate.exit);
        record(kind, length, at, resume, argument);
    }

    /** The interpreter is to run an instruction; translated code goes on at {@code resume}, {@link #BEHIND} the record, or (0) is looked up. */
    private void one(int i, long resume, int why) {
        one(i, unit.defined[i] ? unit.code[i].length : 0, resume, why);
    }

    private void one(int i, int length, long resume, int why) {
        flags.beforeExit(i);
        a.call(plan.carriedInto(i) ? gate.exitCarried : plan.inFrame(i) ? gate.exitSaved : gate.exit);
        record(
                EXIT_ONE,
                length,
                unit.place[i],
                resume == BEHIND ? a.at() + RECORD_BYTES : resume,
                (unit.defined[i] ? unit.code[i].row.number() : 0) | why);
    }

    /** Where the code behind an instruction is, if that is where it goes on. */
    private long behind(int i) {
        return unit.goesOn(i) && !unit.isCall(i) ? hostAt[i + 1] : 0;
    }

    private void missed(int i, int access) {
        int told = access & ~ACCESS_COMPARED;
        if (told != access) {
            // sub r11, [rsp + rcx + tlb]
            int tlb = (access & ACCESS_WRITES) != 0 ? writeTlb : readTlb;
            a.mem(0, true, 0, 0x2b, Assembler.R11, Assembler.RSP, Assembler.RCX, 0, tlb);
        }
        if (plan.known(i) || plan.carriedInto(i)) {
            told |= ACCESS_STORED;
            a.store(Assembler.RSP, HostFrame.ADDRESS, Assembler.R11);
        }
        one(i, behind(i), ExitCounts.ACCESS << RECORD_CAUSE | told << RECORD_ACCESS);
        long record = a.at() - RECORD_BYTES;
        a.int4((int) (hostAt[i] - record));
    }

    private void record(int kind, int length, int at, long resume, int argument) {
        long record = a.at();
        a.byte1(kind);
        a.byte1(length);
        a.int2(at);
        a.int4(resume == 0 ? 0 : (int) (resume - record));
        a.int4(argument);
    }

    /** Where the record of an exit that is written here will stand: after the CALL. */
    private long record() {
        return a.at() + 5;
    }

    private void poll(long way) {
        a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.RUN);
        a.jrcxz(way);
    }

    private void later(int kind, long from, int index, int at) {
        stubKind[stubs] = kind;
        stubFrom[stubs] = from;
        stubIndex[stubs] = index;
        stubPlace[stubs++] = at;
    }

    private void stub(int s) {
        if (stubKind[s] != STUB_CARRIED) {
            a.patch(stubFrom[s], a.at());
        }
        int i = stubIndex[s];
        switch (stubKind[s]) {
            case STUB_ONE -> one(i, behind(i), ExitCounts.OPERANDS << RECORD_CAUSE);
            case STUB_ACCESS -> missed(i, stubPlace[s]);
            case STUB_CARRIED -> {
                // patched as code is: an immediate at the end of its instruction
                GuestMemory.putInt(stubFrom[s], (int) (a.at() - gate.exit));
                flags.replay(i);
                a.jump(gate.carriedOut);
            }
            case STUB_LINK -> out(EXIT_LINK, 0, stubPlace[s], 0, (int) (stubFrom[s] - record()));
            default -> far(stubPlace[s]);
        }
    }

    /**
     * A jump to {@code target}, an offset from the page's start; {@code condition} 0 to 15, or {@link #JMP}. One that leads back polls, so that there is no loop
     * without.
     */
    boolean jump(int condition, int target) {
        if (target < 0 || target >= PAGE) {
            if (condition == JMP) {
                far(target);
            } else {
                later(STUB_FAR, a.jump(condition), 0, target);
            }
        } else if (target <= unit.place[Math.min(writing, unit.count - 1)]) {
            back(condition, target);
        } else if (unit.at(target) >= 0) {
            forwardFrom[forwards] = jump(condition);
            forwardTo[forwards++] = unit.at(target);
        } else if (labels.at(target) != 0) {
            a.patchRunning(jump(condition), labels.at(target));
        } else {
            a.alignDisplacement(condition == JMP ? 1 : 2);
            later(STUB_LINK, jump(condition), 0, target);
        }
        return true;
    }

    /** The poll is here, and not out of line, as a taken jump costs more than what is passed over. */
    private void back(int condition, int target) {
        long over = condition == JMP ? 0 : a.jumpShort(condition ^ 1);
        a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.RUN);
        long due = a.jrcxz();
        int to = unit.at(target);
        int carried = writing < unit.count ? plan.carriedBy(writing) : -1;
        if (to >= 0 && carried >= 0) {
            a.mem(0, false, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.CARRIED);
            a.int4(0);
            later(STUB_CARRIED, a.at() - 4, carried, 0);
            a.jump(bodyAt[to]);
        } else if (to >= 0) {
            a.jump(hostAt[to]);
        } else if (labels.at(target) != 0) {
            a.jumpRunning(labels.at(target));
        } else {
            a.alignDisplacement(1);
            later(STUB_LINK, a.jump(), 0, target);
        }
        a.here(due);
        out(EXIT_POLL, 0, target, 0, 0);
        if (over != 0) {
            a.here(over);
        }
    }

    private long jump(int condition) {
        return condition == JMP ? a.jump() : a.jump(condition);
    }

    private void far(int target) {
        a.load(Assembler.R11, Assembler.RSP, HostFrame.CODE_BASE);
        a.lea(unit.wide(), Assembler.R11, Assembler.R11, target);
        lookup();
    }

    /** Kinds of transfers that have changed nothing but RSP when their target turns out not to be canonical. */
    static final int TRANSFER_JUMP = 1, TRANSFER_RETURN = 2;

    /** What an indirect transfer, as {@link HostFrame#TRANSFER} tells of it, has added to RSP. */
    static int addedToRsp(int transfer) {
        return (transfer >>> 12 & 3) == TRANSFER_RETURN ? 8 + (transfer >>> 16) : 0;
    }

    /**
     * An indirect transfer to the address in R11. If that is not canonical, as all of 32-bit code are, the transfer is to fault (SDM vol. 2, JMP, CALL,
     * RET): so it leaves word of itself.
     *
     * @param kind one of {@code TRANSFER_…}
     * @param released bytes that a return releases besides
     */
    void transfer(int i, int kind, int released) {
        if (unit.wide()) {
            a.mem(0, false, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.TRANSFER);
            a.int4(released << 16 | kind << 12 | unit.place[i]);
        }
        lookup();
    }

    /** To the address in R11. */
    void lookup() {
        a.rorx(Assembler.RCX, Assembler.R11, JUMP_ROTATION);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.pext(Assembler.RCX, Assembler.RCX, HostFrame.JUMP_MASK);
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.RCX, 3, jumpCode);
    }
}
