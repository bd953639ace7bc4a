package serai.cpu;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import serai.machine.engine.CpuFeature;

/**
 * Makes random cases from rows of the instruction table: any encoding of the row (registers, prefixes, operand and
 * address sizes, addressing forms), any segment that the mode allows, values with a liking for corners, now and then
 * an operand or the instruction itself across a page's end or where it may not be.
 */
final class OracleCases {
    private static final int[] OVERRIDES = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    private static final int MAX_LENGTH = 15;

    private final SplittableRandom random;
    private final OracleValues values;
    private final OracleMode mode;
    private final InstructionRow row;
    private final long seed;

    // ---- what is being made ----

    private final long[] gpr = new long[16];
    private final int[] selector = new int[6];
    private final long[] base = new long[6];
    private final ByteArrayOutputStream tail = new ByteArrayOutputStream();
    private final int addrSize;
    private final int opSize;
    /** The overriding segment, or -1. */
    private final int override;

    private final boolean has66;
    private final boolean memory;
    private int rex;
    private int modrm;
    private long target = -1;
    /** Whether a register of the address has got some other value, so that it leads elsewhere. */
    private boolean strayed;

    private int ripDisplacementAt = -1;
    private final long dataAt;

    /** A case of a row; the same arguments give the same case. */
    static OracleCase make(InstructionRow row, OracleMode mode, long seed) {
        SplittableRandom random = new SplittableRandom(seed ^ hash(row) * 0x9e3779b97f4a7c15L);
        while (true) {
            OracleCases cases = new OracleCases(row, mode, seed, random);
            OracleCase c = cases.make();
            if (c.code().length <= MAX_LENGTH && !cases.strangeComponents()) {
                return c;
            }
        }
    }

    /** The same for a row wherever in its file it stands. */
    private static long hash(InstructionRow row) {
        return (row.mnemonic() + row.map() + '.' + row.opcode() + '.' + row.reg() + row.operands() + row.vex())
                .hashCode();
    }

    private OracleCases(InstructionRow row, OracleMode mode, long seed, SplittableRandom random) {
        this.row = row;
        this.mode = mode;
        this.seed = seed;
        this.random = random;
        values = new OracleValues(random);
        boolean vex = !row.vex().isEmpty();
        boolean address67 = chance(mode == OracleMode.LONG ? 12 : 4);
        addrSize = mode == OracleMode.LONG ? address67 ? 4 : 8 : (mode == OracleMode.CODE32) != address67 ? 4 : 2;
        // AMD's processors cut near branches to 16 bits with it in 64-bit mode, Intel's (and ours) ignore it
        boolean may66 = row.prefix() < 0 && !(row.has("f64") && mode == OracleMode.LONG && !Oracle.INTEL);
        has66 = may66 && chance(4) || row.prefix() == 0x66 && !vex;
        rex = mode == OracleMode.LONG && (vex || chance(2)) ? 0x40 | random.nextInt(16) : 0;
        if (row.rexW() != InstructionRow.ANY_W && !vex) {
            rex = row.rexW() == 1 ? 0x48 | random.nextInt(8) : rex & ~8;
        }
        if (row.mnemonic().equals("PAUSE") && !Oracle.INTEL) {
            rex &= ~1; // with REX.B it is an XCHG on AMD's processors
        }
        opSize = operandSize();
        memory = row.modrm() && memory();
        dataAt = chance(8)
                ? OracleMemory.DATA + (chance(2) ? 0 : OracleMemory.WRITABLE - OracleMemory.WINDOW)
                : OracleMemory.WINDOW_START;
        segments();
        override = chance(mode == OracleMode.LONG ? 12 : 6) ? random.nextInt(6) : -1;
    }

    /** Whether an XSAVE would save state that only the native side has, because its mask serves as an address. */
    private boolean strangeComponents() {
        return OracleOperands.savesState(row)
                && ((gpr[CpuRegisters.RAX] & 0xfffffff8L) != 0 || (int) gpr[CpuRegisters.RDX] != 0);
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    private int pick(int... of) {
        return of[random.nextInt(of.length)];
    }

    private int operandSize() {
        boolean opSize66 = has66 && row.prefix() != 0x66;
        if (mode != OracleMode.LONG) {
            return (mode == OracleMode.CODE32) != opSize66 ? 4 : 2;
        }
        int size = (rex & 8) != 0 ? 8 : opSize66 ? 2 : 4;
        return row.has("f64") || row.has("d64") && size == 4 ? 8 : size;
    }

    /** Whether a case gets a memory operand; where the operands allow but one of the forms, the other is rare. */
    private boolean memory() {
        if (row.mod() != InstructionRow.ANY_MOD) {
            return row.mod() == InstructionRow.MEMORY;
        }
        boolean register = row.operands().stream().anyMatch(o -> o.startsWith("U") || o.startsWith("N"));
        boolean only = row.operands().stream().anyMatch(o -> o.startsWith("M"));
        return register || only ? only != chance(32) : chance(2);
    }

    // ---- segments ----

    private void segments() {
        if (mode == OracleMode.LONG) {
            selector[CpuRegisters.CS] = OracleSegments.USER_CS;
            selector[CpuRegisters.SS] = OracleSegments.USER_DS;
            selector[CpuRegisters.DS] = pick(0, OracleSegments.USER_DS);
            selector[CpuRegisters.ES] = pick(0, OracleSegments.WINDOW_ONLY);
            selector[CpuRegisters.FS] = chance(3) ? OracleSegments.DATA_LIMITED : 0;
            selector[CpuRegisters.GS] = chance(3) ? OracleSegments.FLAT_DATA : 0;
            for (int s = CpuRegisters.FS; s <= CpuRegisters.GS; s++) {
                base[s] = selector[s] != 0
                        ? OracleSegments.base(selector[s])
                        : chance(2) ? random.nextInt(0x100) : random.nextLong() << 16 >> 16;
            }
            return;
        }
        // as systems have it that use paging: only there code is translated
        boolean flat = mode == OracleMode.CODE32 && addrSize == 4 && chance(2);
        selector[CpuRegisters.CS] = mode == OracleMode.CODE16
                ? OracleSegments.CODE16
                : pick(
                        OracleSegments.USER_CS32,
                        OracleSegments.USER_CS32,
                        OracleSegments.FLAT_CODE32,
                        flat ? OracleSegments.FLAT_CODE32 : OracleSegments.TIGHT_CODE32,
                        OracleSegments.EXECUTE_ONLY);
        selector[CpuRegisters.SS] = mode == OracleMode.CODE16 || !flat && chance(8)
                ? pick(
                        OracleSegments.STACK16,
                        OracleSegments.STACK16,
                        OracleSegments.STACK16_DOWN,
                        OracleSegments.DOWN32)
                : pick(
                        OracleSegments.USER_DS,
                        OracleSegments.USER_DS,
                        OracleSegments.FLAT_DATA,
                        flat ? OracleSegments.FLAT_DATA : OracleSegments.DATA_LIMITED);
        for (int s : new int[] {CpuRegisters.DS, CpuRegisters.ES, CpuRegisters.FS, CpuRegisters.GS}) {
            selector[s] = flat && s < CpuRegisters.FS ? pick(OracleSegments.USER_DS, OracleSegments.FLAT_DATA) : data();
        }
        if (flat) {
            selector[pick(CpuRegisters.FS, CpuRegisters.GS)] = OracleSegments.THREAD;
        }
        for (int s = 0; s < 6; s++) {
            base[s] = OracleSegments.base(selector[s]);
        }
    }

    /** A selector for data that a 32- or 16-bit address reaches the window through, mostly. */
    private int data() {
        if (chance(40)) {
            return pick(0, OracleSegments.FLAT_CODE32, OracleSegments.READ_ONLY, OracleSegments.WINDOW_ONLY);
        }
        if (addrSize == 2) {
            return pick(
                    OracleSegments.STACK16,
                    OracleSegments.DATA_LIMITED,
                    OracleSegments.DOWN16,
                    OracleSegments.WINDOW_ONLY);
        }
        return chance(2)
                ? OracleSegments.USER_DS
                : pick(
                        OracleSegments.FLAT_DATA,
                        OracleSegments.DATA_LIMITED,
                        OracleSegments.WINDOW_ONLY,
                        OracleSegments.DOWN32,
                        OracleSegments.READ_ONLY);
    }

    /** The segment that an address in {@code otherwise} has with the case's override. */
    private int effective(int otherwise) {
        return override < 0 || mode == OracleMode.LONG && override < CpuRegisters.FS ? otherwise : override;
    }

    /** The offset of a linear address in a segment. */
    private long offset(long linear, int segment) {
        long o = linear - (mode == OracleMode.LONG && segment < CpuRegisters.FS ? 0 : base[segment]);
        return addrSize == 8 ? o : o & (addrSize == 4 ? 0xffffffffL : 0xffff);
    }

    // ---- the case ----

    private OracleCase make() {
        for (int i = 0; i < 16; i++) {
            gpr[i] = values.integer();
        }
        long stack = dataAt + 8 * random.nextInt(8, 100) + (chance(8) ? random.nextInt(8) : 0);
        stackPointer(stack);
        target = target();
        implied();
        if (row.modrm()) {
            modrm();
        }
        byte[] code = encode();
        long codeAt = chance(16)
                ? OracleMemory.CODE + (chance(2) ? 1 : 2) * OracleMemory.PAGE - random.nextInt(code.length + 2)
                : OracleMemory.CODE_START;
        long rip = codeAt - (mode == OracleMode.LONG ? 0 : base[CpuRegisters.CS]);
        if (ripDisplacementAt >= 0) {
            long d = offset(target, effective(CpuRegisters.DS)) - (rip + code.length);
            OracleState.view(code).putInt(ripDisplacementAt, (int) d);
        }
        byte[] xs = values.image(row);
        if (OracleOperands.savesState(row)) {
            initialState(xs);
        }
        if (row.has("vsib")) {
            indices(OracleState.view(xs));
        }
        byte[] data = new OracleOperands(row, values, random, opSize, mode, flatStack())
                .window(target - dataAt, stack - dataAt);
        long rflags = 0x302
                | random.nextInt(0x1000) & 0x8d5
                | (chance(3) ? CpuRegisters.DF : 0)
                | (chance(32) ? CpuRegisters.NT : 0)
                | (chance(4) ? CpuRegisters.ID : 0);
        OracleState before =
                new OracleState(rip, rflags, gpr, selector, base[CpuRegisters.FS], base[CpuRegisters.GS], xs, data);
        return new OracleCase(row, mode, seed, code, codeAt, before, dataAt, usesMemory() && !strayed ? target : -1);
    }

    /** Gives some components of the state their initial values. */
    private void initialState(byte[] xs) {
        if (chance(2)) {
            Arrays.fill(xs, OracleState.YMM_HIGH, OracleState.XSAVE, (byte) 0);
        }
        if (chance(3)) {
            Arrays.fill(xs, 160, 416, (byte) 0);
        }
        if (chance(3)) {
            XsaveImage.initialMxcsr(xs);
        }
        if (chance(3)) {
            XsaveImage.initialX87(xs);
        }
    }

    /** Vector indices that stay in the window, mostly. */
    private void indices(ByteBuffer xs) {
        boolean quad = (row.opcode() & 1) != 0;
        for (int i = 0; i < 32; i++) {
            for (int at : new int[] {160 + i * 8, OracleState.YMM_HIGH + i * 8}) {
                if (!chance(4)) {
                    xs.putInt(at, random.nextInt(-18, 18)).putInt(at + 4, random.nextInt(-18, 18));
                    if (quad) {
                        xs.putLong(at, random.nextInt(-18, 18));
                    }
                }
            }
        }
    }

    private boolean usesMemory() {
        return memory || row.operands().stream().anyMatch(o -> o.startsWith("O"));
    }

    private void stackPointer(long linear) {
        if (mode == OracleMode.LONG) {
            gpr[CpuRegisters.RSP] = linear;
            return;
        }
        long offset = linear - base[CpuRegisters.SS];
        gpr[CpuRegisters.RSP] = stack16() ? offset & 0xffff | random.nextInt() & 0xffff0000L : offset & 0xffffffffL;
    }

    private boolean flatStack() {
        return mode == OracleMode.LONG || base[CpuRegisters.SS] == 0;
    }

    private boolean stack16() {
        return mode != OracleMode.LONG && !OracleSegments.big(selector[CpuRegisters.SS]);
    }

    /** A linear address for the memory operand. */
    private long target() {
        if (chance(24)) {
            // at an end of what is mapped or may be written
            long edge = OracleMemory.DATA + pick(0, OracleMemory.WRITABLE, OracleMemory.READABLE);
            return edge - random.nextInt(40) + 8;
        }
        int alignment = OracleOperands.alignment(row, vexLength());
        if (alignment > 1 && !chance(6)) {
            int room = OracleOperands.room(row);
            return dataAt + (long) alignment * random.nextInt((OracleMemory.WINDOW - room) / alignment);
        }
        return near(false);
    }

    /** An address in the window, often at the boundary of the two pages. */
    private long near(boolean anywhere) {
        return !anywhere && chance(3) && dataAt == OracleMemory.WINDOW_START
                ? OracleMemory.DATA + OracleMemory.PAGE - random.nextInt(36)
                : dataAt + random.nextInt(160, OracleMemory.WINDOW - 160);
    }

    /** Registers that the row uses without naming them. */
    private void implied() {
        String m = row.mnemonic();
        int mask = addrSize == 2 ? 16 : addrSize * 8;
        if (string() || row.operation().equals("MASKMOVQ") || row.operation().equals("MASKMOVDQU")) {
            boolean strings = string();
            setLow(CpuRegisters.RSI, mask, offset(near(!strings), effective(CpuRegisters.DS)));
            setLow(
                    CpuRegisters.RDI,
                    mask,
                    offset(near(!strings), strings ? CpuRegisters.ES : effective(CpuRegisters.DS)));
            setLow(CpuRegisters.RCX, mask, chance(8) ? random.nextInt(40) : random.nextInt(6));
        }
        if (m.equals("XLAT")) {
            setLow(CpuRegisters.RBX, mask, offset(dataAt + random.nextInt(256), effective(CpuRegisters.DS)));
        }
        if (m.equals("LEAVE") || m.equals("ENTER")) {
            long sp = gpr[CpuRegisters.RSP];
            stackPointer(dataAt + 8 * random.nextInt(20, 100));
            gpr[CpuRegisters.RBP] = gpr[CpuRegisters.RSP];
            gpr[CpuRegisters.RSP] = sp;
        }
        if (m.contains("PCMPESTR") && !chance(8)) {
            gpr[CpuRegisters.RAX] = random.nextInt(-20, 20);
            gpr[CpuRegisters.RDX] = random.nextInt(-20, 20);
        }
        if (row.operands().contains("CL") && chance(2)) {
            gpr[CpuRegisters.RCX] = gpr[CpuRegisters.RCX] & ~0xffL | random.nextInt(70);
        }
        if (m.contains("DIV") && chance(2)) {
            gpr[CpuRegisters.RDX] = chance(2) ? 0 : gpr[CpuRegisters.RAX] >> 63;
        }
        if (OracleOperands.savesState(row)) {
            // state components that both sides have: x87, SSE, AVX
            gpr[CpuRegisters.RAX] = gpr[CpuRegisters.RAX] & ~0xffffffffL | (chance(3) ? 7 : random.nextInt(8));
            gpr[CpuRegisters.RDX] = 0;
        }
        if (m.equals("XGETBV")) {
            gpr[CpuRegisters.RCX] = chance(2) ? 0 : values.integer();
        }
        if (m.equals("CPUID") && chance(2)) {
            gpr[CpuRegisters.RAX] = random.nextInt(32) | (chance(2) ? 0x80000000L : 0);
            gpr[CpuRegisters.RCX] = random.nextInt(4);
        }
    }

    private void setLow(int register, int bits, long v) {
        long mask = bits == 64 ? -1 : (1L << bits) - 1;
        gpr[register] = gpr[register] & ~mask | v & mask;
    }

    private boolean string() {
        return row.operands().stream().anyMatch(o -> o.startsWith("X") || o.startsWith("Y"));
    }

    private boolean bitString() {
        return row.mnemonic().startsWith("BT") && row.operands().contains("Gv");
    }

    // ---- ModR/M ----

    private void modrm() {
        int reg = row.reg() >= 0 ? row.reg() : random.nextInt(8);
        if (!memory) {
            modrm = 0xc0 | reg << 3 | (row.rm() >= 0 ? row.rm() : random.nextInt(8));
            selectorOperand(modrm & 7 | (rex & 1) << 3);
            return;
        }
        if (bitString()) {
            // the offset in the register reaches past the operand: not too far here
            gpr[reg | (rex & 4) << 1] = random.nextInt(-1000, 1000);
        }
        if (addrSize == 2) {
            address16(reg);
        } else {
            address32(reg);
        }
    }

    /** A register that holds a selector, if that is what the row reads. */
    private void selectorOperand(int register) {
        if (OracleOperands.readsSelector(row)) {
            setLow(register, 16, OracleOperands.selector(random));
        }
    }

    private void address16(int reg) {
        int rm = random.nextInt(8);
        int mod = random.nextInt(3);
        boolean bp = rm == 2 || rm == 3 || rm == 6 && mod != 0;
        long offset = offset(target, effective(bp ? CpuRegisters.SS : CpuRegisters.DS));
        modrm = mod << 6 | reg << 3 | rm;
        if (rm == 6 && mod == 0) {
            put(offset, 2);
            return;
        }
        long disp = mod == 0 ? 0 : mod == 1 ? random.nextInt(-128, 128) : random.nextInt(0x10000);
        put(disp, mod);
        int index = (rm & 1) == 0 ? CpuRegisters.RSI : CpuRegisters.RDI;
        int b = bp ? CpuRegisters.RBP : CpuRegisters.RBX;
        if (rm < 4) {
            setLow(b, 16, offset - disp - gpr[index]);
        } else {
            setLow(rm == 4 ? CpuRegisters.RSI : rm == 5 ? CpuRegisters.RDI : b, 16, offset - disp);
        }
    }

    private void address32(int reg) {
        boolean vsib = row.has("vsib");
        int form = vsib ? 4 : random.nextInt(6);
        int b = random.nextInt(8);
        if (form == 0) { // [disp32], or relative to RIP
            modrm = reg << 3 | 5;
            if (mode == OracleMode.LONG) {
                ripDisplacementAt = tail.size();
                put(0, 4);
            } else {
                put(offset(target, effective(CpuRegisters.DS)), 4);
            }
            return;
        }
        int mod = random.nextInt(3);
        if (form < 4 && b != 4) { // [base + disp]
            mod = b == 5 && mod == 0 ? 1 : mod;
            int register = b | (rex & 1) << 3;
            long disp = displacement(mod);
            modrm = mod << 6 | reg << 3 | b;
            put(disp, mod == 2 ? 4 : mod);
            setBase(register, offset(target, segmentOf(b, true)) - disp);
            return;
        }
        // [base + index * scale + disp]
        int scale = random.nextInt(4);
        int index = random.nextInt(8);
        boolean noBase = b == 5 && mod == 0;
        long disp = displacement(noBase ? 2 : mod);
        modrm = mod << 6 | reg << 3 | 4;
        tail.write(scale << 6 | index << 3 | b);
        int indexRegister = index | (rex & 2) << 2;
        int register = b | (rex & 1) << 3;
        long offset = offset(target, segmentOf(b, !noBase));
        if (vsib) {
            setBase(register, offset - disp);
            put(noBase ? offset : disp, noBase ? 4 : mod == 2 ? 4 : mod);
        } else if (noBase) {
            // no base: the index has a random value, the displacement does the rest (as far as 32 bits reach)
            setBase(indexRegister, random.nextInt(-0x8000, 0x8000));
            disp = offset - (indexRegister == 4 ? 0 : gpr[indexRegister] << scale);
            put(disp, 4);
        } else {
            put(disp, mod == 2 ? 4 : mod);
            if (indexRegister == 4) {
                setBase(register, offset - disp);
            } else if (indexRegister == register) {
                long factor = 1 + (1L << scale);
                // the target moves to where the sum can be divided
                long v = (offset - disp) / factor;
                target += v * factor - (offset - disp);
                setBase(register, v);
            } else {
                setBase(indexRegister, random.nextInt(-0x8000, 0x8000));
                setBase(register, offset - disp - (gpr[indexRegister] << scale));
            }
        }
    }

    private long displacement(int mod) {
        return mod == 0 ? 0 : mod == 1 ? random.nextInt(-128, 128) : random.nextInt(-0x8000, 0x8000);
    }

    private int segmentOf(int baseBits, boolean has) {
        boolean stack = has && (baseBits == 4 || baseBits == 5) && (rex & 1) == 0;
        return effective(stack ? CpuRegisters.SS : CpuRegisters.DS);
    }

    /** A base or index register; where only its lower half counts the upper one is random. */
    private void setBase(int register, long v) {
        if (chance(256)) {
            v = values.integer();
            strayed = true;
        }
        gpr[register] = v;
        if (addrSize == 4 && mode == OracleMode.LONG && register != CpuRegisters.RSP) {
            gpr[register] = v & 0xffffffffL | (long) random.nextInt() << 32;
        }
    }

    private void put(long v, int bytes) {
        for (int i = 0; i < bytes; i++) {
            tail.write((int) (v >> i * 8));
        }
    }

    // ---- bytes ----

    private int length = -1;

    /** VEX.L of a case of this row: as the row asks, seldom the other. */
    private int vexLength() {
        if (length < 0) {
            length = row.vexLength() == InstructionRow.ANY_LENGTH ? random.nextInt(2) : row.vexLength();
            // with 256 bits these are a feature of their own (VAES, VPCLMULQDQ)
            boolean only128 = row.needs() == CpuFeature.AES || row.needs() == CpuFeature.PCLMULQDQ;
            length = !only128 && chance(40) ? length ^ 1 : length;
        }
        return length;
    }

    private byte[] encode() {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        boolean vex = !row.vex().isEmpty();
        prefixes(code, vex);
        if (vex) {
            vex(code);
        } else {
            if (rex != 0) {
                code.write(rex);
            }
            if (row.map() > 0) {
                code.write(0x0f);
                if (row.map() > 1) {
                    code.write(row.map() == 2 ? 0x38 : 0x3a);
                }
            }
        }
        int plus = row.plusReg() ? random.nextInt(8) : 0;
        code.write(row.opcode() + plus);
        if (row.modrm()) {
            code.write(modrm);
        }
        if (ripDisplacementAt >= 0) {
            ripDisplacementAt += code.size();
        }
        code.writeBytes(tail.toByteArray());
        for (String operand : row.operands()) {
            immediate(code, operand);
        }
        return code.toByteArray();
    }

    /** The legacy prefixes, in any order as far as it has no meaning, some of them twice or without one. */
    private void prefixes(ByteArrayOutputStream code, boolean vex) {
        if (row.has("lock") && chance(4) && (memory || chance(8)) || chance(400)) {
            code.write(0xf0);
        }
        if (mode == OracleMode.LONG && chance(40)) {
            code.write(0x40 | random.nextInt(16)); // a REX that is not the last prefix counts for nothing
            if (!has66 && addrSize == 8 && override < 0 && (row.prefix() <= 0 || vex)) {
                code.write(0x2e);
            }
        }
        boolean defaultAddress = addrSize == mode.size;
        if (!defaultAddress) {
            code.write(0x67);
        }
        if (override >= 0) {
            if (chance(16)) {
                code.write(OVERRIDES[mode == OracleMode.LONG ? random.nextInt(4) : random.nextInt(6)]);
            }
            code.write(OVERRIDES[override]);
        }
        if (has66) {
            code.write(0x66);
            if (chance(16)) {
                code.write(0x66);
            }
        }
        if (row.prefix() > 0 && row.prefix() != 0x66 && !vex) {
            code.write(row.prefix());
        } else if (string() && chance(2)) {
            code.write(chance(2) ? 0xf3 : 0xf2);
        }
    }

    /** A VEX prefix for the REX it stands for, in two bytes where they can say it. */
    private void vex(ByteArrayOutputStream code) {
        int pp = row.prefix() == 0 ? 0 : row.prefix() == 0x66 ? 1 : row.prefix() == 0xf3 ? 2 : 3;
        boolean uses = row.operands().stream().anyMatch(o -> o.startsWith("B") || o.startsWith("H"));
        int vvvv = uses || chance(40) ? random.nextInt(16) : 0;
        int w = (row.rexW() == InstructionRow.ANY_W ? random.nextInt(2) : row.rexW()) << 3;
        // AMD's processors ignore it in these two
        boolean ignored = row.mnemonic().matches("VPERM(Q|PD)") && !Oracle.INTEL;
        w = !ignored && chance(40) ? w ^ 8 : w;
        int r = mode == OracleMode.LONG ? rex : 0;
        if (row.map() == 1 && w == 0 && (r & 3) == 0 && chance(2)) {
            code.write(0xc5);
            code.write((~r & 4) << 5 | (~vvvv & 15) << 3 | vexLength() << 2 | pp);
        } else {
            code.write(0xc4);
            code.write((~r & 7) << 5 | row.map());
            code.write(w << 4 | (~vvvv & 15) << 3 | vexLength() << 2 | pp);
        }
    }

    private void immediate(ByteArrayOutputStream code, String operand) {
        int size =
                switch (operand) {
                    case "Ib", "Ibs", "Ib2", "Jb" -> 1;
                    case "Iw" -> 2;
                    case "Iz", "Jz" -> Math.min(opSize, 4);
                    case "Iv" -> opSize;
                    case "Ap" -> opSize + 2;
                    default -> operand.startsWith("L") ? 1 : operand.startsWith("O") ? addrSize : 0;
                };
        long v = operand.equals("Ib") && chance(2) ? random.nextInt(70) : values.integer();
        if (operand.equals("Iw") && row.mnemonic().equals("ENTER")) {
            v = random.nextInt(64);
        } else if (operand.equals("Ib2")) {
            v = random.nextInt(chance(8) ? 32 : 4);
        } else if (operand.equals("Ap")) {
            v = v & (1L << opSize * 8) - 1 | (long) OracleOperands.codeSelector(random, flatStack()) << opSize * 8;
        } else if (operand.startsWith("O")) {
            v = offset(target, effective(CpuRegisters.DS));
        }
        for (int i = 0; i < size; i++) {
            code.write((int) (v >> i * 8));
        }
    }
}
