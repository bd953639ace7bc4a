package serai.vmm;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.Outcome;
import serai.machine.Schedule;
import serai.machine.engine.Vcpu;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;
import serai.vmm.gdb.GdbStub;
import serai.vmm.gdb.Resume;
import serai.vmm.gdb.Stop;
import serai.vmm.gdb.Target;

/** A VM's debugger, from where it connects to where it leaves: what it is told of, and what it wants next. */
final class Debugger implements Target {
    private final GdbStub gdb;
    private final Machine machine;
    private final Console console;
    private boolean connected;
    private Schedule schedule = Schedule.ALL;
    /** The vCPU that the debugger looks at. */
    private int current;
    /** What {@link Vcpu#instructions} of the vCPU that steps was when it began. */
    private long stepFrom;
    /** All instructions when the machine last came to a stand without anything to tell. */
    private long lastStand = -1;
    /** Watchpoints that other vCPUs have hit at the same time: told one by one. */
    private final Deque<Stop> waiting = new ArrayDeque<>();

    Debugger(GdbStub gdb, Machine machine, Console console) {
        this.gdb = gdb;
        this.machine = machine;
        this.console = console;
    }

    /** Waits until one connects and lets the machine run; a reason to end, if it wants that. */
    @Nullable
    End await() throws VmmException {
        console.say("serai: waiting for gdb: target remote :%d%n".formatted(gdb.port()));
        try {
            gdb.awaitDebugger();
        } catch (IOException e) {
            throw new VmmException(VmmException.HOST, "gdb could not connect: " + Reasons.of(e), e);
        }
        gdb.onInterrupt(machine::stop);
        connected = true;
        return stopped(Stop.signal(0, Stop.SIGTRAP));
    }

    /** Whether one is there. */
    boolean connected() {
        return connected;
    }

    /** For which vCPUs it lets the machine run. */
    Schedule schedule() {
        return schedule;
    }

    /** The machine has come to a stand as somebody outside wanted, or because a step is done; a reason to end. */
    @Nullable
    End stopped() {
        if (!connected) {
            return null;
        }
        int stepping = schedule.stepping();
        if (gdb.interrupted()) {
            return stopped(Stop.signal(stepping < 0 ? current : stepping, Stop.SIGINT));
        }
        if (stepping >= 0) {
            Vcpu v = machine.vcpu(stepping);
            if (!v.countsInstructions() || v.instructions() != stepFrom) {
                return stopped(Stop.signal(stepping, Stop.SIGTRAP));
            }
        }
        long before = lastStand;
        lastStand = machine.instructions();
        // those that are not held wait for the others
        return schedule.held() != 0 && lastStand == before ? stopped(Stop.signal(current, Stop.NONE)) : null;
    }

    /** A vCPU has reached a break- or watchpoint; a reason to end. */
    @Nullable
    End reached(Outcome.Breakpoint o) {
        Watchpoint hit = machine.vcpu(o.cpu()).watchpointHit();
        return stopped(hit == null ? Stop.breakpoint(o.cpu()) : Stop.watchpoint(o.cpu(), hit));
    }

    /** Tells it of a stop, and does as it says; a reason to end, if it wants that. */
    @Nullable
    End stopped(Stop stop) {
        if (!connected) {
            return null;
        }
        for (int i = 0; i < machine.cpus(); i++) {
            Watchpoint w = machine.vcpu(i).watchpointHit();
            if (w != null) {
                waiting.add(Stop.watchpoint(i, w));
            }
        }
        current = stop.cpu();
        return switch (gdb.stopped(this, stop)) {
            case Resume.Forward(Schedule s) -> {
                Stop next = waiting.poll();
                if (next != null) {
                    yield stopped(next);
                }
                forward(s);
                yield null;
            }
            case Resume.StepBack(int cpu) -> stopped(Stop.historyBegins(cpu));
            case Resume.RunBack(int cpu) -> stopped(Stop.historyBegins(cpu));
            case Resume.Detached() -> {
                connected = false;
                schedule = Schedule.ALL;
                waiting.clear();
                yield null;
            }
            case Resume.Kill() -> End.QUIT;
        };
    }

    private void forward(Schedule s) {
        schedule = s;
        if (!s.holds(current)) {
            machine.vcpu(current).passBreakpoint();
        }
        if (s.stepping() >= 0) {
            Vcpu v = machine.vcpu(s.stepping());
            v.passBreakpoint();
            stepFrom = v.instructions();
        }
    }

    /** The VM ends. */
    void exited(int status) {
        if (connected) {
            gdb.exited(status);
        }
    }

    // ---- Target ----

    @Override
    public int cpus() {
        return machine.cpus();
    }

    @Override
    public Vcpu vcpu(int index) {
        return machine.vcpu(index);
    }

    @Override
    public GuestMemory memory() {
        return machine.memory();
    }

    @Override
    public boolean reversible() {
        return false;
    }

    @Override
    public void changing() {}

    @Override
    public @Nullable String monitor(String command) {
        return null;
    }
}
