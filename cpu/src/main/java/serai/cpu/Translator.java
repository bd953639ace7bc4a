package serai.cpu;

import java.util.Set;
import serai.cpu.Decoded.Kind;
import serai.cpu.Templates.Template;
import serai.machine.engine.CpuFeature;
import serai.machine.memory.GuestMemory;

/**
 * Translates 64-bit guest code to machine code of the host, which has the same instructions.
 *
 * <h2>Units</h2>
 *
 * A unit is a run of instructions within a page, past conditional jumps and calls, to the first that can't be passed, or
 * {@value #MAX}. It knows its place in the page and not the page's address ({@link HostFrame#CODE_BASE} has that), so it serves all
 * address spaces that map the page. Between any two instructions all guest state is where {@link HostFrame} says, flags included: code can be
 * left and entered anywhere.
 *
 * <h2>Jumps</h2>
 *
 * Within a page a jump leads to the other unit directly, once that exists: a page's units come and go together, so nothing has to be
 * unlinked. All others look their target up by its address in the vCPU's jump table.
 *
 * <h2>Memory</h2>
 *
 * An access looks at the software TLB and takes the host address from it, or leaves for the interpreter: misses, devices,
 * page crossings, faults. Guest flags are in the host's all the time, so the look has to leave them alone: BMI2's PEXT both picks the
 * entry and checks tag and page crossing (what is left of the bits above the page has to be nothing), JRCXZ decides.
 *
 * <h2>Ways out</h2>
 *
 * An exit is a CALL of the common way out, followed by a record that tells what is due; see the constants {@code EXIT_…}.
 */
final class Translator {
    /** Instructions of a unit at most. */
    static final int MAX = 32;
    /** Bytes that a unit can't exceed. */
    static final int MAX_BYTES = MAX * 400;

    /** Exit: something is to be done before the instruction at the record's place. */
    static final int EXIT_POLL = 0;
    /** Exit: no code known for the target in R11. */
    static final int EXIT_JUMP = 1;
    /** Exit: a direct jump within the page, to the record's place, is not linked. */
    static final int EXIT_LINK = 2;
    /** Exit: the interpreter is to run one instruction. */
    static final int EXIT_ONE = 3;

    // the record: kind, length of the instruction, place of the instruction in its page, where to go on (from the
    // record, or 0), an argument
    static final int RECORD_LENGTH = 1, RECORD_PLACE = 2, RECORD_RESUME = 4, RECORD_ARGUMENT = 8, RECORD_BYTES = 12;
    private static final int STUB_ONE = 0, STUB_POLL = 1, STUB_LINK = 2, STUB_FAR = 3;
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int OPERAND_NONE = 15;
    private static final int JMP = 0xe9;

    private final Assembler a;
    private final Decoder decoder;
    private final Templates templates;
    private final long exit;

    private final Decoded[] code = new Decoded[MAX];
    private final int[] place = new int[MAX + 1];
    private final boolean[] defined = new boolean[MAX];
    private final long[] hostAt = new long[MAX + 1];
    private final boolean[] afterCall = new boolean[MAX + 1];
    private final int[] indexAt = new int[PAGE];
    private int count;

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

    private int readTlb;
    private int writeTlb;
    private int jumpTags;
    private int jumpCode;
    private boolean sse;
    private boolean supervisor;
    private long entryAt;
    private long chainAt;

    /** Is told of each address at which a unit can be entered. */
    interface Entries {
        /**
         * An entry.
         *
         * @param place offset of the instruction in its page
         * @param code where to jump with the instruction's address in R11
         * @param chain where a jump within the page leads
         */
        void entry(int place, long code, long chain);
    }

    /**
     * A translator.
     *
     * @param a writes into code memory
     * @param exit where the way out is written
     */
    Translator(Assembler a, Set<CpuFeature> guest, Set<CpuFeature> host, long exit) {
        this.a = a;
        this.exit = exit;
        decoder = new Decoder(guest);
        templates = new Templates(host);
        for (int i = 0; i < MAX; i++) {
            code[i] = new Decoded();
        }
    }

    /**
     * Translates.
     *
     * @param host host address of the guest page
     * @param start offset of the first instruction in it
     * @param end offset up to which its bytes may be read; past the page for an instruction that goes on in the next one, which is a
     *     unit of its own
     * @param table which TLB its accesses use
     * @param sse whether the guest may use SSE, with exceptions masked
     * @return false if the first instruction doesn't end in the page: nothing is written then
     */
    boolean translate(long host, int start, int end, int table, boolean sse, Entries entries) {
        this.sse = sse;
        supervisor = table != 1;
        readTlb = VcpuContext.READ_TLB + table * VcpuContext.TLB_TABLE;
        writeTlb = VcpuContext.WRITE_TLB + table * VcpuContext.TLB_TABLE;
        jumpTags = VcpuContext.jumpTags(table);
        jumpCode = VcpuContext.jumpCode(table);
        decode(host, start, end);
        if (count == 0) {
            return false;
        }
        forwards = 0;
        stubs = 0;
        head(start);
        long entry = entryAt;
        long chain = chainAt;
        for (int i = 0; i < count; i++) {
            hostAt[i] = a.at();
            emit(i);
        }
        hostAt[count] = a.at();
        if (goesOn(count - 1)) {
            jump(JMP, place[count]);
        }
        for (int i = 0; i < forwards; i++) {
            a.patch(forwardFrom[i], hostAt[forwardTo[i]]);
        }
        for (int i = 0; i < stubs; i++) {
            stub(i);
        }
        if (end > PAGE) {
            // where the next page's bytes come from depends on the address space: it is entered by address alone
            chain = a.at();
            far(start);
        }
        entries.entry(start, a.runs(entry), a.runs(chain));
        for (int i = 1; i < count; i++) {
            if (afterCall[i]) {
                head(place[i]);
                a.jump(hostAt[i]);
                entries.entry(place[i], a.runs(entryAt), a.runs(chainAt));
            }
        }
        for (int i = 0; i < count; i++) {
            indexAt[place[i]] = 0;
        }
        return true;
    }

    /** What stands before an instruction that can be entered: by its address in R11, or by a jump within the page. */
    private void head(int at) {
        a.align(16);
        long way = a.at();
        out(EXIT_POLL, 0, at, 0, 0);
        entryAt = a.at();
        a.lea(Assembler.RCX, Assembler.R11, Assembler.NONE, 0, -at);
        a.store(Assembler.RSP, HostFrame.CODE_BASE, Assembler.RCX);
        chainAt = a.at();
        poll(way);
    }

    // ---- what is translated ----

    private void decode(long host, int start, int end) {
        count = 0;
        int at = start;
        while (count < MAX && at < PAGE && (end == PAGE || count == 0)) {
            Decoded d = code[count];
            Decoder.Result result = decoder.decode(d, host + at, end - at, 8, 8);
            if (result == Decoder.Result.SHORT) {
                break;
            }
            place[count] = at;
            afterCall[count] = count > 0 && defined[count - 1] && isCall(templates.of(code[count - 1].row));
            defined[count] = result == Decoder.Result.OK;
            indexAt[at] = ++count;
            if (result != Decoder.Result.OK) {
                d.length = 1;
                at++;
                break;
            }
            at += d.length;
            if (!goesOn(count - 1)) {
                break;
            }
        }
        place[count] = at;
    }

    private static boolean isCall(Template t) {
        return t == Template.CALL || t == Template.CALL_INDIRECT;
    }

    /** Whether the instruction after this one may be next without a jump. */
    private boolean goesOn(int i) {
        if (!defined[i]) {
            return false;
        }
        return switch (templates.of(code[i].row)) {
            case LAST, JUMP, JUMP_INDIRECT, RETURN -> false;
            default -> true;
        };
    }

    // ---- ways out ----

    private void out(int kind, int length, int at, long resume, int argument) {
        a.call(exit);
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
        a.patch(stubFrom[s], a.at());
        int i = stubIndex[s];
        switch (stubKind[s]) {
            case STUB_ONE ->
                out(
                        EXIT_ONE,
                        code[i].length,
                        place[i],
                        goesOn(i) && !isCall(templates.of(code[i].row)) ? hostAt[i + 1] : 0,
                        0);
            case STUB_POLL -> {
                long over = a.at();
                out(EXIT_POLL, 0, place[i], 0, 0);
                a.patch(stubFrom[s], a.at());
                poll(over);
                a.jump(hostAt[i]);
            }
            case STUB_LINK -> {
                out(EXIT_LINK, 0, stubPlace[s], 0, (int) (stubFrom[s] - record()));
            }
            default -> far(stubPlace[s]);
        }
    }

    /** A jump to {@code target}, an offset from the page's start; {@code condition} 0 to 15, or {@link #JMP}. */
    private boolean jump(int condition, int target) {
        if (target >= 0 && target < PAGE) {
            int to = indexAt[target] - 1;
            if (to >= 0 && to < count) {
                long from = condition == JMP ? a.jump() : a.jump(condition);
                if (place[to] <= current) {
                    later(STUB_POLL, from, to, 0);
                } else {
                    forwardFrom[forwards] = from;
                    forwardTo[forwards++] = to;
                }
                return true;
            }
            a.alignDisplacement(condition == JMP ? 1 : 2);
            later(STUB_LINK, condition == JMP ? a.jump() : a.jump(condition), 0, target);
        } else if (condition == JMP) {
            far(target);
        } else {
            later(STUB_FAR, a.jump(condition), 0, target);
        }
        return true;
    }

    private void far(int target) {
        a.load(Assembler.R11, Assembler.RSP, HostFrame.CODE_BASE);
        a.lea(Assembler.R11, Assembler.R11, Assembler.NONE, 0, target);
        lookup(0, 0, 0);
    }

    /**
     * To the address in R11.
     *
     * @param at the instruction's place, if it is the one to raise the fault of an address that is not canonical
     * @param undo what it has added to RSP by now
     */
    private void lookup(int at, int length, int undo) {
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.JUMP_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, jumpTags);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 1);
        long hit = a.jrcxz();
        out(EXIT_JUMP, length, at, 0, undo);
        a.here(hit);
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.JUMP_MASK);
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.RCX, 3, jumpCode);
    }

    // ---- memory ----

    /** The linear address of the memory operand into R11; false if that is the interpreter's affair. */
    private boolean address(int i) {
        Decoded d = code[i];
        if (d.disp != (int) d.disp) {
            return false;
        }
        boolean wide = d.addrSize == 8;
        int base = Assembler.NONE;
        int index = Assembler.NONE;
        long disp = d.disp;
        if (d.base == Decoded.RIP_BASE) {
            disp += place[i] + d.length;
            if (disp != (int) disp) {
                return false;
            }
            a.load(Assembler.R11, Assembler.RSP, HostFrame.CODE_BASE);
            base = Assembler.R11;
        } else if (d.base != Decoded.NO_REG) {
            base = HostFrame.host(d.base);
            if (base < 0) {
                a.load(Assembler.R11, Assembler.RSP, HostFrame.slot(d.base));
                base = Assembler.R11;
            }
        }
        if (d.index != Decoded.NO_REG) {
            index = HostFrame.host(d.index);
            if (index < 0) {
                a.load(Assembler.RCX, Assembler.RSP, HostFrame.slot(d.index));
                index = Assembler.RCX;
            }
        }
        a.mem(0, wide, 0, 0x8d, Assembler.R11, base, index, d.scale, (int) disp);
        if (d.segment >= CpuRegisters.FS) {
            a.load(Assembler.RCX, Assembler.RSP, d.segment == CpuRegisters.FS ? HostFrame.FS_BASE : HostFrame.GS_BASE);
            a.lea(Assembler.R11, Assembler.R11, Assembler.RCX, 0, 0);
        }
        return true;
    }

    /** From the linear address in R11 to {@code [RCX + R11]}, or out to the interpreter. */
    private void probe(int i, int size, boolean write, boolean aligned) {
        probe(i, size, write, aligned, -1);
    }

    /** The same for {@code 1 << times} bytes, fewer than 4096, for each that R10 counts, if {@code times} is not negative. */
    private void probe(int i, int size, boolean write, boolean aligned, int times) {
        int tlb = write ? writeTlb : readTlb;
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        times8();
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 1, tlb);
        a.not(Assembler.RCX);
        a.lea(Assembler.RCX, Assembler.R11, Assembler.RCX, 0, aligned ? 1 : size);
        if (times >= 0) {
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R10, times, 0);
        }
        a.pext(Assembler.RCX, Assembler.RCX, aligned ? HostFrame.ALIGNED_MASK : HostFrame.PAGE_MASK);
        long hit = a.jrcxz();
        later(STUB_ONE, a.jump(), i, 0);
        a.here(hit);
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        times8();
        a.pext(Assembler.R11, Assembler.R11, HostFrame.OFFSET_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 1, tlb + 8);
    }

    private void times8() {
        a.mem(0, false, 0, 0x8d, Assembler.RCX, Assembler.NONE, Assembler.RCX, 3, 0);
    }

    /** From {@code [RCX + R11]} to {@code [R11]}. */
    private void sum() {
        a.lea(Assembler.R11, Assembler.RCX, Assembler.R11, 0, 0);
    }

    private void loadSpilled(int host, int guest) {
        a.load(host, Assembler.RSP, HostFrame.slot(guest));
    }

    private void storeSpilled(int guest, int host) {
        a.store(Assembler.RSP, HostFrame.slot(guest), host);
    }

    // ---- instructions ----

    private int current;

    private void interpret(int i) {
        out(EXIT_ONE, defined[i] ? code[i].length : 0, place[i], goesOn(i) ? record() + RECORD_BYTES : 0, 0);
    }

    private void emit(int i) {
        current = place[i];
        if (!defined[i] || !translated(i)) {
            interpret(i);
        }
    }

    /** Writes an instruction; false, and nothing is written that matters, if it is the interpreter's. */
    private boolean translated(int i) {
        Decoded d = code[i];
        return switch (templates.of(d.row)) {
            case INTERPRET, LAST -> false;
            case NOTHING -> true;
            case PLAIN -> plain(i);
            case SSE -> sse && plain(i);
            case LEA -> leaOperand(i);
            case SHIFT_CL -> shift(i);
            case DIVIDE -> divide(i);
            case COMPARE_16 -> compare16(i);
            case MOVE_IMMEDIATE -> moveImmediate(d);
            case SWAP_BYTES -> swapBytes(d);
            case EXCHANGE_RAX -> exchange(d);
            case PUSH -> push(i);
            case POP -> pop(i);
            case LEAVE -> leave(i);
            case PUSH_FLAGS -> pushFlags(i);
            case CLEAR_INTERRUPT -> supervisor && interruptFlag(i, 0);
            case SET_INTERRUPT -> supervisor && interruptFlag(i, CpuRegisters.IF);
            case STORE_SEGMENT -> storeSegment(d);
            case STRING -> string(i);
            case JCC -> near(i) && jump(d.opcode & 15, target(d, i));
            case JUMP -> near(i) && jump(JMP, target(d, i));
            case JUMP_INDIRECT -> jumpIndirect(i);
            case CALL -> near(i) && call(i);
            case CALL_INDIRECT -> callIndirect(i);
            case RETURN -> ret(i);
        };
    }

    private void prefixes(Decoded d) {
        if (d.lock) {
            a.byte1(0xf0);
        }
        if (d.row.prefix() == 0x66 || d.opSizePrefix) {
            a.byte1(0x66);
        }
    }

    private static int repeat(Decoded d) {
        return d.row.prefix() == 0xf2 || d.row.prefix() == 0xf3 ? d.row.prefix() : 0;
    }

    private static boolean wide(Decoded d) {
        return (d.rex & 8) != 0;
    }

    private void tail(Decoded d) {
        a.immediate(d.immediate, Templates.immediateBytes(d));
    }

    private boolean plain(int i) {
        Decoded d = code[i];
        InstructionRow row = d.row;
        if (!row.modrm()) {
            if (row.map() != 0) {
                return false;
            }
            prefixes(d);
            if (wide(d)) {
                a.byte1(0x48);
            }
            a.byte1(d.opcode);
            tail(d);
            return true;
        }
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        boolean memory = rmOp != OPERAND_NONE && d.isMem(rmOp);
        if (Templates.high(d, regOp) || Templates.high(d, rmOp)) {
            return highByte(i, regOp, rmOp, memory);
        }
        boolean general = regOp != OPERAND_NONE && d.isReg(regOp);
        int reg = regOp == OPERAND_NONE ? d.reg() : d.operand[regOp];
        int regGuest = reg;
        boolean regSpilled = general && HostFrame.spilled(reg);
        boolean force = general && d.size[regOp] == 1 && reg >= 4;
        if (general) {
            reg = regSpilled ? Assembler.RCX : HostFrame.host(reg);
        }
        boolean leavesEcx = row.operation().endsWith("STRI") && row.operation().startsWith("PCMP");
        if (memory) {
            if (general && row.operation().startsWith("BT")) {
                return bitString(i, reg, regSpilled);
            }
            int size = row.mnemonic().equals("CMPXCHG8B") ? 8 : d.size[rmOp];
            if (size == 0 || size > 16 || !address(i)) {
                return false;
            }
            probe(i, size, rmOp == 0 && templates.writes(row), size == 16 && templates.aligned(row));
            if (row.mnemonic().equals("CMPXCHG8B")) {
                sum();
                a.move(Assembler.RCX, Assembler.R10);
                prefixes(d);
                a.mem(0, false, row.map(), d.opcode, reg, Assembler.R11, Assembler.NONE, 0, 0);
                return true;
            }
            if (regSpilled) {
                sum();
                loadSpilled(Assembler.RCX, regGuest);
                prefixes(d);
                a.mem(repeat(d), wide(d), row.map(), d.opcode, reg, Assembler.R11, Assembler.NONE, 0, 0, force);
                tail(d);
                storeSpilled(regGuest, Assembler.RCX);
            } else {
                prefixes(d);
                a.mem(repeat(d), wide(d), row.map(), d.opcode, reg, Assembler.RCX, Assembler.R11, 0, 0, force);
                tail(d);
            }
        } else {
            int rm = rmOp == OPERAND_NONE ? d.rm() : d.operand[rmOp];
            boolean rmGeneral = rmOp != OPERAND_NONE && d.isReg(rmOp);
            int rmGuest = rm;
            boolean rmSpilled = rmGeneral && HostFrame.spilled(rm);
            if (rmGeneral) {
                force |= d.size[rmOp] == 1 && rm >= 4;
                rm = rmSpilled ? Assembler.R11 : HostFrame.host(rm);
            }
            if (regSpilled) {
                loadSpilled(Assembler.RCX, regGuest);
            }
            boolean same = regSpilled && rmSpilled && regGuest == rmGuest;
            if (same) {
                rm = Assembler.RCX;
            } else if (rmSpilled) {
                loadSpilled(Assembler.R11, rmGuest);
            }
            prefixes(d);
            a.op(repeat(d), wide(d), row.map(), d.opcode, reg, rm, force);
            tail(d);
            if (regSpilled) {
                storeSpilled(regGuest, Assembler.RCX);
            }
            if (rmSpilled && !same) {
                storeSpilled(rmGuest, Assembler.R11);
            }
        }
        if (leavesEcx) {
            a.move32(Assembler.R10, Assembler.RCX);
        }
        return true;
    }

    /** BT and its like with the bit's number in a register, which may lie anywhere before or after the operand (SDM vol. 1, 3.1.1.9). */
    private boolean bitString(int i, int reg, boolean spilled) {
        Decoded d = code[i];
        boolean w = d.opSize == 8;
        if (spilled || d.opSize == 2 || d.addrSize != 8 || !address(i)) {
            return false;
        }
        a.byte1(0xb9);
        a.int4(w ? 6 : 5);
        a.sarx(w, Assembler.RCX, reg, Assembler.RCX);
        if (!w) {
            a.op(0, true, 0, 0x63, Assembler.RCX, Assembler.RCX);
        }
        a.lea(Assembler.R11, Assembler.R11, Assembler.RCX, w ? 3 : 2, 0);
        boolean test = d.row.operation().equals("BT");
        probe(i, d.opSize, !test, false);
        sum();
        if (d.lock) {
            a.pext(Assembler.RCX, reg, w ? HostFrame.BIT_64 : HostFrame.BIT_32);
            a.byte1(0xf0);
            a.mem(0, w, 1, d.opcode, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
            return true;
        }
        a.mem(0, w, 0, 0x8b, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        a.op(0, w, 1, d.opcode, reg, Assembler.RCX);
        if (!test) {
            a.mem(0, w, 0, 0x89, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        }
        return true;
    }

    /** An operand is AH, CH, DH or BH: no REX prefix then, so the guest's RCX has to be in RCX. */
    private boolean highByte(int i, int regOp, int rmOp, boolean memory) {
        Decoded d = code[i];
        boolean usesRcx = isRcx(d, regOp) || !memory && isRcx(d, rmOp);
        int reg = regOp == OPERAND_NONE ? d.reg() : noRex(d, regOp);
        if (reg < 0) {
            return false;
        }
        if (memory) {
            if (usesRcx || !address(i)) {
                return false;
            }
            probe(i, d.size[rmOp], rmOp == 0 && templates.writes(d.row), false);
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
            prefixes(d);
            a.mem(repeat(d), false, d.row.map(), d.opcode, reg, Assembler.RCX, Assembler.NONE, 0, 0);
            tail(d);
            return true;
        }
        int rm = noRex(d, rmOp);
        if (rm < 0) {
            return false;
        }
        if (usesRcx) {
            a.move(Assembler.RCX, Assembler.R10);
        }
        prefixes(d);
        a.op(repeat(d), false, d.row.map(), d.opcode, reg, rm);
        tail(d);
        if (usesRcx) {
            a.move(Assembler.R10, Assembler.RCX);
        }
        return true;
    }

    private static boolean isRcx(Decoded d, int operand) {
        return operand < 4 && d.isReg(operand) && (d.operand[operand] == 1 || d.operand[operand] == 21);
    }

    /** The number of a register in an instruction without REX; -1 if it can't be there. */
    private static int noRex(Decoded d, int operand) {
        if (!d.isReg(operand)) {
            return -1;
        }
        int n = d.operand[operand];
        return n >= 20 ? n - 16 : n < 4 || n > 4 && n < 8 && d.size[operand] > 1 ? n : -1;
    }

    private boolean leaOperand(int i) {
        Decoded d = code[i];
        int segment = d.segment;
        d.segment = CpuRegisters.DS; // LEA knows no segment base
        boolean known = address(i);
        d.segment = segment;
        if (!known) {
            return false;
        }
        int n = d.operand[0];
        if (d.opSize == 2) {
            if (HostFrame.spilled(n)) {
                return false;
            }
            a.byte1(0x66);
            a.op(0, false, 0, 0x8b, HostFrame.host(n), Assembler.R11);
        } else if (HostFrame.spilled(n)) {
            if (d.opSize == 4) {
                a.move32(Assembler.R11, Assembler.R11);
            }
            storeSpilled(n, Assembler.R11);
        } else {
            a.op(0, d.opSize == 8, 0, 0x8b, HostFrame.host(n), Assembler.R11);
        }
        return true;
    }

    private boolean shift(int i) {
        Decoded d = code[i];
        InstructionRow row = d.row;
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        int reg = d.reg();
        if (Templates.high(d, rmOp)) {
            return false;
        }
        if (regOp != OPERAND_NONE) {
            if (HostFrame.spilled(d.operand[regOp])) {
                return false;
            }
            reg = HostFrame.host(d.operand[regOp]);
        }
        if (d.isMem(rmOp)) {
            if (!address(i)) {
                return false;
            }
            probe(i, d.size[rmOp], true, false);
            sum();
            a.move32(Assembler.RCX, Assembler.R10);
            prefixes(d);
            a.mem(0, wide(d), row.map(), d.opcode, reg, Assembler.R11, Assembler.NONE, 0, 0);
            return true;
        }
        int n = d.operand[rmOp];
        boolean spilled = HostFrame.spilled(n);
        int rm = spilled ? Assembler.R11 : HostFrame.host(n);
        if (spilled) {
            loadSpilled(Assembler.R11, n);
        }
        a.move32(Assembler.RCX, Assembler.R10);
        prefixes(d);
        a.op(0, wide(d), row.map(), d.opcode, reg, rm, d.size[rmOp] == 1 && n >= 4);
        if (spilled) {
            storeSpilled(n, Assembler.R11);
        }
        return true;
    }

    /**
     * A division by what is not zero (nor -1, if signed), of a dividend that is no wider than the quotient: as compilers write it. All
     * else could raise the host's #DE.
     */
    private boolean divide(int i) {
        Decoded d = code[i];
        int size = d.size[0];
        if (size < 4) {
            return false;
        }
        boolean w = size == 8;
        if (d.isMem(0)) {
            if (!address(i)) {
                return false;
            }
            probe(i, size, false, false);
            a.mem(0, w, 0, 0x8b, Assembler.R11, Assembler.RCX, Assembler.R11, 0, 0);
        } else if (HostFrame.spilled(d.operand[0])) {
            a.mem(0, w, 0, 0x8b, Assembler.R11, Assembler.RSP, Assembler.NONE, 0, HostFrame.slot(d.operand[0]));
        } else {
            a.op(0, w, 0, 0x8b, Assembler.R11, HostFrame.host(d.operand[0]));
        }
        boolean signed = d.row.mnemonic().equals("IDIV");
        a.move(Assembler.RCX, Assembler.R11);
        long zero = a.jrcxz();
        long minusOne = 0;
        if (signed) {
            a.mem(0, w, 0, 0x8d, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 1);
            minusOne = a.jrcxz();
            a.byte1(0xb9);
            a.int4(w ? 63 : 31);
            a.sarx(w, Assembler.RCX, Assembler.RAX, Assembler.RCX);
            a.not(Assembler.RCX);
            a.mem(0, w, 0, 0x8d, Assembler.RCX, Assembler.RCX, Assembler.RDX, 0, 1);
        } else {
            a.op(0, w, 0, 0x8b, Assembler.RCX, Assembler.RDX);
        }
        long good = a.jrcxz();
        a.here(zero);
        if (signed) {
            a.here(minusOne);
        }
        later(STUB_ONE, a.jump(), i, 0);
        a.here(good);
        a.op(0, w, 0, 0xf7, signed ? 7 : 6, Assembler.R11);
        return true;
    }

    private boolean compare16(int i) {
        if (!address(i)) {
            return false;
        }
        probe(i, 16, true, true);
        sum();
        a.move(Assembler.RCX, Assembler.R10);
        if (code[i].lock) {
            a.byte1(0xf0);
        }
        a.mem(0, true, 1, 0xc7, 1, Assembler.R11, Assembler.NONE, 0, 0);
        return true;
    }

    private boolean moveImmediate(Decoded d) {
        int n = d.operand[0];
        int size = d.size[0];
        if (n >= 20) {
            if (n == 21) {
                a.move(Assembler.RCX, Assembler.R10);
            }
            a.byte1(0xb0 | n - 16);
            a.byte1((int) d.immediate);
            if (n == 21) {
                a.move(Assembler.R10, Assembler.RCX);
            }
            return true;
        }
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled && size < 4) {
            loadSpilled(host, n);
        }
        if (size == 2) {
            a.byte1(0x66);
        }
        int rex = (size == 8 ? 8 : 0) | (host >= 8 ? 1 : 0);
        if (rex != 0 || size == 1 && host >= 4) {
            a.byte1(0x40 | rex);
        }
        a.byte1((size == 1 ? 0xb0 : 0xb8) | host & 7);
        a.immediate(d.immediate, size);
        if (spilled) {
            storeSpilled(n, host);
        }
        return true;
    }

    private boolean swapBytes(Decoded d) {
        if (d.opSizePrefix) {
            return false;
        }
        int n = d.operand[0];
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled) {
            loadSpilled(host, n);
        }
        int rex = (wide(d) ? 8 : 0) | (host >= 8 ? 1 : 0);
        if (rex != 0) {
            a.byte1(0x40 | rex);
        }
        a.bytes(0x0f, 0xc8 | host & 7);
        if (spilled) {
            storeSpilled(n, host);
        }
        return true;
    }

    private boolean exchange(Decoded d) {
        int n = d.operand[0];
        if (n == 0) {
            return true; // NOP
        }
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled) {
            loadSpilled(host, n);
        }
        prefixes(d);
        a.op(0, wide(d), 0, 0x87, Assembler.RAX, host);
        if (spilled) {
            storeSpilled(n, host);
        }
        return true;
    }

    // ---- the stack ----

    private void push8(int i) {
        a.lea(Assembler.R11, Assembler.R15, Assembler.NONE, 0, -8);
        probe(i, 8, true, false);
    }

    private void addRsp(int n) {
        a.lea(Assembler.R15, Assembler.R15, Assembler.NONE, 0, n);
    }

    private boolean push(int i) {
        Decoded d = code[i];
        if (d.opSize != 8 || d.isMem(0)) {
            return false;
        }
        push8(i);
        if (d.kind[0] == Kind.IMM) {
            a.mem(0, true, 0, 0xc7, 0, Assembler.RCX, Assembler.R11, 0, 0);
            a.int4((int) d.immediate);
        } else if (HostFrame.spilled(d.operand[0])) {
            sum();
            loadSpilled(Assembler.RCX, d.operand[0]);
            a.store(Assembler.R11, 0, Assembler.RCX);
        } else {
            a.mem(0, true, 0, 0x89, HostFrame.host(d.operand[0]), Assembler.RCX, Assembler.R11, 0, 0);
        }
        addRsp(-8);
        return true;
    }

    private boolean pop(int i) {
        Decoded d = code[i];
        if (d.opSize != 8 || d.isMem(0)) {
            return false;
        }
        int n = d.operand[0];
        a.move(Assembler.R11, Assembler.R15);
        probe(i, 8, false, false);
        if (n == CpuRegisters.RSP) {
            a.mem(0, true, 0, 0x8b, Assembler.R15, Assembler.RCX, Assembler.R11, 0, 0);
            return true;
        }
        if (HostFrame.spilled(n)) {
            a.mem(0, true, 0, 0x8b, Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
            storeSpilled(n, Assembler.RCX);
        } else {
            a.mem(0, true, 0, 0x8b, HostFrame.host(n), Assembler.RCX, Assembler.R11, 0, 0);
        }
        addRsp(8);
        return true;
    }

    private boolean leave(int i) {
        if (code[i].opSize != 8) {
            return false;
        }
        a.move(Assembler.R11, Assembler.RBP);
        probe(i, 8, false, false);
        a.lea(Assembler.R15, Assembler.RBP, Assembler.NONE, 0, 8);
        a.mem(0, true, 0, 0x8b, Assembler.RBP, Assembler.RCX, Assembler.R11, 0, 0);
        return true;
    }

    // ---- flags and segments ----

    private boolean pushFlags(int i) {
        if (code[i].opSize != 8) {
            return false;
        }
        a.bytes(0x9c, 0x59); // pushfq; pop rcx
        a.pext(Assembler.RCX, Assembler.RCX, HostFrame.ARITHMETIC_MASK);
        a.pdep(Assembler.RCX, Assembler.RCX, HostFrame.ARITHMETIC_MASK);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.FLAGS_REST);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.INTERRUPT_FLAG);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.store(Assembler.RSP, HostFrame.CALL_TARGET, Assembler.RCX);
        push8(i);
        sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.CALL_TARGET);
        a.store(Assembler.R11, 0, Assembler.RCX);
        addRsp(-8);
        return true;
    }

    /** CLI, or STI as long as no interrupt waits for it: with none, its shadow over the next instruction makes no difference. */
    private boolean interruptFlag(int i, int value) {
        if (value != 0) {
            a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.QUIET);
            long waits = a.jrcxz();
            long over = a.jump();
            a.here(waits);
            later(STUB_ONE, a.jump(), i, 0);
            a.patch(over, a.at());
        }
        a.mem(0, true, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.INTERRUPT_FLAG);
        a.int4(value);
        return true;
    }

    private boolean storeSegment(Decoded d) {
        if (!d.isReg(0) || d.size[0] == 2 || HostFrame.spilled(d.operand[0])) {
            return false;
        }
        a.mem(
                0,
                false,
                1,
                0xb7,
                HostFrame.host(d.operand[0]),
                Assembler.RSP,
                Assembler.NONE,
                0,
                HostFrame.SELECTORS + 2 * d.operand[1]);
        return true;
    }

    /** REP STOS and REP MOVS upwards within a page: the rest, and all that is not repeated, is the interpreter's. */
    private boolean string(int i) {
        Decoded d = code[i];
        if (d.rep == Decoded.NO_REP || d.addrSize != 8 || d.segment >= CpuRegisters.FS) {
            return false;
        }
        boolean move = d.row.mnemonic().equals("MOVS");
        int size = (d.opcode & 1) == 0 ? 1 : d.opSize;
        int shift = Integer.numberOfTrailingZeros(size);
        a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.UPWARDS);
        long downwards = a.jrcxz();
        a.pext(
                Assembler.RCX,
                Assembler.R10,
                HostFrame.PAGE_MASK); // few enough for a page, so that no product overflows
        long few = a.jrcxz();
        a.here(downwards);
        later(STUB_ONE, a.jump(), i, 0);
        a.here(few);
        if (move) {
            a.move(Assembler.R11, Assembler.RSI);
            probe(i, 0, false, false, shift);
            sum();
            a.store(Assembler.RSP, HostFrame.STRING_SOURCE, Assembler.R11);
        }
        a.move(Assembler.R11, Assembler.RDI);
        probe(i, 0, true, false, shift);
        sum();
        if (move) {
            a.lea(Assembler.RCX, Assembler.RSI, Assembler.R10, shift, 0);
            a.store(Assembler.RSP, HostFrame.STRING_RSI, Assembler.RCX);
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_SOURCE);
        }
        a.lea(Assembler.RCX, Assembler.RDI, Assembler.R10, shift, 0);
        a.store(Assembler.RSP, HostFrame.STRING_RDI, Assembler.RCX);
        a.move(Assembler.RDI, Assembler.R11);
        a.move(Assembler.RCX, Assembler.R10);
        if (size == 2) {
            a.byte1(0x66);
        }
        a.byte1(0xf3);
        if (size == 8) {
            a.byte1(0x48);
        }
        a.byte1(d.opcode);
        a.move(Assembler.R10, Assembler.RCX);
        a.load(Assembler.RDI, Assembler.RSP, HostFrame.STRING_RDI);
        if (move) {
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_RSI);
        }
        return true;
    }

    // ---- transfers ----

    private void pushReturn(int i) {
        push8(i);
        sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.CODE_BASE);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.NONE, 0, place[i] + code[i].length);
        a.store(Assembler.R11, 0, Assembler.RCX);
        addRsp(-8);
    }

    private boolean call(int i) {
        Decoded d = code[i];
        pushReturn(i);
        return jump(JMP, target(d, i));
    }

    private int target(Decoded d, int i) {
        return place[i] + d.length + (int) d.immediate;
    }

    /** Whether a direct jump's distance from the page's start is a number of 32 bits. */
    private boolean near(int i) {
        long t = place[i] + code[i].length + code[i].immediate;
        return t == (int) t;
    }

    /** The operand of an indirect jump or call into R11. */
    private boolean indirectTarget(int i) {
        Decoded d = code[i];
        if (d.opSize != 8) {
            return false;
        }
        if (d.isMem(0)) {
            if (!address(i)) {
                return false;
            }
            probe(i, 8, false, false);
            a.mem(0, true, 0, 0x8b, Assembler.R11, Assembler.RCX, Assembler.R11, 0, 0);
        } else if (HostFrame.spilled(d.operand[0])) {
            loadSpilled(Assembler.R11, d.operand[0]);
        } else {
            a.move(Assembler.R11, HostFrame.host(d.operand[0]));
        }
        return true;
    }

    private boolean jumpIndirect(int i) {
        if (!indirectTarget(i)) {
            return false;
        }
        lookup(place[i], code[i].length, 0);
        return true;
    }

    private boolean callIndirect(int i) {
        if (!indirectTarget(i)) {
            return false;
        }
        a.store(Assembler.RSP, HostFrame.CALL_TARGET, Assembler.R11);
        pushReturn(i);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.CALL_TARGET);
        lookup(place[i], code[i].length, -8);
        return true;
    }

    private boolean ret(int i) {
        Decoded d = code[i];
        if (d.opSize != 8) {
            return false;
        }
        int n = 8 + (d.kind[0] == Kind.IMM ? (int) d.immediate & 0xffff : 0);
        a.move(Assembler.R11, Assembler.R15);
        probe(i, 8, false, false);
        a.mem(0, true, 0, 0x8b, Assembler.R11, Assembler.RCX, Assembler.R11, 0, 0);
        addRsp(n);
        lookup(place[i], d.length, n);
        return true;
    }
}
