package serai.cpu;

/**
 * What leads to code of another privilege: SYSCALL and SYSRET, and STAC and CLAC, which make supervisor code use another TLB.
 *
 * <p>What is long stands once, as a routine. SYSCALL and SYSRET leave the segment registers to Java, which loads them at the next exit by
 * {@link HostFrame#TRANSITION}; translated code knows selectors alone.
 */
final class PrivilegeTemplates {
    /** What {@link HostFrame#FLAGS_REST} may have of the flags that SYSCALL and SYSRET load. */
    private static final int REST =
            CpuRegisters.IOPL | CpuRegisters.NT | CpuRegisters.VIF | CpuRegisters.VIP | CpuRegisters.ID;

    private final Assembler a;
    private final TranslationUnit unit;
    private final long[] lookup = new long[2 * UnitKind.TABLES];
    private final long syscall;
    private final long sysret;
    private int kind;

    /** Writes the routines. */
    PrivilegeTemplates(Assembler a, TranslationUnit unit, UnitFlow flow) {
        this.a = a;
        this.unit = unit;
        for (int t = 0; t < lookup.length; t++) {
            a.align(16);
            lookup[t] = a.at();
            flow.begin(UnitKind.ofJumpTable(t), place -> 0);
            flow.lookup();
        }
        a.align(16);
        syscall = a.at();
        writeSyscall();
        a.align(16);
        sysret = a.at();
        writeSysret();
    }

    /** Begins a unit of a {@link UnitKind}. */
    void begin(int newKind) {
        kind = newKind;
    }

    /** Where the address in R11 is looked up in a jump table of 64-bit code, as it runs. */
    long lookup(int of) {
        return a.runs(lookup[of]);
    }

    // ---- routines: called, with an exit behind the call for when they can't ----

    /** SYSCALL, with the address of the next instruction in R11. */
    private void writeSyscall() {
        a.bytes(0x59); // pop rcx
        a.store(Assembler.RSP, HostFrame.RETURN, Assembler.RCX);
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.SYSCALL_LOOKUP);
        long no = a.jrcxz();
        long go = a.jump();
        a.here(no);
        jumpTo(HostFrame.RETURN);
        a.patch(go, a.at());
        a.move(Assembler.R10, Assembler.R11);
        a.bytes(0x9c, 0x41, 0x5b); // pushfq; pop r11
        a.and32(Assembler.R11, CpuRegisters.ARITHMETIC);
        int[] words = {HostFrame.FLAGS_REST, HostFrame.INTERRUPT_FLAG, HostFrame.DIRECTION_FLAG, HostFrame.ACCESS_FLAG};
        for (int word : words) {
            a.mem(0, true, 0, 0x03, Assembler.R11, Assembler.RSP, Assembler.NONE, 0, word); // add
        }
        a.store(Assembler.RSP, HostFrame.slot(11), Assembler.R11);
        a.mem(0, true, 0, 0x23, Assembler.R11, Assembler.RSP, Assembler.NONE, 0, HostFrame.SYSCALL_KEEPS); // and
        loadFlags();
        transition(HostFrame.SYSCALL, HostFrame.SYSCALL_SELECTORS);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.SYSCALL_TARGET);
        jumpTo(HostFrame.SYSCALL_LOOKUP);
    }

    /** SYSRET to 64-bit code. */
    private void writeSysret() {
        a.bytes(0x59); // pop rcx
        a.store(Assembler.RSP, HostFrame.RETURN, Assembler.RCX);
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.SYSRET_READY);
        long no = a.jrcxz();
        a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.QUIET);
        long waits = a.jrcxz();
        a.pext(Assembler.RCX, Assembler.R10, HostFrame.UPPER_HALF_MASK);
        long low = a.jrcxz();
        a.here(no);
        a.here(waits);
        long refused = a.at();
        jumpTo(HostFrame.RETURN);
        a.here(low);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.slot(11));
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.UNUSUAL_FLAGS);
        long usual = a.jrcxz();
        a.jump(refused);
        a.here(usual);
        loadFlags();
        transition(HostFrame.SYSRET, HostFrame.SYSRET_SELECTORS);
        a.move(Assembler.R11, Assembler.R10);
        a.jump(lookup[VcpuContext.USER]);
    }

    private void jumpTo(int word) {
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.NONE, 0, word);
    }

    private void transition(int kind, int selectors) {
        a.store(Assembler.RSP, HostFrame.TRANSITION, kind, false);
        a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, selectors);
        a.mem(
                0,
                false,
                0,
                0x89,
                Assembler.RCX,
                Assembler.RSP,
                Assembler.NONE,
                0,
                HostFrame.SELECTORS + 2 * CpuRegisters.CS);
    }

    /** The flags in R11 into the words of the frame and the host's flags. */
    private void loadFlags() {
        flag(CpuRegisters.IF, HostFrame.INTERRUPT_FLAG);
        flag(CpuRegisters.DF, HostFrame.DIRECTION_FLAG);
        flag(CpuRegisters.AC, HostFrame.ACCESS_FLAG);
        a.move32(Assembler.RCX, Assembler.R11);
        a.and32(Assembler.RCX, REST);
        a.bytes(0x83, 0xc9, 2); // or ecx, 2: the bit that is always set
        a.store(Assembler.RSP, HostFrame.FLAGS_REST, Assembler.RCX);
        a.and32(Assembler.R11, CpuRegisters.ARITHMETIC);
        a.bytes(0x41, 0x53, 0x9d); // push r11; popfq
    }

    private void flag(int mask, int word) {
        a.move32(Assembler.RCX, Assembler.R11);
        a.and32(Assembler.RCX, mask);
        a.store(Assembler.RSP, word, Assembler.RCX);
    }

    // ---- instructions ----

    boolean syscall(int i) {
        next(i);
        a.call(syscall);
        return false; // what comes after the call is the exit
    }

    boolean sysret(Decoded d) {
        if (d.opSize == 8) {
            a.call(sysret);
        }
        return false;
    }

    /** STAC in supervisor mode. */
    boolean allowAccess(int i) {
        a.store(Assembler.RSP, HostFrame.ACCESS_FLAG, CpuRegisters.AC, true);
        if (UnitKind.tlb(kind) == VcpuContext.GUARDED) {
            next(i);
            goOn(VcpuContext.SUPERVISOR);
        }
        return true;
    }

    /** CLAC in supervisor mode. */
    boolean forbidAccess(int i) {
        a.store(Assembler.RSP, HostFrame.ACCESS_FLAG, 0, true);
        if (UnitKind.tlb(kind) == VcpuContext.SUPERVISOR) {
            a.load(Assembler.RCX, Assembler.RSP, HostFrame.SMAP);
            long same = a.jrcxz();
            next(i);
            goOn(VcpuContext.GUARDED);
            a.here(same);
        }
        return true;
    }

    /** The address of the next instruction into R11. */
    private void next(int i) {
        a.load(Assembler.R11, Assembler.RSP, HostFrame.CODE_BASE);
        a.lea(unit.wide(), Assembler.R11, Assembler.R11, unit.place[i] + unit.code[i].length);
    }

    /** At the address in R11, with another TLB. */
    private void goOn(int tlb) {
        a.jump(lookup[UnitKind.jumpTable(kind & UnitKind.CODE_32 | tlb)]);
    }
}
