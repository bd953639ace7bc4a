package serai.cpu;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import serai.cpu.LockstepProgram.Item;
import serai.cpu.LockstepProgram.Patch;

/** Makes a {@link LockstepProgram}, step by step. */
final class LockstepMaker {
    private static final int MAX = 30;
    /** A displacement of so many bytes leads out of the code's mappings. */
    private static final int FAR = 0x20000;

    /** Bits of paging-structure entries: global, and of 2 MiB. */
    private static final long GLOBAL = 0x100, PAGE_SIZE = 0x80;

    /** Of a size of code: what instructions are taken from. */
    private record Rows(List<InstructionRow> all, List<InstructionRow> base, List<InstructionRow> sse) {
        static Rows of(OracleMode mode) {
            List<InstructionRow> all = InstructionTable.INSTANCE.rows().stream()
                    .filter(mode::has)
                    .filter(r -> r.needs() == null || OracleCpu.HOST_FEATURES.contains(r.needs()))
                    // of a host's own accuracy
                    .filter(r -> !r.mnemonic().matches("V?R(CP|SQRT)[PS]S"))
                    .toList();
            return new Rows(
                    all,
                    all.stream().filter(r -> r.source().contains("-base")).toList(),
                    all.stream().filter(r -> r.source().contains("-sse")).toList());
        }
    }

    private static final Rows ROWS_64 = Rows.of(OracleMode.LONG);
    private static final Rows ROWS_32 = Rows.of(OracleMode.CODE32);

    /** NOP, STC, CMC, CLC, CWDE, LAHF, SAHF, CDQ. */
    private static final byte[] ONE_BYTE = {
        (byte) 0x90, (byte) 0xf9, (byte) 0xf5, (byte) 0xf8, (byte) 0x98, (byte) 0x9f, (byte) 0x9e, (byte) 0x99
    };

    /** Of a byte to 16 bytes, to and from what follows as an address. */
    private static final int[][] THREAD_ACCESSES = {
        {0x8a, 0x05},
        {0x66, 0x8b, 0x05},
        {0x8b, 0x05},
        {0xa1},
        {0x00, 0x05},
        {0x66, 0xa3},
        {0x89, 0x05},
        {0xff, 0x35},
        {0xf3, 0x0f, 0x7e, 0x05},
        {0xf3, 0x0f, 0x6f, 0x05},
        {0x0f, 0x11, 0x05},
        {0x0f, 0x28, 0x05}
    };

    private final SplittableRandom random;
    private final Decoder decoder = new Decoder(OracleCpu.HOST_FEATURES);
    private final Decoded d = new Decoded();
    private final boolean kernel;
    private final boolean wide;
    private final OracleMode mode;
    private final Rows rows;
    private final LockstepCode code;
    private @Nullable OracleCase first;

    LockstepMaker(SplittableRandom random) {
        this.random = random;
        kernel = chance(4);
        wide = !chance(3);
        mode = wide ? OracleMode.LONG : OracleMode.CODE32;
        rows = wide ? ROWS_64 : ROWS_32;
        code = new LockstepCode(wide);
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    LockstepProgram make() {
        int n = random.nextInt(1, MAX + 1);
        while (code.steps < n) {
            step();
        }
        code.steps = LockstepProgram.END;
        code.plain(0xcd, OracleCpu.INT80);
        boolean flat = wide || !chance(8);
        while (first == null || flat && !wide && !OracleSegments.flat(first.before())) {
            first = OracleCases.make(rows.base.get(random.nextInt(rows.base.size())), mode, random.nextLong());
        }
        int size = 0;
        for (Item t : code.items) {
            size += t.code().length;
        }
        int room = OracleMemory.CODE_SIZE - size - 64;
        int at = chance(3) ? OracleMemory.PAGE - random.nextInt(size + 16) : random.nextInt(room);
        if (kernel) {
            // what follows a page may be another one: no instruction goes across
            at = random.nextInt(2) * OracleMemory.PAGE + random.nextInt(Math.max(1, OracleMemory.PAGE - size));
        }
        at = Math.max(0, Math.min(at, room));
        return new LockstepProgram(
                wide,
                kernel,
                random.nextInt(-64, 64),
                OracleMemory.CODE + at,
                first.before(),
                first.dataAt(),
                code.items);
    }

    private void plain(int... bytes) {
        code.plain(bytes);
    }

    private void set(int register, long value) {
        code.set(register, value);
    }

    private int register() {
        while (true) {
            int r = random.nextInt(code.registers());
            if (r != CpuRegisters.RSP) {
                return r;
            }
        }
    }

    /** The distance to another mapping of the code. */
    private long elsewhere() {
        long top = wide ? LockstepProgram.ALIAS : LockstepProgram.TOP;
        return (chance(3) ? LockstepProgram.LARGE : chance(3) ? top : LockstepProgram.ALIAS) - OracleMemory.CODE;
    }

    /** A step somewhere: further on mostly. */
    private int somewhere() {
        return chance(16)
                ? random.nextInt(code.steps + 1)
                : chance(12) ? LockstepProgram.END : code.steps + random.nextInt(1, 6);
    }

    private void step() {
        switch (random.nextInt(29)) {
            case 0 -> loop();
            case 1 -> branch();
            case 2 -> call();
            case 3 -> indirect();
            case 4 -> modify();
            case 5 -> {
                if (kernel) {
                    remap();
                } else {
                    mapped();
                }
            }
            case 6 -> {
                if (chance(8)) {
                    trap();
                } else {
                    stack();
                }
            }
            case 7 -> strings();
            case 8 -> {
                if (kernel) {
                    privilege();
                } else {
                    strings();
                }
            }
            case 9, 10, 11 -> structure();
            case 12 -> otherSize();
            case 13 -> {
                if (wide) {
                    instruction();
                } else {
                    thread();
                }
            }
            default -> instruction();
        }
        code.steps++;
    }

    private void loop() {
        int counter = register();
        set(counter, random.nextInt(1, chance(6) ? 200 : 12));
        code.steps++;
        int head = code.steps;
        for (int i = random.nextInt(1, 6); i > 0; i--) {
            instruction();
            code.steps++;
        }
        // DEC or SUB sets what JNZ looks at
        code.decrement(counter, chance(2));
        if (chance(2)) {
            code.add(LockstepCode.bytes(0x75, 0), Patch.REL8, 1, head, 0);
        } else {
            code.add(LockstepCode.bytes(0x0f, 0x85, 0, 0, 0, 0), Patch.REL32, 2, head, 0);
        }
    }

    private void branch() {
        int condition = random.nextInt(16);
        int to = somewhere();
        if (chance(2)) {
            code.add(LockstepCode.bytes(0x70 | condition, 0), Patch.REL8, 1, to, 0);
        } else if (chance(5)) {
            code.add(LockstepCode.bytes(0xe9, 0, 0, 0, 0), Patch.REL32, 1, code.steps + 1 + random.nextInt(3), 0);
        } else {
            // now and then into the other mapping
            code.add(
                    LockstepCode.bytes(0x0f, 0x80 | condition, 0, 0, 0, 0),
                    Patch.REL32,
                    2,
                    to,
                    chance(6) ? elsewhere() : 0);
        }
    }

    /** A call over a body to a subroutine that stands right here. */
    private void call() {
        goodStack();
        int body = code.steps + 1;
        int over = body + 4;
        code.add(LockstepCode.bytes(0xe9, 0, 0, 0, 0), Patch.REL32, 1, over, 0);
        code.steps = body;
        for (int i = 0; i < random.nextInt(1, 4); i++) {
            instruction();
        }
        if (chance(4)) {
            plain(0xc2, code.size() * random.nextInt(3), 0);
        } else {
            plain(0xc3);
        }
        code.steps = over;
        switch (random.nextInt(3)) {
            case 0 -> code.add(LockstepCode.bytes(0xe8, 0, 0, 0, 0), Patch.REL32, 1, body, chance(6) ? elsewhere() : 0);
            case 1 -> {
                int r = register();
                code.setAddress(r, body, 0);
                code.of(r, 0xff, 0xd0);
            }
            default -> {
                int counter = register();
                set(counter, random.nextInt(1, 20));
                code.steps++;
                code.add(LockstepCode.bytes(0xe8, 0, 0, 0, 0), Patch.REL32, 1, body, 0);
                code.decrement(counter, chance(2));
                code.add(LockstepCode.bytes(0x75, 0), Patch.REL8, 1, code.steps, 0);
            }
        }
    }

    /** Another register than the one given, and than RSP. */
    private int other(int register) {
        return wide ? register ^ 8 : register == CpuRegisters.RDI ? CpuRegisters.RSI : CpuRegisters.RDI;
    }

    /** A few instructions of the other size of code, by a far transfer there and one back. */
    private void otherSize() {
        otherSize(code.instructionsElsewhere(random.nextInt(1, 8), random.nextLong()), !chance(4));
    }

    private void otherSize(byte[] there, boolean data) {
        goodStack();
        code.steps++;
        int of64 = kernel ? OracleSegments.KERNEL_CS : OracleSegments.USER_CS;
        int of32 = kernel ? OracleSegments.KERNEL_CS32 : OracleSegments.USER_CS32;
        code.elsewhere(wide ? of32 : of64, wide ? of64 : of32, there, data);
    }

    /** Accesses of all sizes around the start of a thread's segment, on both sides of it. */
    private void thread() {
        for (int i = random.nextInt(1, 4); i > 0; i--) {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            b.write(chance(2) ? 0x64 : 0x65);
            b.writeBytes(LockstepCode.bytes(THREAD_ACCESSES[random.nextInt(THREAD_ACCESSES.length)]));
            int at = b.size();
            b.writeBytes(new byte[4]);
            byte[] access = b.toByteArray();
            OracleState.view(access).putInt(at, random.nextInt(-20, 8));
            code.add(access, Patch.NONE, 0, -1, 0);
        }
    }

    private void goodStack() {
        set(
                CpuRegisters.RSP,
                OracleMemory.WINDOW_START + 8 * random.nextInt(8, 100) + (chance(8) ? random.nextInt(8) : 0));
    }

    private void indirect() {
        int r = register();
        code.setAddress(r, somewhere(), chance(4) ? elsewhere() : 0);
        switch (random.nextInt(4)) {
            case 0 -> code.of(r, 0xff, 0xe0);
            case 1 -> {
                goodStack();
                code.of(r, 0x50);
                plain(0xc3);
            }
            case 2 -> {
                goodStack();
                code.of(r, 0x50);
                plain(0xff, 0x24, 0x24); // jmp [rsp]
            }
            default -> {
                goodStack();
                code.of(r, 0xff, 0xd0);
            }
        }
    }

    /** The next step through the other mapping. */
    private void mapped() {
        int r = register();
        code.setAddress(r, code.steps + 1, elsewhere());
        code.of(r, 0xff, 0xe0);
    }

    /**
     * A place for others to write to, run some times, and in between a store into it: another constant, other one-byte instructions or
     * a short jump. What is written has no undefined results.
     */
    private void modify() {
        int counter = register();
        boolean loops = !chance(3);
        if (loops) {
            set(counter, random.nextInt(1, 5));
            code.steps++;
        }
        int place = code.steps;
        boolean constant = chance(2);
        if (constant) {
            int r = register();
            set(r == counter ? other(r) : r, random.nextLong());
        } else {
            plain(0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90);
        }
        code.steps++;
        for (int i = random.nextInt(3); i > 0; i--) {
            instruction();
            code.steps++;
        }
        // if it doesn't loop, the store is to what comes next: self-modifying without a jump
        int to = loops ? place : code.steps + 1;
        long alias = chance(3) ? elsewhere() : 0;
        if (constant) {
            int constant0 = code.constantAt();
            long plus = alias + random.nextInt(constant0, constant0 + code.size());
            code.store(LockstepCode.bytes(0xc6, 0x05, 0, 0, 0, 0, random.nextInt(256)), to, plus);
        } else {
            byte[] b = LockstepCode.bytes(0xc7, 0x05, 0, 0, 0, 0, 0xeb, random.nextInt(5), 0x90, 0x90);
            for (int i = chance(4) ? 8 : 6; i < 10; i++) {
                b[i] = ONE_BYTE[random.nextInt(ONE_BYTE.length)];
            }
            code.store(b, to, alias + random.nextInt(5));
        }
        if (loops) {
            code.decrement(counter, chance(2));
            code.add(LockstepCode.bytes(0x0f, 0x85, 0, 0, 0, 0), Patch.REL32, 2, place, 0);
        } else {
            code.steps++;
            if (constant) {
                set(register(), random.nextLong());
            } else {
                plain(0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90);
            }
        }
    }

    /** A page table entry is changed, global or not, and the processor told so. */
    private void remap() {
        if (chance(4)) {
            remapLarge();
            return;
        }
        boolean ofCode = chance(3);
        int pages = ofCode ? 2 : 3;
        int page = random.nextInt(pages);
        long physical =
                (ofCode ? OracleMemory.CODE : OracleMemory.DATA) + (long) random.nextInt(pages) * OracleMemory.PAGE;
        long entry = physical | 0x65 | (chance(4) ? 0 : 2) | (ofCode || chance(4) ? 0 : 1L << 63);
        if (chance(5)) {
            entry &= ~1;
        }
        if (!ofCode && chance(6)) {
            entry &= ~0x60; // of code the interpreter may set A earlier, as it decodes ahead
        }
        int slot = ofCode ? (int) (LockstepProgram.ALIAS - OracleMemory.CODE) / OracleMemory.PAGE + page : page;
        long linear = (ofCode ? LockstepProgram.ALIAS : OracleMemory.DATA) + (long) page * OracleMemory.PAGE;
        set(CpuRegisters.RBX, tables() + (ofCode ? OracleCpu.CODE_PT : OracleCpu.DATA_PT) + 8 * slot);
        store(chance(3) ? entry | GLOBAL : entry, linear + random.nextInt(OracleMemory.PAGE));
        if (ofCode) {
            mapped();
        }
    }

    /** The third mapping is one by a large page, or by the same small ones as the first. */
    private void remapLarge() {
        long large = OracleMemory.CODE | 0x65 | PAGE_SIZE | (chance(4) ? 0 : 2) | (chance(3) ? GLOBAL : 0);
        long small = OracleCpu.CODE_PT | 0x67;
        set(CpuRegisters.RBX, tables() + OracleCpu.PD + 8 * (LockstepProgram.LARGE >>> 21));
        store(chance(2) ? large : small, LockstepProgram.LARGE + random.nextInt(OracleMemory.CODE_SIZE));
        int r = register();
        code.setAddress(r, code.steps + 1, LockstepProgram.LARGE - OracleMemory.CODE);
        code.of(r, 0xff, 0xe0);
    }

    /** Where the code finds paging structures. */
    private long tables() {
        return wide ? OracleCpu.SYSTEM : LockstepProgram.LOW_SYSTEM;
    }

    /** A paging-structure entry to where RBX, set just before, points, and the translation of that address is forgotten. */
    private void store(long entry, long linear) {
        int words = wide ? 2 : 4;
        if (wide) {
            set(CpuRegisters.RSI, entry);
            plain(0x48, 0x89, 0x33); // mov [rbx], rsi
        } else {
            set(CpuRegisters.RSI, entry);
            plain(0x89, 0x33); // mov [ebx], esi
            set(CpuRegisters.RSI, entry >>> 32);
            plain(0x89, 0x73, 4); // mov [ebx + 4], esi
        }
        set(CpuRegisters.RDI, linear);
        int more = 1;
        if (chance(3)) {
            more = globals() + globals(); // on and off, or off and on
        } else {
            plain(0x0f, 0x01, 0x3f); // invlpg [rdi]
        }
        // with RBX: entered behind that, it would change another entry than the one that is forgotten, and a stale
        // translation is nobody's fault
        code.join(1 + words + 1 + more, true);
    }

    /** Changes CR4.PGE, which forgets all translations (SDM vol. 3, 5.10.4.1); so many items. */
    private int globals() {
        plain(0x0f, 0x20, 0xe0); // mov rax, cr4
        plain(0x0f, 0xba, 0xf8, 7); // btc eax, 7
        plain(0x0f, 0x22, 0xe0); // mov cr4, rax
        return 3;
    }

    /** From the next instruction on each is trapped. */
    private void trap() {
        goodStack();
        plain(0x9c); // pushf
        plain(0x81, 0x0c, 0x24, 0, 1, 0, 0); // or dword [rsp], TF
        plain(0x9d); // popf
    }

    private void stack() {
        goodStack();
        for (int i = random.nextInt(1, 6); i > 0; i--) {
            int r = random.nextInt(code.registers());
            switch (random.nextInt(4)) {
                case 0 -> code.of(r, 0x58);
                case 1 -> plain(0x9c);
                case 2 -> code.of(r, 0x66, 0x50);
                default -> code.of(r, 0x50);
            }
        }
    }

    /** String instructions near the ends of pages, upwards and downwards, over what can be written, only read, and neither. */
    private void strings() {
        boolean down = chance(3);
        plain(down ? 0xfd : 0xfc);
        for (int i = random.nextInt(1, 4); i > 0; i--) {
            set(CpuRegisters.RSI, nearPageEnd());
            set(CpuRegisters.RDI, nearPageEnd());
            set(CpuRegisters.RCX, chance(6) ? random.nextInt(10_000) : random.nextInt(40));
            if (chance(3)) {
                set(CpuRegisters.RAX, chance(2) ? 0 : random.nextLong());
            }
            if (!wide && chance(4)) {
                otherSize(LockstepCode.UPPER_HALVES, !chance(8));
            }
            int operation = new int[] {0xa4, 0xa6, 0xaa, 0xac, 0xae}[random.nextInt(5)];
            List<Integer> bytes = new ArrayList<>();
            int size = random.nextInt(wide ? 4 : 3);
            if (size == 1) {
                bytes.add(0x66);
            }
            if (!chance(3)) {
                bytes.add(chance(2) ? 0xf3 : 0xf2);
            }
            if (size == 3) {
                bytes.add(0x48);
            }
            bytes.add(size == 0 ? operation : operation | 1);
            plain(bytes.stream().mapToInt(Integer::intValue).toArray());
        }
        if (down && !chance(8)) {
            plain(0xfc);
        }
    }

    private long nearPageEnd() {
        long end = OracleMemory.DATA + (long) random.nextInt(4) * OracleMemory.PAGE;
        return end + random.nextInt(-40, 41) * (chance(3) ? 1L : 8L);
    }

    /** Ring 0 goes on in ring 3 by SYSRET, or gives itself SMAP and access to user pages, or takes that, or has translations forgotten. */
    private void privilege() {
        switch (random.nextInt(wide ? 0 : 1, 6)) {
            case 0 -> {
                code.setAddress(CpuRegisters.RCX, code.steps + 1, 0);
                long flags = random.nextLong() & (CpuRegisters.ARITHMETIC | CpuRegisters.DF | CpuRegisters.IF);
                set(11, flags | (chance(8) ? CpuRegisters.AC : 0));
                plain(0x48, 0x0f, 0x07);
            }
            case 1 -> {
                plain(0x0f, 0x20, 0xe0); // mov rax, cr4
                plain(0x0f, 0xba, 0xe8, 21); // bts eax, 21: SMAP
                plain(0x0f, 0x01, 0xcb); // stac
                plain(0x0f, 0x22, 0xe0); // mov cr4, rax
                code.join(4, false);
            }
            case 2 -> {
                // a moment without
                plain(0x0f, 0x01, 0xca); // clac
                if (wide) {
                    plain(0x0f, 0x01, 0xf8); // swapgs
                }
                plain(0x0f, 0x01, 0xcb); // stac
            }
            case 3 -> code.join(globals(), false);
            case 4 -> {
                // all but global translations are forgotten
                plain(0x0f, 0x20, 0xd8); // mov rax, cr3
                plain(0x0f, 0x22, 0xd8); // mov cr3, rax
                code.join(2, false);
            }
            default -> plain(0x0f, 0x01, chance(4) ? 0xca : 0xcb);
        }
    }

    /** Instructions on what a register points to, mostly near the end of a page, while the register changes and others get its value. */
    private void structure() {
        int base = chance(4) ? CpuRegisters.RSP : register();
        int index = chance(4) ? register() : -1;
        set(base, nearPageEnd());
        if (index >= 0 && index != base) {
            set(index, random.nextInt(-4, 5) * 8L);
        }
        for (int i = random.nextInt(2, 9); i > 0; i--) {
            code.steps++;
            int other = register();
            switch (random.nextInt(16)) {
                case 0 -> code.rex(true, 0, 0, base, 0x83, 0xc0 | base & 7, random.nextInt(-24, 25)); // add base, imm8
                case 1 -> code.rex(true, 0, 0, base, 0x83, 0xe8 | base & 7, random.nextInt(-24, 25)); // sub base, imm8
                case 2 -> {
                    // lea other, [base + index + disp8], with RSP for no index
                    code.rex(
                            true,
                            other,
                            0,
                            base,
                            0x8d,
                            0x44 | other << 3 & 0x38,
                            0x20 | base & 7,
                            random.nextInt(-24, 25));
                    base = other;
                }
                case 3 -> set(base, nearPageEnd());
                case 4 -> {
                    code.rex(true, other, 0, base, 0x8b, 0xc0 | other << 3 & 0x38 | base & 7); // mov other, base
                    base = other;
                }
                case 5 -> {
                    code.rex(true, other, 0, base, 0x87, 0xc0 | other << 3 & 0x38 | base & 7); // xchg
                    base = other;
                }
                case 6 -> code.of(other, 0x50);
                case 7 -> code.of(other, 0x58);
                case 8 -> code.add(LockstepCode.bytes(0x70 | random.nextInt(16), 0), Patch.REL8, 1, code.steps + 2, 0);
                case 9 -> instruction();
                default -> field(base, index, other);
            }
        }
    }

    /** An instruction on a register and memory at a small displacement from another, perhaps with an index. */
    private void field(int base, int index, int reg) {
        int[][] operations = {
            {0x8b},
            {0x8b},
            {0x89},
            {0x89},
            {0x03},
            {0x01},
            {0x39},
            {0x3a},
            {0x88},
            {0x87},
            {0xff},
            {0x83},
            {0x0f, 0xb6},
            {0x0f, 0xbf},
            {0x0f, 0xb1},
            {0x0f, 0xc1},
            {0x0f, 0x10},
            {0x0f, 0x11},
            {0x0f, 0x28},
            {0x0f, 0x44}
        };
        int[] operation = operations[random.nextInt(operations.length)];
        boolean one = operation[0] == 0xff || operation[0] == 0x83;
        int field = one ? 0 : reg & 7;
        List<Integer> bytes = new ArrayList<>();
        for (int b : operation) {
            bytes.add(b);
        }
        boolean far = chance(6);
        int mod = far ? 0x80 : 0x40;
        if (index >= 0 && index != CpuRegisters.RSP) {
            bytes.add(mod | field << 3 | 4);
            bytes.add(random.nextInt(4) << 6 | index << 3 & 0x38 | base & 7);
        } else if ((base & 7) == 4) {
            bytes.add(mod | field << 3 | 4);
            bytes.add(0x24);
        } else {
            bytes.add(mod | field << 3 | base & 7);
        }
        int disp = far ? random.nextInt(-300, 301) : 8 * random.nextInt(-10, 11) + (chance(4) ? random.nextInt(8) : 0);
        for (int i = 0; i < (far ? 4 : 1); i++) {
            bytes.add(disp >> 8 * i & 0xff);
        }
        if (operation[0] == 0x83) {
            bytes.add(random.nextInt(256));
        }
        code.rex(
                chance(2),
                one ? 0 : reg,
                Math.max(index, 0),
                base,
                bytes.stream().mapToInt(Integer::intValue).toArray());
    }

    private InstructionRow row() {
        int n = random.nextInt(20);
        List<InstructionRow> of = n < 12 ? rows.base : n < 17 ? rows.sse : rows.all;
        return of.get(random.nextInt(of.size()));
    }

    /** A random instruction that decodes, with its registers set up mostly. */
    private void instruction() {
        OracleCase c;
        byte[] bytes;
        boolean known = true;
        while (true) {
            InstructionRow row = row();
            if (row.has("cpl0") && !chance(3)) {
                continue;
            }
            c = OracleCases.make(row, mode, random.nextLong());
            byte[] b = c.code();
            if (decoder.decode(d, i -> i < b.length ? b[i] & 0xff : 0xcc, mode.size, mode.size) != Decoder.Result.OK) {
                if (chance(20)) {
                    bytes = b;
                    known = false;
                    break;
                }
                continue;
            }
            if (undefinedResult()) {
                continue;
            }
            bytes = Arrays.copyOf(b, Math.min(b.length, d.length));
            if (bytes.length == d.length) {
                break;
            }
        }
        boolean first = this.first == null;
        if (first) {
            this.first = c;
        } else if (known && !chance(4)) {
            setUp(c);
        }
        int relative = known ? d.row.operands().indexOf("Jb") : -1;
        int relative4 = known ? d.row.operands().indexOf("Jz") : -1;
        Patch patch = Patch.NONE;
        int at = 0;
        int target = -1;
        long value = 0;
        if (relative >= 0) {
            patch = Patch.REL8;
            at = bytes.length - 1;
            target = somewhere();
        } else if (relative4 >= 0 && d.opSize >= 4 && (Math.abs((long) (int) d.immediate) < FAR || !chance(6))) {
            patch = Patch.REL32;
            at = bytes.length - 4;
            target = somewhere();
        } else if (known && d.base == Decoded.RIP_BASE) {
            int immediates = 0;
            for (String o : d.row.operands()) {
                immediates += o.startsWith("L") ? 1 : 0;
            }
            patch = Patch.REL32;
            at = bytes.length - Templates.immediateBytes(d) - immediates - 4;
            value = c.codeAt() + bytes.length + d.disp;
        }
        if (known && flagsUndefined()) {
            // CMP EAX, imm32 defines them all
            byte[] defining = new byte[5];
            random.nextBytes(defining);
            defining[0] = 0x3d;
            value += defining.length;
            int length = bytes.length;
            bytes = Arrays.copyOf(bytes, length + defining.length);
            System.arraycopy(defining, 0, bytes, length, defining.length);
        }
        code.items.add(new Item(code.steps, bytes, patch, at, target, value, c, false));
    }

    private void setUp(OracleCase c) {
        long[] gpr = c.before().gpr();
        if (d.base >= 0 && d.base < 16) {
            set(d.base, gpr[d.base]);
        }
        if (d.index >= 0 && d.index < 16) {
            set(d.index, gpr[d.index]);
        }
        boolean string = d.row.operands().stream().anyMatch(o -> o.startsWith("X") || o.startsWith("Y"))
                || d.row.mnemonic().startsWith("MASKMOV");
        if (string) {
            set(CpuRegisters.RSI, gpr[CpuRegisters.RSI]);
            set(CpuRegisters.RDI, gpr[CpuRegisters.RDI]);
            set(CpuRegisters.RCX, gpr[CpuRegisters.RCX]);
        }
        if (d.row.mnemonic().matches("(PUSH|POP|CALL|RET|LEAVE|ENTER).*") && !chance(4)) {
            set(CpuRegisters.RSP, gpr[CpuRegisters.RSP]);
            if (d.row.mnemonic().equals("LEAVE")) {
                set(CpuRegisters.RBP, gpr[CpuRegisters.RBP]);
            }
        }
        if (d.row.mnemonic().contains("DIV")) {
            set(CpuRegisters.RDX, gpr[CpuRegisters.RDX]);
            set(CpuRegisters.RAX, gpr[CpuRegisters.RAX]);
        }
        if (d.row.mnemonic().equals("XLAT")) {
            set(CpuRegisters.RBX, gpr[CpuRegisters.RBX]);
        }
    }

    /** Results that no definition of flags makes good. */
    private boolean undefinedResult() {
        String m = d.row.mnemonic();
        return (m.equals("SHLD") || m.equals("SHRD") || m.equals("BSWAP")) && d.opSize == 2;
    }

    private boolean flagsUndefined() {
        String m = d.row.mnemonic();
        if (m.matches("AND|OR|XOR|TEST")) {
            return false; // AF: clear on all processors, as interpreted
        }
        return !d.row.value("u").isEmpty() || m.matches("ROL|ROR|RCL|RCR|SHL|SHR|SAR|SHLD|SHRD");
    }
}
