package serai.cpu;

import java.util.Set;
import serai.cpu.Templates.Template;
import serai.machine.engine.CpuFeature;
import serai.machine.memory.GuestMemory;

/**
 * Translates 64-bit and 32-bit guest code to 64-bit machine code of the host, which has the same instructions.
 *
 * <p>A unit is a run of instructions within a page, past conditional jumps and calls, to the first that can't be passed, or {@value
 * TranslationUnit#MAX}. It knows its place in the page and not the page's address ({@link HostFrame#CODE_BASE} has that), so it serves all
 * address spaces that map the page. Between any two instructions all guest state is where {@link HostFrame} says, flags included: code can be
 * left and entered anywhere. See {@link UnitFlow} for jumps and exits, {@link MemoryTemplates} for accesses to memory, {@link Templates} for which
 * instruction is written how.
 */
final class Translator {
    /** Bytes that a unit can't exceed. */
    static final int MAX_BYTES = TranslationUnit.MAX * 400;

    /** Bytes of the routines that units call. */
    static final int ROUTINES_SIZE = StringRoutines.SIZE + LookRoutines.SIZE;

    private static final int PAGE = GuestMemory.PAGE_SIZE;

    private final TranslationUnit unit;
    private final SharedLooks looks;
    private final FlagPlan plan;
    private final UnitFlow flow;
    private final MemoryTemplates memory;
    private final PlainTemplates plain;
    private final VexTemplates vex;
    private final IntegerTemplates integer;
    private final StackTemplates stack;
    private final TransferTemplates transfers;
    private final SystemTemplates system;
    private final PrivilegeTemplates privileges;
    private final StringTemplates strings;

    private int kind;
    private boolean supervisor;

    /** What is translated of a page. */
    interface Page extends UnitFlow.Labels {
        /**
         * An instruction's code.
         *
         * @param place its offset in the page
         * @param label where its code begins, as it runs: for those who come from the same page
         */
        void label(int place, long label);

        /**
         * The entry of an instruction that has a label: for all others.
         *
         * @see UnitFlow#entry
         */
        void entry(int place, long entry);
    }

    /**
     * A translator.
     *
     * @param a writes into code memory
     * @param routines the same, where {@link #ROUTINES_SIZE} bytes are for routines that stay
     * @param gate the ways out
     */
    Translator(Assembler a, Assembler routines, Set<CpuFeature> guest, Set<CpuFeature> host, CodeGate gate) {
        Templates templates = new Templates(host);
        unit = new TranslationUnit(new Decoder(guest), templates);
        looks = new SharedLooks(unit, templates);
        plan = new FlagPlan(unit, looks);
        FlagTemplates flags = new FlagTemplates(a, unit, plan, templates);
        flow = new UnitFlow(a, unit, plan, flags, gate);
        memory = new MemoryTemplates(a, unit, flow, plan, looks, new LookRoutines(routines));
        plain = new PlainTemplates(a, unit, memory, templates);
        vex = new VexTemplates(a, unit, memory, templates);
        integer = new IntegerTemplates(a, unit, flow, memory, templates);
        stack = new StackTemplates(a, unit, memory);
        transfers = new TransferTemplates(a, unit, flow, memory, stack, flags);
        system = new SystemTemplates(a, unit, flow, memory);
        privileges = new PrivilegeTemplates(a, unit, flow);
        strings = new StringTemplates(a, unit, flow, memory, new StringRoutines(routines));
    }

    /**
     * Translates.
     *
     * @param host host address of the guest page
     * @param start offset of the first instruction in it
     * @param end offset up to which its bytes may be read; past the page for an instruction that goes on in the next one, which is a
     *     unit of its own
     * @param kind the unit's {@link UnitKind}
     * @return false if the first instruction doesn't end in the page: nothing is written then
     */
    boolean translate(long host, int start, int end, int kind, Page page) {
        this.kind = kind;
        supervisor = UnitKind.tlb(kind) != VcpuContext.USER;
        unit.decode(host, start, end, kind, page);
        int count = unit.count;
        if (count == 0) {
            return false;
        }
        looks.make();
        plan.make();
        flow.begin(kind, page);
        memory.begin(UnitKind.tlb(kind));
        privileges.begin(kind);
        strings.begin(kind);
        for (int i = 0; i < count; i++) {
            flow.at(i);
            if (!unit.defined[i] || !written(i)) {
                int together = unit.interpretedTogether(i, plan);
                flow.interpret(i, together);
                i += together - 1;
            }
        }
        flow.at(count);
        if (unit.goesOn(count - 1)) {
            flow.jump(UnitFlow.JMP, unit.place[count]);
        }
        memory.end();
        flow.end();
        if (end > PAGE) {
            // where the next page's bytes come from depends on the address space: it is entered by address alone
            long entry = flow.entry(start, kind, flow.label(0));
            page.label(start, flow.farOnly(start));
            page.entry(start, entry);
            return true;
        }
        for (int i = 0; i < count; i++) {
            if (i == 0 || unit.entered(i)) {
                page.label(unit.place[i], flow.label(i));
            }
        }
        return true;
    }

    /** Instructions of the unit that was translated last. */
    int instructions() {
        return unit.count;
    }

    /** Gives an instruction that has a label an entry. */
    void entry(int place, int kindOfUnit, Page page) {
        page.entry(place, flow.entry(place, kindOfUnit, page.at(place)));
    }

    /** Where the address in R11 is looked up in a jump table of 64-bit code, as it runs. */
    long lookup(int table) {
        return privileges.lookup(table);
    }

    /** Writes an instruction; false, and nothing is written that matters, if it is the interpreter's. */
    private boolean written(int i) {
        Decoded d = unit.code[i];
        Template template = unit.template(i);
        return switch (template) {
            case INTERPRET, LAST -> false;
            case NOTHING -> true;
            case PLAIN -> plain.plain(i);
            case SSE -> (kind & UnitKind.SSE) != 0 && plain.plain(i);
            case VEX -> (kind & UnitKind.AVX) != 0 && vex.vex(i);
            case VEX_GENERAL -> vex.vex(i);
            case LEA -> plain.leaOperand(i);
            case MOVE_OFFSET -> plain.moveOffset(i);
            case COUNT -> integer.count(d);
            case SHIFT_CL -> integer.shift(i);
            case DIVIDE -> integer.divide(i);
            case COMPARE_16 -> integer.compare16(i);
            case MOVE_IMMEDIATE -> integer.moveImmediate(d);
            case SWAP_BYTES -> integer.swapBytes(d);
            case EXCHANGE_RAX -> integer.exchange(d);
            case PUSH -> stack.push(i);
            case POP -> stack.pop(i);
            case LEAVE -> stack.leave(i);
            case PUSH_FLAGS -> stack.pushFlags(i);
            case CLEAR_INTERRUPT -> supervisor && system.interruptFlag(i, 0);
            case SET_INTERRUPT -> supervisor && system.interruptFlag(i, CpuRegisters.IF);
            case SET_DIRECTION -> system.directionFlag(d);
            case ALLOW_ACCESS -> supervisor && privileges.allowAccess(i);
            case FORBID_ACCESS -> supervisor && privileges.forbidAccess(i);
            case SWAP_GS -> supervisor && system.swapGs();
            case READ_BASE -> system.readBase(i);
            case WRITE_BASE -> system.writeBase(i);
            case READ_CONTROL -> supervisor && system.readControl(d);
            case STORE_SEGMENT -> system.storeSegment(i);
            case STRING -> strings.string(i);
            case JCC -> transfers.near(i) && flow.jump(d.opcode & 15, (int) unit.target(i));
            case JUMP -> transfers.near(i) && flow.jump(UnitFlow.JMP, (int) unit.target(i));
            case JUMP_INDIRECT -> transfers.jumpIndirect(i);
            case CALL -> transfers.near(i) && transfers.call(i);
            case CALL_INDIRECT -> transfers.callIndirect(i);
            case RETURN -> transfers.ret(i);
            case SYSCALL -> !supervisor && privileges.syscall(i);
            case SYSRET -> supervisor && privileges.sysret(d);
        };
    }
}
