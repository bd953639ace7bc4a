package serai.vmm.gdb;

import java.util.stream.Collectors;
import java.util.stream.IntStream;
import serai.machine.Schedule;
import serai.machine.engine.CpuState;

/** The vCPUs as threads of the debugger's, 1 to their count, and what it chose of them. */
final class Threads {
    /** Which vCPU registers and memory are asked of: {@code Hg}. */
    private int selected;
    /** Which one {@code s}, {@code bs} and {@code bc} are for: {@code Hc}; -1 for all. */
    private int resumed = -1;

    /** The vCPU has stopped: what follows is about it. */
    void stopped(int cpu) {
        selected = cpu;
        resumed = -1;
    }

    int selected() {
        return selected;
    }

    int resumed() {
        return resumed < 0 ? selected : resumed;
    }

    /** The name of a vCPU's thread. */
    static String id(int cpu) {
        return "%02x".formatted(cpu + 1);
    }

    /**
     * The vCPU of a thread, -1 for "all" and for "any".
     *
     * @throws IllegalArgumentException if there is none
     */
    private static int cpu(String thread, Target target) {
        if (thread.equals("-1")) {
            return -1;
        }
        int n = Integer.parseInt(thread, 16);
        if (n < 0 || n > target.cpus() || n > 0 && !target.present(n - 1)) {
            throw new IllegalArgumentException("thread " + n);
        }
        return n - 1;
    }

    /** {@code Hg} and {@code Hc}, without the H. */
    String choose(String rest, Target target) {
        int cpu = cpu(rest.substring(1), target);
        switch (rest.charAt(0)) {
            case 'g' -> selected = Math.max(cpu, 0);
            case 'c' -> resumed = cpu;
            default -> {
                return "";
            }
        }
        return "OK";
    }

    /** {@code T}: whether a thread is there. */
    static String alive(String thread, Target target) {
        return cpu(thread, target) >= 0 ? "OK" : "E01";
    }

    /** {@code qfThreadInfo}. */
    static String all(Target target) {
        return IntStream.range(0, target.cpus())
                .filter(target::present)
                .mapToObj(Threads::id)
                .collect(Collectors.joining(",", "m", ""));
    }

    /** {@code qThreadExtraInfo}, as text. */
    static String describe(String thread, Target target) {
        int cpu = Math.max(cpu(thread, target), 0);
        CpuState s = target.vcpu(cpu).save();
        String does =
                switch (s.events().activity()) {
                    case RUNNING -> "running";
                    case HALTED -> "halted";
                    case WAIT_FOR_SIPI -> "waits for start-up";
                    case SHUTDOWN -> "shut down";
                };
        return "vCPU " + cpu + ": " + does;
    }

    /**
     * The actions of {@code vCont}: for each vCPU the first that is for its thread or for all; those without one are held, those, too,
     * that come while the machine runs.
     *
     * @param actions {@code ;action:thread} for each, the thread left out for all
     */
    Schedule schedule(String actions, Target target) {
        String[] list = actions.substring(1).split(";", -1);
        int held = 0;
        int stepping = -1;
        for (int i = 0; i < target.cpus(); i++) {
            boolean found = false;
            for (String a : list) {
                int colon = a.indexOf(':');
                int cpu = colon < 0 ? -1 : cpu(a.substring(colon + 1), target);
                if (cpu >= 0 && cpu != i) {
                    continue;
                }
                boolean step =
                        switch (a.charAt(0)) {
                            case 's', 'S' -> true;
                            case 'c', 'C' -> false;
                            default -> throw new IllegalArgumentException("vCont action " + a);
                        };
                // one at a time: of several that are to step the one that the debugger looks at
                if (step && target.present(i) && (stepping < 0 || i == selected)) {
                    stepping = i;
                }
                found = true;
                break;
            }
            held |= found ? 0 : 1 << i;
        }
        int h = held;
        if (IntStream.range(0, target.cpus()).noneMatch(i -> target.present(i) && (h >>> i & 1) == 0)) {
            throw new IllegalArgumentException("vCont for nobody");
        }
        return new Schedule(held, stepping);
    }
}
