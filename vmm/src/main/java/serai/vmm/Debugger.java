package serai.vmm;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.Outcome;
import serai.machine.Schedule;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;
import serai.vmm.gdb.GdbStub;
import serai.vmm.gdb.Resume;
import serai.vmm.gdb.Stop;
import serai.vmm.gdb.Target;

/** A VM's debugger, from where it connects to where it leaves: what it is told of, and what it wants next. */
final class Debugger implements Target {
    /** What history may take of the host's memory. */
    private static final long HISTORY_BYTES = 512 << 20;

    private final GdbStub gdb;
    private final Machine machine;
    private final Console console;
    private final @Nullable History history;
    private final Monitor monitor;
    private boolean connected;
    /** The debugger has changed something since the machine last ran. */
    private boolean changed;
    /** It has gone back since it was told that the guest can't go on. */
    private boolean wentBack;

    private Schedule schedule = Schedule.ALL;
    /** The vCPU that the debugger looks at. */
    private int current;
    /** What {@link Vcpu#instructions} of the vCPU that steps was when it began. */
    private long stepFrom;
    /** All instructions when the machine last came to a stand without anything to tell. */
    private long lastStand = -1;
    /** Watchpoints that other vCPUs have hit at the same time: told one by one. */
    private final Deque<Stop> waiting = new ArrayDeque<>();

    /**
     * Not connected yet.
     *
     * @param past what a history can take back; null if there is to be none
     * @param random the machine's source of random numbers, with {@code past}
     * @param ended whether somebody wants the VM to end
     * @param requestEnd says so
     */
    Debugger(
            GdbStub gdb,
            Machine machine,
            Console console,
            History.@Nullable Parts past,
            LongSupplier random,
            BooleanSupplier ended,
            Consumer<End> requestEnd) {
        this.gdb = gdb;
        this.machine = machine;
        this.console = console;
        history = past != null && random instanceof SeededRandom seeded
                ? new History(
                        machine,
                        seeded,
                        past,
                        Math.min(HISTORY_BYTES, Runtime.getRuntime().maxMemory() / 2),
                        () -> gdb.interruptWaits() || ended.getAsBoolean())
                : null;
        monitor = new Monitor(machine, history, requestEnd);
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
        if (history != null) {
            history.begin();
        }
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
        collect();
        Stop hit = waiting.poll();
        if (hit != null) {
            return stopped(hit);
        }
        if (gdb.interrupted()) {
            return stopped(Stop.signal(stepping < 0 ? current : stepping, Stop.SIGINT));
        }
        if (stepping >= 0) {
            Vcpu v = machine.vcpu(stepping);
            if (!v.countsInstructions() || v.instructions() != stepFrom) {
                return stopped(Stop.signal(stepping, Stop.SIGTRAP));
            }
        }
        if (nobodyLeft()) {
            return stopped(Stop.signal(0, Stop.NONE));
        }
        long before = lastStand;
        lastStand = machine.instructions();
        // those that are not held wait for the others
        return schedule.held() != 0 && lastStand == before ? stopped(Stop.signal(current, Stop.NONE)) : null;
    }

    /** Whether the vCPU that is to step, or all that are to run, have left the machine. */
    private boolean nobodyLeft() {
        int stepping = schedule.stepping();
        int present = machine.sockets().present();
        return (schedule.held() & present) == present || stepping >= 0 && (present >>> stepping & 1) == 0;
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
        collect();
        wentBack = false;
        // gdb knows no thread of a vCPU that has left the machine meanwhile
        Stop now = present(stop.cpu()) ? stop : Stop.signal(0, Stop.NONE);
        while (true) {
            current = now.cpu();
            switch (gdb.stopped(this, now)) {
                case Resume.Forward(Schedule s) -> {
                    Stop next = waiting.poll();
                    if (next == null) {
                        forward(s);
                        return null;
                    }
                    now = next;
                }
                case Resume.StepBack(int cpu) -> now = back(h -> h.stepBack(cpu));
                case Resume.RunBack(int cpu) -> {
                    Stop last = now;
                    now = back(h -> h.runBack(cpu, last));
                }
                case Resume.Detached() -> {
                    connected = false;
                    schedule = Schedule.ALL;
                    waiting.clear();
                    if (history != null) {
                        history.end();
                    }
                    return null;
                }
                case Resume.Kill() -> {
                    return End.QUIT;
                }
            }
        }
    }

    /** Watchpoints that were hit and not told of. */
    private void collect() {
        for (int i = 0; i < machine.cpus(); i++) {
            Watchpoint w = machine.vcpu(i).watchpointHit();
            if (w != null) {
                waiting.add(Stop.watchpoint(i, w));
            }
        }
    }

    private Stop back(Function<History, Stop> way) {
        waiting.clear();
        changed = false; // taken back, too
        wentBack = true;
        Stop s = way.apply(Objects.requireNonNull(history));
        gdb.interrupted(); // it has done what it was to do
        return s;
    }

    private void forward(Schedule wanted) {
        Schedule s = wanted;
        if (history != null) {
            if (s.held() != 0 && s.stepping() == machine.turn() && runs(s.stepping())) {
                s = new Schedule(0, s.stepping()); // it is its turn: what it does is what it would do
            }
            if (changed || s.held() != history.held()) {
                history.changed(s.held());
            } else {
                history.passing();
            }
        }
        changed = false;
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

    private boolean runs(int cpu) {
        return machine.vcpu(cpu).save().events().activity() == CpuState.Activity.RUNNING;
    }

    /** The count of instructions at which {@link #passing} is to be called. */
    long next() {
        return connected && history != null ? history.next() : Long.MAX_VALUE;
    }

    /** Between two runs. */
    void passing() {
        if (connected && history != null && machine.instructions() >= history.next()) {
            collect();
            history.passing();
        }
    }

    /** The machine was booted anew, has fallen asleep or was woken: there is no way back across that. */
    void edge() {
        if (connected && history != null) {
            history.edge();
        }
    }

    /** Whether it has gone back when it was told of the last stop. */
    boolean wentBack() {
        return wentBack;
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
    public boolean present(int index) {
        return machine.sockets().present(index);
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
        return history != null;
    }

    @Override
    public void changing() {
        changed = true;
    }

    @Override
    public @Nullable String monitor(String command) {
        return monitor.run(command);
    }
}
