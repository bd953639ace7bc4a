package serai.bench.lockstep;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/**
 * A 256-KiB ROM that takes a CPU from reset to a state: it loads descriptor tables, segments with their hidden parts,
 * MSRs, x87/SSE state and control registers, then spins. General registers, RIP and flags are then set from outside, by a
 * gdb stub (QEMU's sets control registers in name only).
 *
 * <pre>
 * 0xfffc0000  page tables: 4 GiB one to one, accessed and dirty set beforehand as they can't be written
 * 0xfffc8000  a GDT with every selector of the state, and three of our own behind them
 * 0xfffd0000  32-bit code        0xfffd4000  64-bit code
 * 0xfffd8000  FXSAVE area        0xfffd9000  IRET frame     0xfffdf000  JMP $
 * 0xfffe0000  what the guest sees from 0xe0000 to 0xfffff: its firmware tables, and the reset vector
 * </pre>
 */
final class StartRom {
    static final int SIZE = 256 * 1024;
    static final long BASE = 0xfffc0000L;
    static final long SPIN = 0xfffdf000L;
    /** MOV CR3, RAX; JMP $: to be put at the start of the page that RIP lies in, and taken away again afterwards. */
    static final byte[] TRAMPOLINE = {0x0f, 0x22, (byte) 0xd8, (byte) 0xeb, (byte) 0xfe};

    private static final int PAGES = 0, GDT = 0xa000, CODE32 = 0x10000, CODE64 = 0x14000, FX = 0x18000;
    private static final int FRAME = 0x19000, POINTERS = 0x1a000, SPIN_AT = 0x1f000, SHADOW = 0x20000;
    private static final int OWN = 0x4000;

    private final ByteBuffer rom = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
    private final ByteArrayOutputStream code = new ByteArrayOutputStream();

    private StartRom() {}

    /**
     * The image.
     *
     * @param codePage guest-physical address of the page that RIP lies in; {@link #TRAMPOLINE} is put there in 64-bit mode
     * @param shadow 128 KiB that the guest finds from 0xe0000 on
     * @throws IllegalArgumentException if the state is in real mode
     */
    static byte[] build(CpuState s, long codePage, byte[] shadow) {
        return new StartRom().make(s, codePage, shadow);
    }

    private void emit(int... bytes) {
        for (int b : bytes) {
            code.write(b);
        }
    }

    private void emit32(long v) {
        emit((int) v & 0xff, (int) (v >> 8) & 0xff, (int) (v >> 16) & 0xff, (int) (v >> 24) & 0xff);
    }

    private void emit64(long v) {
        emit32(v);
        emit32(v >>> 32);
    }

    private void wrmsr(int index, long value) {
        emit(0xb9);
        emit32(index);
        emit(0xb8);
        emit32(value);
        emit(0xba);
        emit32(value >>> 32);
        emit(0x0f, 0x30);
    }

    private void place(int at) {
        byte[] b = code.toByteArray();
        rom.put(at, b);
        code.reset();
    }

    private void descriptor(int selector, Segment s) {
        if ((selector & 0xfffc) == 0 || (selector & 4) != 0 || (s.attributes() & Segment.UNUSABLE) != 0) {
            return;
        }
        boolean granular = (s.attributes() & Segment.G) != 0;
        long limit = granular ? (s.limit() & 0xffffffffL) >>> 12 : s.limit() & 0xfffffL;
        long base = s.base();
        int type = s.attributes() & 0xff;
        if ((s.attributes() & Segment.S) == 0) {
            type &= ~2; // LTR wants an available TSS
        }
        long d = limit & 0xffff
                | (base & 0xffffff) << 16
                | (long) type << 40
                | (limit >> 16 & 15) << 48
                | (long) (s.attributes() >> 8 & 15) << 52
                | (base >> 24 & 0xff) << 56;
        rom.putLong(GDT + (selector & 0xfff8), d);
        if ((s.attributes() & Segment.S) == 0) {
            rom.putLong(GDT + (selector & 0xfff8) + 8, base >>> 32);
        }
    }

    private byte[] make(CpuState s, long codePage, byte[] shadow) {
        if ((s.cr()[0] & 1) == 0) {
            throw new IllegalArgumentException("a comparison can't start in real mode");
        }
        boolean wide = (s.msr(Msr.EFER, 0) & 0x400) != 0;
        if (!wide && s.cr()[0] < 0) {
            throw new IllegalArgumentException("a comparison can't start in 32-bit paging");
        }
        if ((s.segments()[CpuState.CS].selector() & 3) != 0) {
            throw new IllegalArgumentException("a comparison can't start in user mode");
        }
        rom.put(SHADOW, shadow, 0, Math.min(shadow.length, SIZE - SHADOW - 0x80));
        // page tables
        rom.putLong(PAGES, BASE + PAGES + 0x1000 | 0x63);
        for (int i = 0; i < 4; i++) {
            rom.putLong(PAGES + 0x1000 + i * 8, BASE + PAGES + 0x2000 + i * 0x1000 | 0x63);
            for (int j = 0; j < 512; j++) {
                rom.putLong(PAGES + 0x2000 + i * 0x1000 + j * 8, (long) i << 30 | (long) j << 21 | 0xe3);
            }
        }
        if (wide) {
            mapCode(s.rip(), codePage);
        }
        for (int i = 0; i < 8; i++) {
            if (s.segments()[i].selector() < OWN) {
                descriptor(s.segments()[i].selector(), s.segments()[i]);
            }
        }
        rom.putLong(GDT + OWN, 0x00cf9b000000ffffL);
        rom.putLong(GDT + OWN + 8, 0x00cf93000000ffffL);
        rom.putLong(GDT + OWN + 16, 0x00af9b000000ffffL);
        rom.put(FX, s.xsave(), 0, 512);
        rom.putShort(SPIN_AT, (short) 0xfeeb);

        // reset vector: a short jump back into the last 128 bytes, then protected mode
        emit(0xfa, 0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1); // cli; mask both PICs
        emit(0x66, 0x2e, 0x0f, 0x01, 0x16, 0xe0, 0xff); // o32 lgdt cs:[0xffe0]
        emit(0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0); // cr0 |= PE
        emit(0x66, 0xea);
        emit32(BASE + CODE32);
        emit(OWN & 0xff, OWN >> 8);
        place(SIZE - 0x80);
        rom.putShort(SIZE - 0x20, (short) (OWN + 23));
        rom.putInt(SIZE - 0x20 + 2, (int) (BASE + GDT));
        rom.put(SIZE - 16, (byte) 0xeb);
        rom.put(SIZE - 15, (byte) (-0x80 + 16 - 2));

        // 32-bit part
        emit(0xb8);
        emit32(OWN + 8);
        emit(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0); // ds, es, ss
        for (int i = 0; i < s.msrs().length; i += 2) {
            int index = (int) s.msrs()[i];
            switch (index) {
                case Msr.SYSENTER_CS,
                        Msr.SYSENTER_ESP,
                        Msr.SYSENTER_EIP,
                        Msr.PAT,
                        Msr.STAR,
                        Msr.LSTAR,
                        Msr.CSTAR,
                        Msr.FMASK,
                        Msr.KERNEL_GS_BASE -> wrmsr(index, s.msrs()[i + 1]);
                default -> {}
            }
        }
        emit(0xb8);
        emit32(0x620 | (s.cr()[3] & 0x80)); // PAE, OSFXSR, OSXMMEXCPT; the rest comes from outside
        emit(0x0f, 0x22, 0xe0);
        emit(0x0f, 0x06); // clts
        pointer(POINTERS, s.gdtLimit(), s.gdtBase());
        pointer(POINTERS + 16, s.idtLimit(), s.idtBase());
        if (!wide) {
            emit(0x0f, 0xae, 0x0d); // fxrstor [abs]
            emit32(BASE + FX);
            loadSegments(s);
            emit(0x0f, 0x01, 0x15); // lgdt
            emit32(BASE + POINTERS);
            emit(0x0f, 0x01, 0x1d); // lidt
            emit32(BASE + POINTERS + 16);
            // CS by a far jump, with the descriptor of the state; then the real GDTR is in place already, so jump first
            byte[] all = code.toByteArray();
            code.reset();
            // order: far jump needs our GDT; put it before LGDT
            int cut = all.length - 14;
            code.write(all, 0, cut);
            int next = CODE32 + cut + 7;
            emit(0xea);
            emit32(BASE + next);
            emit(s.segments()[CpuState.CS].selector() & 0xff, s.segments()[CpuState.CS].selector() >> 8);
            emit(0x36); // through SS, which is flat here
            code.write(all, cut, 7);
            emit(0x36);
            code.write(all, cut + 7, 7);
            emit(0xb8);
            emit32(s.cr()[3]);
            emit(0x0f, 0x22, 0xe0); // cr4
            emit(0xb8);
            emit32(s.cr()[0]);
            emit(0x0f, 0x22, 0xc0); // cr0
            emit(0xe9);
            emit32(SPIN - (BASE + CODE32 + code.size() + 4));
            place(CODE32);
            return rom.array();
        }
        emit(0xb8);
        emit32(BASE + PAGES);
        emit(0x0f, 0x22, 0xd8); // cr3
        wrmsr(Msr.EFER, s.msr(Msr.EFER, 0) & ~0x400L);
        emit(0x0f, 0x20, 0xc0, 0x0d);
        emit32(0x80000000L);
        emit(0x0f, 0x22, 0xc0); // PG
        emit(0xea);
        emit32(BASE + CODE64);
        emit(OWN + 16 & 0xff, OWN + 16 >> 8);
        place(CODE32);

        // 64-bit part; absolute addresses through RIP-relative ones
        rip64(0x0f, 0xae, 0x0d, FX); // fxrstor
        loadSegments(s);
        wrmsr(Msr.FS_BASE, s.segments()[CpuState.FS].base());
        wrmsr(Msr.GS_BASE, s.segments()[CpuState.GS].base());
        Segment tr = s.segments()[CpuState.TR];
        if ((tr.selector() & 0xfffc) != 0) {
            emit(0xb8);
            emit32(tr.selector());
            emit(0x0f, 0x00, 0xd8); // ltr
        }
        // IRETQ: RIP, CS, RFLAGS, RSP, SS; it reads our GDT
        Segment cs = s.segments()[CpuState.CS];
        Segment ss = s.segments()[CpuState.SS];
        rom.putLong(FRAME, BASE + CODE64 + 0x800);
        rom.putLong(FRAME + 8, cs.selector());
        rom.putLong(FRAME + 16, 2);
        rom.putLong(FRAME + 24, 0);
        rom.putLong(FRAME + 32, ss.selector());
        rip64(0x0f, 0x01, 0x1d, POINTERS + 16); // lidt
        emit(0xbc);
        emit32(BASE + FRAME);
        emit(0x48, 0xcf);
        place(CODE64);
        codeBase = CODE64 + 0x800;
        rip64(0x0f, 0x01, 0x15, POINTERS); // lgdt
        emit(0x48, 0xb8);
        emit64(s.cr()[1]);
        emit(0x0f, 0x22, 0xd0); // cr2
        emit(0xb8);
        emit32(s.cr()[3]);
        emit(0x0f, 0x22, 0xe0); // cr4
        emit(0xb8);
        emit32(s.cr()[0]);
        emit(0x0f, 0x22, 0xc0); // cr0
        emit(0x48, 0xb8);
        emit64(s.cr()[2]);
        emit(0x48, 0xbb);
        emit64(s.rip() & ~0xfffL);
        emit(0xff, 0xe3); // jmp rbx: the trampoline
        place(CODE64 + 0x800);
        return rom.array();
    }

    private int codeBase = CODE64;

    private void rip64(int a, int b, int modrm, int target) {
        emit(a, b, modrm);
        emit32(target - (codeBase + code.size() + 4));
    }

    /** The page that the state runs in, where it runs: CR3 can be loaded there. */
    private void mapCode(long rip, long physical) {
        int top = (int) (rip >>> 39 & 511);
        if (top == 0) {
            if ((rip & ~0xfffL) != physical) {
                throw new IllegalArgumentException("code below 512 GiB is not mapped one to one");
            }
            return;
        }
        int at = PAGES + 0x6000;
        rom.putLong(PAGES + top * 8, BASE + at | 0x63);
        rom.putLong(at + (int) (rip >>> 30 & 511) * 8, BASE + at + 0x1000 | 0x63);
        rom.putLong(at + 0x1000 + (int) (rip >>> 21 & 511) * 8, BASE + at + 0x2000 | 0x63);
        rom.putLong(at + 0x2000 + (int) (rip >>> 12 & 511) * 8, physical | 0x63);
    }

    private void pointer(int at, int limit, long base) {
        rom.putShort(at, (short) limit);
        rom.putLong(at + 2, base);
    }

    private void loadSegments(CpuState s) {
        int[] order = {CpuState.ES, CpuState.DS, CpuState.FS, CpuState.GS, CpuState.SS};
        int[] modrm = {0xc0, 0xd8, 0xe0, 0xe8, 0xd0};
        for (int i = 0; i < order.length; i++) {
            int sel = s.segments()[order[i]].selector();
            boolean ring = order[i] == CpuState.SS && (sel & 3) != 0;
            if (!ring && (sel & 4) == 0 && sel < OWN && !(order[i] == CpuState.SS && (sel & 0xfffc) == 0)) {
                emit(0xb8);
                emit32(sel);
                emit(0x8e, modrm[i]);
            }
        }
    }
}
