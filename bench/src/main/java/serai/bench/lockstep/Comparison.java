package serai.bench.lockstep;

import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import serai.machine.engine.CpuState;
import serai.machine.engine.Exit;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/** Steps a vCPU of Serai along QEMU's log and reports the first difference. */
final class Comparison {
    private static final String[] GPR = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
    };
    private static final int HISTORY = 20;
    private static final long ARITHMETIC = 0x8d5;
    /** CF PF AF ZF SF TF IF DF OF, IOPL, NT, AC, ID; RF and VM are QEMU's affair. */
    private static final long FLAGS = 0x247fd5;

    private final Vcpu vcpu;
    private final WatchedHost host;
    private final GuestMemory memory;
    private final QemuOracle qemu;
    private final boolean fpu;
    private final boolean adoptAll;
    private final PrintStream out;
    private final ArrayDeque<String> history = new ArrayDeque<>();
    private long adopted;

    Comparison(Vcpu vcpu, WatchedHost host, QemuOracle qemu, boolean fpu, boolean adoptAll, PrintStream out) {
        this.vcpu = vcpu;
        this.host = host;
        this.memory = host.memory();
        this.qemu = qemu;
        this.fpu = fpu;
        this.adoptAll = adoptAll;
        this.out = out;
    }

    /** Compares so many instructions; true if all are equal or one side has ended. */
    boolean run(long count) throws IOException {
        QemuState q = new QemuState();
        QemuState ahead = new QemuState();
        QemuState previous = new QemuState();
        CpuState s = vcpu.save();
        do {
            if (!qemu.next(q)) {
                out.println("QEMU has ended before the first instruction");
                return false;
            }
        } while (q.rip != s.rip());
        List<String> first = differences(s, q, FLAGS);
        if (!first.isEmpty()) {
            out.println("the starts differ: " + first);
        }
        long started = System.nanoTime();
        for (long n = 0; n < count; n++) {
            byte[] code = code(s);
            history.add("%d  %x  %s".formatted(n, s.rip(), hex(code)));
            if (history.size() > HISTORY) {
                history.remove();
            }
            CpuState before = s;
            previous.copyFrom(q);
            host.takeTouched();
            Exit e = vcpu.run(1);
            if (e != Exit.BUDGET && e != Exit.KICKED) {
                out.printf(
                        "Serai stopped: %s at instruction %d, rip %x%n",
                        e, n, vcpu.save().rip());
                report(vcpu.save(), q, List.of());
                return e == Exit.HALTED;
            }
            boolean touched = host.takeTouched();
            s = vcpu.save();
            if (!qemu.next(q)) {
                out.printf("QEMU has ended after %d instructions%n", n + 1);
                return true;
            }
            boolean repeats = isRepeated(code);
            while (repeats && q.rip == before.rip() && s.rip() != q.rip) {
                if (!qemu.next(q)) {
                    return true;
                }
            }
            long flags = undefinedFlags(code) ? FLAGS & ~ARITHMETIC : FLAGS;
            List<String> d = differences(s, q, flags);
            // a fault that QEMU has logged the handler's entry of; a block that it began anew
            for (int extra = 0; !d.isEmpty() && extra < 3 && q.rip != s.rip(); extra++) {
                if (isInterruptEntry(before, previous, q)) {
                    break;
                }
                ahead.copyFrom(q);
                if (!qemu.next(q)) {
                    return true;
                }
                d = differences(s, q, flags);
            }
            if (!d.isEmpty() && q.rip != s.rip() && q.gpr[4] < s.gpr()[4] + 0x1000 && interruptTaken(s, q)) {
                s = takeOver(s, q, true);
                adopted++;
                continue;
            }
            if (!d.isEmpty()) {
                if (touched || outside(code) || adoptAll) {
                    if (adoptAll && !touched && !outside(code)) {
                        report(s, q, d);
                    }
                    s = takeOver(s, q, false);
                    adopted++;
                    continue;
                }
                out.printf(
                        "difference after instruction %d (%.0f thousand a second)%n",
                        n, n * 1e6 / (System.nanoTime() - started));
                report(s, q, d);
                return false;
            }
            if (flags != FLAGS && ((s.rflags() ^ q.rflags) & ARITHMETIC) != 0) {
                s = takeOver(s, q, false);
            }
            if ((n & 0xfffff) == 0xfffff) {
                out.printf("%d instructions alike, %d taken over, rip %x%n", n + 1, adopted, s.rip());
            }
        }
        double seconds = (System.nanoTime() - started) / 1e9;
        out.printf(
                "%d instructions alike (%d taken over from QEMU), %.0f thousand a second%n",
                count, adopted, count / seconds / 1e3);
        return true;
    }

    private static boolean isInterruptEntry(CpuState before, QemuState previous, QemuState q) {
        return (before.rflags() & 0x200) != 0 && (q.rflags & 0x200) == 0 && previous.rip != q.rip;
    }

    /** Whether QEMU's frame on its stack says that it was interrupted where Serai is now. */
    private boolean interruptTaken(CpuState s, QemuState q) throws IOException {
        long frame = vcpu.translate(q.gpr[4]);
        if (frame < 0) {
            return false;
        }
        byte[] b = qemu.ram(frame, 40);
        long rip = java.nio.ByteBuffer.wrap(b)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .getLong(0);
        if (rip != s.rip()) {
            return false;
        }
        try {
            memory.write(frame, b);
        } catch (GuestAddressException e) {
            return false;
        }
        out.printf("QEMU took an interrupt at %x, handler %x%n", rip, q.rip);
        return true;
    }

    /** Serai's state with QEMU's registers. */
    private CpuState takeOver(CpuState s, QemuState q, boolean interrupt) {
        Segment[] segments = s.segments().clone();
        if (interrupt) {
            for (int i = 0; i < 6; i++) {
                Segment g = segments[i];
                int attributes = i == CpuState.CS || i == CpuState.SS
                        ? g.attributes() & ~(3 << 5) | (q.selectors[i] & 3) << 5
                        : g.attributes();
                if (i == CpuState.CS) {
                    attributes = attributes & ~Segment.DB | Segment.L;
                }
                segments[i] = new Segment(q.selectors[i], q.bases[i], g.limit(), attributes);
            }
        } else {
            for (int i = 4; i < 6; i++) {
                Segment g = segments[i];
                segments[i] = new Segment(q.selectors[i], q.bases[i], g.limit(), g.attributes());
            }
        }
        byte[] xsave = s.xsave();
        if (q.hasXmm) {
            xsave = xsave.clone();
            java.nio.ByteBuffer x = java.nio.ByteBuffer.wrap(xsave).order(java.nio.ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 32; i++) {
                x.putLong(160 + i * 8, q.xmm[i]);
            }
        }
        CpuState n = new CpuState(
                s.version(),
                q.gpr.clone(),
                q.rip,
                q.rflags & 0x3f7fd5 | 2,
                segments,
                s.gdtBase(),
                s.gdtLimit(),
                s.idtBase(),
                s.idtLimit(),
                new long[] {q.cr0, q.cr2, q.cr3, q.cr4, s.cr()[4]},
                s.dr(),
                s.xcr0(),
                xsave,
                s.msrs(),
                s.tscOffset(),
                s.apic(),
                s.events(),
                s.smbase(),
                s.instructions());
        vcpu.restore(n);
        return n;
    }

    private List<String> differences(CpuState s, QemuState q, long flags) {
        List<String> d = new ArrayList<>(0);
        for (int i = 0; i < 16; i++) {
            if (s.gpr()[i] != q.gpr[i]) {
                d.add("%s serai %x qemu %x".formatted(GPR[i], s.gpr()[i], q.gpr[i]));
            }
        }
        if (s.rip() != q.rip) {
            d.add("rip serai %x qemu %x".formatted(s.rip(), q.rip));
        }
        if (((s.rflags() ^ q.rflags) & flags) != 0) {
            d.add("rflags serai %x qemu %x".formatted(s.rflags(), q.rflags));
        }
        long[] cr = {q.cr0, q.cr2, q.cr3, q.cr4};
        String[] names = {"cr0", "cr2", "cr3", "cr4"};
        for (int i = 0; i < 4; i++) {
            // ET is fixed in one and not in the other
            if (((s.cr()[i] ^ cr[i]) & ~(i == 0 ? 0x10 : 0)) != 0) {
                d.add("%s serai %x qemu %x".formatted(names[i], s.cr()[i], cr[i]));
            }
        }
        if (s.msr(Msr.EFER, 0) != q.efer) {
            d.add("efer serai %x qemu %x".formatted(s.msr(Msr.EFER, 0), q.efer));
        }
        String[] seg = {"es", "cs", "ss", "ds", "fs", "gs"};
        for (int i = 0; i < 6; i++) {
            if (s.segments()[i].selector() != q.selectors[i]) {
                d.add("%s serai %x qemu %x".formatted(seg[i], s.segments()[i].selector(), q.selectors[i]));
            }
            if (i >= 4 && s.segments()[i].base() != q.bases[i]) {
                d.add("%s base serai %x qemu %x".formatted(seg[i], s.segments()[i].base(), q.bases[i]));
            }
        }
        if (fpu && q.hasXmm) {
            java.nio.ByteBuffer x = java.nio.ByteBuffer.wrap(s.xsave()).order(java.nio.ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < 32; i++) {
                if (x.getLong(160 + i * 8) != q.xmm[i]) {
                    d.add("xmm%d.%d serai %x qemu %x".formatted(i / 2, i & 1, x.getLong(160 + i * 8), q.xmm[i]));
                }
            }
        }
        return d;
    }

    private void report(CpuState s, QemuState q, List<String> differences) {
        out.println("the last instructions (number, rip, bytes):");
        history.forEach(h -> out.println("  " + h));
        out.println("Serai:");
        for (int i = 0; i < 16; i++) {
            out.printf("  %-4s%016x%s", GPR[i], s.gpr()[i], i % 4 == 3 ? "\n" : "");
        }
        out.printf(
                "  rip %016x rflags %x cr0 %x cr2 %x cr3 %x cr4 %x efer %x%n",
                s.rip(), s.rflags(), s.cr()[0], s.cr()[1], s.cr()[2], s.cr()[3], s.msr(Msr.EFER, 0));
        out.println("QEMU:");
        for (int i = 0; i < 16; i++) {
            out.printf("  %-4s%016x%s", GPR[i], q.gpr[i], i % 4 == 3 ? "\n" : "");
        }
        out.printf(
                "  rip %016x rflags %x cr0 %x cr2 %x cr3 %x cr4 %x efer %x%n",
                q.rip, q.rflags, q.cr0, q.cr2, q.cr3, q.cr4, q.efer);
        differences.forEach(d -> out.println("  DIFFERENT " + d));
    }

    private byte[] code(CpuState s) {
        long linear = s.rip()
                + ((s.segments()[CpuState.CS].attributes() & Segment.L) != 0 ? 0 : s.segments()[CpuState.CS].base());
        byte[] b = new byte[15];
        int n = 0;
        while (n < b.length) {
            long p = vcpu.translate(linear + n);
            if (p < 0 || memory.host(p) == 0) {
                break;
            }
            int chunk = (int) Math.min(b.length - n, 4096 - (p & 4095));
            memory.read(p, b, n, chunk);
            n += chunk;
        }
        return n == b.length ? b : java.util.Arrays.copyOf(b, n);
    }

    private static String hex(byte[] b) {
        return java.util.HexFormat.of().formatHex(b, 0, Math.min(b.length, 11));
    }

    // ---- what an instruction is, as far as comparing needs it ----

    /** The index of the opcode behind the prefixes. */
    private static int opcode(byte[] c) {
        int i = 0;
        while (i < c.length) {
            int b = c[i] & 0xff;
            boolean prefix = b == 0x66
                    || b == 0x67
                    || b == 0xf2
                    || b == 0xf3
                    || b == 0xf0
                    || b == 0x2e
                    || b == 0x36
                    || b == 0x3e
                    || b == 0x26
                    || b == 0x64
                    || b == 0x65
                    || (b & 0xf0) == 0x40;
            if (!prefix) {
                break;
            }
            i++;
        }
        return i;
    }

    private static int at(byte[] c, int i) {
        return i < c.length ? c[i] & 0xff : -1;
    }

    private static boolean isRepeated(byte[] c) {
        int o = opcode(c);
        for (int i = 0; i < o; i++) {
            if (at(c, i) == 0xf2 || at(c, i) == 0xf3) {
                int b = at(c, o);
                return (b >= 0x6c && b <= 0x6f) || (b >= 0xa4 && b <= 0xaf && b != 0xa8 && b != 0xa9);
            }
        }
        return false;
    }

    /** RDTSC, RDTSCP, CPUID, RDMSR, RDPMC, RDRAND, RDSEED, IN, INS, FXSAVE and XSAVE go their own ways. */
    private static boolean outside(byte[] c) {
        int o = opcode(c);
        int b = at(c, o);
        if (b == 0x0f) {
            int b2 = at(c, o + 1);
            return b2 == 0x31
                    || b2 == 0xa2
                    || b2 == 0x32
                    || b2 == 0x33
                    || (b2 == 0x01 && at(c, o + 2) == 0xf9)
                    || (b2 == 0xc7 && (at(c, o + 2) >> 3 & 7) >= 6);
        }
        return b == 0xe4 || b == 0xe5 || b == 0xec || b == 0xed || b == 0x6c || b == 0x6d;
    }

    /** Instructions that leave arithmetic flags undefined (SDM vol. 2): the logical ones AF, shifts, products and others. */
    private static boolean undefinedFlags(byte[] c) {
        int o = opcode(c);
        int b = at(c, o);
        int reg = at(c, o + 1) >> 3 & 7;
        if (b == 0x0f) {
            int b2 = at(c, o + 1);
            return b2 == 0xaf
                    || b2 == 0xa3
                    || b2 == 0xab
                    || b2 == 0xb3
                    || b2 == 0xbb
                    || b2 == 0xba
                    || b2 == 0xbc
                    || b2 == 0xbd
                    || b2 == 0xa4
                    || b2 == 0xa5
                    || b2 == 0xac
                    || b2 == 0xad;
        }
        return switch (b) {
            case 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3, 0x69, 0x6b -> true;
            case 0xf6, 0xf7 -> reg >= 4 || reg <= 1;
            case 0x80, 0x81, 0x83 -> reg == 1 || reg == 4 || reg == 6;
            case 0xa8, 0xa9, 0x84, 0x85 -> true;
            default -> b >= 0 && ((b & 0xf8) == 0x08 || (b & 0xf8) == 0x20 || (b & 0xf8) == 0x30);
        };
    }
}
