package serai.vmm;

import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestMemory;

/** {@code --trace}: a line for each instruction with its address and bytes, then the registers it changed. */
final class Tracer {
    private static final String[] GPR = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
    };
    private static final String[] CR = {"cr0", "cr2", "cr3", "cr4", "cr8"};

    private final Console out;
    private final GuestMemory memory;
    private final SessionConfig.Trace range;
    private @Nullable CpuState before;

    Tracer(Console out, GuestMemory memory, SessionConfig.Trace range) {
        this.range = range;
        this.out = out;
        this.memory = memory;
    }

    /** Whether the instruction that comes after so many is to be stepped over alone. */
    boolean covers(long instructions) {
        return range.addresses() || (instructions >= range.from() && instructions < range.to());
    }

    /** Before an instruction. */
    void before(Vcpu vcpu) {
        before = vcpu.save();
    }

    /** After it. */
    void after(Vcpu vcpu) {
        CpuState a = before;
        if (a == null) {
            return;
        }
        if (range.addresses()
                && (Long.compareUnsigned(a.rip(), range.from()) < 0
                        || Long.compareUnsigned(a.rip(), range.to()) >= 0)) {
            return;
        }
        CpuState b = vcpu.save();
        out.say(line(a, b, a.instructions(), bytes(vcpu, a)) + "\n");
    }

    private String bytes(Vcpu vcpu, CpuState a) {
        StringBuilder s = new StringBuilder();
        long linear = a.rip() + (wide(a) ? 0 : a.segments()[CpuState.CS].base());
        for (int i = 0; i < 8; i++) {
            long physical = vcpu.translate(linear + i);
            if (physical < 0 || memory.host(physical) == 0) {
                break;
            }
            s.append("%02x".formatted(memory.readByte(physical)));
        }
        return s.toString();
    }

    private static boolean wide(CpuState s) {
        return (s.segments()[CpuState.CS].attributes() & serai.machine.engine.Segment.L) != 0;
    }

    /** One line; {@code bytes} are the first eight at RIP, not all of them the instruction's. */
    static String line(CpuState a, CpuState b, long number, String bytes) {
        StringBuilder s = new StringBuilder();
        s.append("%10d %04x:%016x %-16s".formatted(number, a.segments()[CpuState.CS].selector(), a.rip(), bytes));
        for (int i = 0; i < 16; i++) {
            if (a.gpr()[i] != b.gpr()[i]) {
                s.append(" %s=%x".formatted(GPR[i], b.gpr()[i]));
            }
        }
        if (a.rflags() != b.rflags()) {
            s.append(" rflags=%x".formatted(b.rflags()));
        }
        for (int i = 0; i < 5; i++) {
            if (a.cr()[i] != b.cr()[i]) {
                s.append(" %s=%x".formatted(CR[i], b.cr()[i]));
            }
        }
        if (a.segments()[CpuState.CS].selector() != b.segments()[CpuState.CS].selector()) {
            s.append(" cs=%x".formatted(b.segments()[CpuState.CS].selector()));
        }
        for (int i = 0; i < 16; i++) {
            for (int j = 160 + i * 16; j < 176 + i * 16; j++) {
                if (a.xsave()[j] != b.xsave()[j]) {
                    s.append(" xmm").append(i).append('=');
                    for (int k = 175 + i * 16; k >= 160 + i * 16; k--) {
                        s.append("%02x".formatted(b.xsave()[k]));
                    }
                    break;
                }
            }
        }
        return s.toString();
    }
}
