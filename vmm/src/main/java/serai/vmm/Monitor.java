package serai.vmm;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/** The commands of the debugger's {@code monitor}, by the names that QEMU's monitor has for them. */
final class Monitor {
    private static final String HELP = """
            help               this list
            info registers     all registers of all vCPUs, segments and tables, too
            info history       how far it can go back
            system_reset       the reset button, once the guest runs on
            system_powerdown   the power button, once the guest runs on
            quit               ends the VM, once the guest runs on
            """;

    private static final String[] GPR = {
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"
    };
    private static final String[] SEGMENTS = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};
    private static final String[] CONTROL = {"CR0", "CR2", "CR3", "CR4", "CR8"};

    private final Machine machine;
    private final @Nullable History history;
    private final Consumer<End> requestEnd;

    Monitor(Machine machine, @Nullable History history, Consumer<End> requestEnd) {
        this.machine = machine;
        this.history = history;
        this.requestEnd = requestEnd;
    }

    /** Does a command; what it prints, or null if there is none of that name. */
    @Nullable
    String run(String command) {
        switch (command) {
            case "help" -> {
                return HELP;
            }
            case "info registers" -> {
                StringBuilder b = new StringBuilder();
                for (int i = 0; i < machine.cpus(); i++) {
                    if (machine.sockets().present(i)) {
                        registers(b, i, machine.vcpu(i).save());
                    }
                }
                return b.toString();
            }
            case "info history" -> {
                return history == null
                        ? "no way back: that takes deterministic mode, without a record\n"
                        : history.describe();
            }
            case "system_reset" -> machine.pressResetButton();
            case "system_powerdown" -> machine.pressPowerButton();
            case "quit" -> requestEnd.accept(End.QUIT);
            default -> {
                return null;
            }
        }
        return "";
    }

    private static void registers(StringBuilder b, int cpu, CpuState s) {
        b.append("vCPU %d, %s, %d instructions%n".formatted(cpu, s.events().activity(), s.instructions()));
        for (int i = 0; i < 16; i++) {
            b.append("%s=%016x%s".formatted(GPR[i], s.gpr()[i], i % 4 == 3 ? "\n" : " "));
        }
        b.append("RIP=%016x RFL=%08x%n".formatted(s.rip(), s.rflags()));
        for (int i = 0; i < SEGMENTS.length; i++) {
            Segment g = s.segments()[i];
            b.append("%-3s=%04x %016x %08x %05x%n"
                    .formatted(SEGMENTS[i], g.selector(), g.base(), g.limit(), g.attributes()));
        }
        b.append("GDT=%016x %04x%nIDT=%016x %04x%n".formatted(s.gdtBase(), s.gdtLimit(), s.idtBase(), s.idtLimit()));
        for (int i = 0; i < CONTROL.length; i++) {
            b.append("%s=%016x ".formatted(CONTROL[i], s.cr()[i]));
        }
        b.append("EFER=%016x%n".formatted(s.msr(Msr.EFER, 0)));
    }
}
