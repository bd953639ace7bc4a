package serai.cpu;

import java.util.Arrays;
import serai.machine.engine.Exit;
import serai.machine.engine.InterruptSource;

/** One of two equal guests, which runs programs to their next stop. */
final class LockstepGuest {
    private static final int PRESENT_USER = 0x65, PRESENT_SUPERVISOR = 0x61, WRITABLE = 2, LARGE_PAGE = 0x80;
    /** Offset of the first interrupt stack of the TSS (SDM vol. 3, 9.7). */
    private static final int IST1 = 0x24;

    /** RF is for an instruction that goes on after its own fault. */
    private static final int NOT_RESUMED = CpuRegisters.TF | CpuRegisters.NT | CpuRegisters.VM | CpuRegisters.RF;

    /** The bits of an address within its page table. */
    private static final long LAST_TABLE = (2 << 20) - 1;

    private static final int KERNEL_DS = 0x18;
    private static final int STACK_USED = 256;

    private final OracleCpu oracle;
    final Cpu cpu;
    private final byte[] system;
    private final byte[] code = new byte[OracleMemory.CODE_SIZE];

    /** Where the guest was stopped, as its frame tells. */
    record Stop(Exit exit, int vector, long rip, long cs, long flags, long rsp) {}

    LockstepGuest(InterruptSource interrupts, TranslationMode mode, long codeSize) {
        oracle = new OracleCpu(interrupts, mode, codeSize);
        cpu = oracle.cpu;
        // a handler that only returns: IRETQ
        oracle.memory.writeShort(OracleCpu.HANDLERS + LockstepTimer.VECTOR * 16, 0xcf48);
        for (int i = 0; i < OracleMemory.CODE_SIZE / OracleMemory.PAGE; i++) {
            long entry = OracleMemory.CODE + (long) i * OracleMemory.PAGE | PRESENT_USER | WRITABLE;
            oracle.memory.writeLong(OracleCpu.CODE_PT + i * 8L, entry);
            long alias = (LockstepProgram.ALIAS - OracleMemory.CODE) / OracleMemory.PAGE;
            oracle.memory.writeLong(OracleCpu.CODE_PT + (alias + i) * 8, entry);
            long top = (LockstepProgram.TOP & LAST_TABLE) / OracleMemory.PAGE;
            oracle.memory.writeLong(OracleCpu.CODE_PT + (top + i) * 8, entry);
        }
        // the fourth GiB is as the first
        oracle.memory.writeLong(OracleCpu.PDPT + 3 * 8, oracle.memory.readLong(OracleCpu.PDPT));
        oracle.memory.writeLong(OracleCpu.PD + 511 * 8, OracleCpu.CODE_PT | PRESENT_USER | WRITABLE);
        oracle.memory.writeLong(
                OracleCpu.PD + 8 * (LockstepProgram.LOW_SYSTEM >>> 21),
                OracleCpu.HIGH_PT | PRESENT_SUPERVISOR | WRITABLE);
        long large = OracleMemory.CODE | PRESENT_USER | WRITABLE | LARGE_PAGE;
        oracle.memory.writeLong(OracleCpu.PD + 8 * (LockstepProgram.LARGE >>> 21), large);
        oracle.memory.writeLong(OracleCpu.TSS + IST1, OracleCpu.SYSTEM + OracleCpu.STACK);
        // ring 0 has no stack of its own otherwise: all events go to the first interrupt stack
        for (int vector = 0; vector < 256; vector++) {
            long at = OracleCpu.IDT + vector * 16L;
            oracle.memory.writeLong(at, oracle.memory.readLong(at) | 1L << 32);
        }
        Arrays.fill(code, OracleMemory.FILLER);
        system = oracle.memory.read(0, OracleCpu.SYSTEM_SIZE);
    }

    /** A program at its start. */
    void load(LockstepProgram p) {
        oracle.memory.write(0, system);
        byte[] b = p.bytes();
        byte[] pages = code.clone();
        System.arraycopy(b, 0, pages, (int) (p.codeAt - OracleMemory.CODE), b.length);
        oracle.memory.write(OracleMemory.CODE, pages);
        oracle.memory.zero(OracleMemory.DATA + OracleMemory.WRITABLE, OracleMemory.READABLE - OracleMemory.WRITABLE);
        oracle.load(p.before, p.dataAt);
        cpu.flagsRest &= ~(CpuRegisters.TF | CpuRegisters.NT);
        cpu.rip = p.codeAt;
        cutStackPointer(p);
        cpu.setSegment(CpuRegisters.CS, p.cs(), OracleSegments.descriptor(p.cs()));
        if (p.kernel) {
            cpu.setSegment(CpuRegisters.SS, KERNEL_DS, OracleSegments.descriptor(KERNEL_DS));
            cpu.cpl = 0;
        }
        for (int s = CpuRegisters.FS; s <= CpuRegisters.GS; s++) {
            if (cpu.selector[s] == OracleSegments.THREAD) {
                cpu.base[s] += p.threadMoved;
            }
        }
        cpu.modeChanged();
        cpu.selectTlb();
    }

    /** Of 32-bit code the upper half is lost in an interrupt, which only one of the guests has. */
    private void cutStackPointer(LockstepProgram p) {
        if (!p.wide) {
            cpu.r[CpuRegisters.RSP] &= 0xffffffffL;
        }
    }

    /** Runs to a HLT, of the program or of a handler. */
    Stop run(long instructions) {
        Exit exit = cpu.run(instructions);
        cpu.halted = false;
        long at = cpu.rip - OracleCpu.SYSTEM;
        if (at >= OracleCpu.SYSCALL_ENTRY && at < OracleCpu.SYSCALL_ENTRY + OracleMemory.PAGE) {
            return new Stop(
                    exit, -1, cpu.r[CpuRegisters.RCX], OracleSegments.USER_CS, cpu.r[11], cpu.r[CpuRegisters.RSP]);
        }
        if (at < OracleCpu.HANDLERS || at >= OracleCpu.SYSCALL_ENTRY) {
            return new Stop(exit, -1, cpu.rip, cpu.selector[CpuRegisters.CS], cpu.flags(), cpu.r[CpuRegisters.RSP]);
        }
        return new Stop(exit, (int) (at - OracleCpu.HANDLERS) >>> 4, frame(0), frame(1), frame(2), frame(3));
    }

    /** Its state goes the way that a snapshot's takes. */
    void saveAndRestore() {
        cpu.restore(cpu.save());
    }

    /** Forgets all translated and decoded code. */
    void trim() {
        oracle.group.trim(0);
    }

    private long frame(int i) {
        return oracle.memory.readLong(OracleCpu.STACK - 40 + i * 8L);
    }

    /** The code pages as they are. */
    byte[] code() {
        return oracle.memory.read(OracleMemory.CODE, OracleMemory.CODE_SIZE);
    }

    /** Forgets the frames on the stack of events: interrupts leave theirs there. */
    void clearStack() {
        oracle.memory.zero(OracleCpu.STACK - STACK_USED, STACK_USED);
    }

    /** Goes on after a stop, elsewhere, with other registers perhaps. */
    void resume(LockstepProgram p, Stop stop, long rip, long[] registers) {
        int cs = p.cs();
        int ss = p.kernel ? KERNEL_DS : OracleSegments.USER_DS;
        cpu.setSegment(CpuRegisters.CS, cs, OracleSegments.descriptor(cs));
        cpu.setSegment(CpuRegisters.SS, ss, OracleSegments.descriptor(ss));
        cpu.cpl = p.kernel ? 0 : 3;
        cpu.flagsRest = (int) stop.flags & ~(CpuRegisters.ARITHMETIC | NOT_RESUMED) | 2;
        cpu.arithmeticFlags(stop.flags);
        cpu.r[CpuRegisters.RSP] = stop.rsp;
        if (registers.length > 0) {
            System.arraycopy(registers, 0, cpu.r, 0, 16);
        }
        cutStackPointer(p);
        cpu.rip = rip;
        cpu.modeChanged();
        cpu.selectTlb();
    }

    /** Whatever the guest can see, as text only where it differs. */
    String difference(LockstepGuest o) {
        StringBuilder s = new StringBuilder();
        for (int i = 0; i < 16; i++) {
            differ(s, "r" + i, cpu.r[i], o.cpu.r[i]);
        }
        differ(s, "rip", cpu.rip, o.cpu.rip);
        differ(s, "rflags", cpu.flags(), o.cpu.flags());
        differ(s, "cpl", cpu.cpl, o.cpu.cpl);
        differ(s, "cr0", cpu.cr0, o.cpu.cr0);
        differ(s, "cr2", cpu.cr2, o.cpu.cr2);
        differ(s, "cr3", cpu.cr3, o.cpu.cr3);
        differ(s, "cr4", cpu.cr4, o.cpu.cr4);
        differ(s, "efer", cpu.efer, o.cpu.efer);
        differ(s, "mxcsr", cpu.mxcsr, o.cpu.mxcsr);
        for (int i = 0; i < 6; i++) {
            differ(s, "selector " + i, cpu.selector[i], o.cpu.selector[i]);
            differ(s, "base " + i, cpu.base[i], o.cpu.base[i]);
        }
        for (int i = 0; i < 16 * 8; i++) {
            if (i % 8 < 4) {
                differ(s, "ymm" + i / 8 + "." + i % 8, cpu.vec[i], o.cpu.vec[i]);
            }
        }
        byte[] x = new byte[OracleState.XSAVE];
        byte[] y = new byte[OracleState.XSAVE];
        XsaveImage.saveLegacy(cpu, x, 16, true);
        XsaveImage.saveLegacy(o.cpu, y, 16, true);
        bytes(s, "fxsave", 0, x, y);
        memory(s, o, 0, OracleCpu.SYSTEM_SIZE);
        memory(s, o, OracleMemory.DATA, OracleMemory.READABLE);
        memory(s, o, OracleMemory.CODE, OracleMemory.CODE_SIZE);
        return s.toString();
    }

    private void memory(StringBuilder s, LockstepGuest o, long at, int size) {
        bytes(s, "memory", at, oracle.memory.read(at, size), o.oracle.memory.read(at, size));
    }

    private static void differ(StringBuilder s, String what, long want, long got) {
        if (want != got) {
            s.append("    %s: interpreted %#x, translated %#x%n".formatted(what, want, got));
        }
    }

    private static void bytes(StringBuilder s, String what, long at, byte[] want, byte[] got) {
        int i = Arrays.mismatch(want, got);
        if (i >= 0) {
            i &= ~7;
            differ(s, "%s %#x".formatted(what, at + i), XsaveImage.get64(want, i), XsaveImage.get64(got, i));
        }
    }
}
