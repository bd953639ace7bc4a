package serai.vmm;

import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.Exit;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Vcpu;
import serai.machine.time.Timers;
import serai.machine.time.VirtualClock;
import serai.vmm.gdb.GdbStub;

/**
 * Drives the vCPU: runs it, waits with it, lets time pass.
 *
 * <h2>Two kinds of time</h2>
 *
 * In real time a thread of its own runs due timers, and a vCPU that has halted parks until an interrupt waits for it. In
 * deterministic mode nothing happens beside the vCPU: it runs exactly to the next deadline, the next recorded input or
 * the next instruction that somebody wants to look at, and what is due is done there. A halt then takes no time; the
 * clock jumps.
 *
 * <h2>Stops</h2>
 *
 * Power-off, reset, debug-exit, the user and the time-out leave a request and kick the vCPU; the loop takes it between
 * two instructions. The first request to end counts.
 */
final class VcpuLoop {
    /** What the loop needs of the VM round it. All called on the vCPU's thread, without the machine lock. */
    interface Owner {
        /** Resets the machine and loads the kernel anew; the vCPU's state is set. */
        void reboot() throws VmmException;

        /** Saves a snapshot; the vCPU stands still. */
        void save() throws VmmException;

        /** Delivers input that is due at this number of instructions; the number at which it wants to be asked again. */
        long input(long instructions);
    }

    private final Vcpu vcpu;
    private final InterruptSource interrupts;
    private final ReentrantLock lock;
    private final Timers timers;
    private final @Nullable VirtualClock virtual;
    private final VmConfig config;
    private final Owner owner;
    private final Console console;
    private final @Nullable GdbStub gdb;
    private final serai.machine.memory.GuestMemory memory;

    private final AtomicReference<@Nullable End> end = new AtomicReference<>();
    private volatile boolean resetRequested;
    private volatile boolean saveRequested;
    private volatile boolean timersDone;
    private volatile @Nullable Thread runner;

    private final StateHash hash = new StateHash();
    private @Nullable Tracer tracer;
    private long nextHash = Long.MAX_VALUE;
    private boolean debugged;
    private GdbStub.Action debuggerWants = GdbStub.Action.CONTINUE;

    VcpuLoop(
            Vcpu vcpu,
            InterruptSource interrupts,
            serai.machine.memory.GuestMemory memory,
            ReentrantLock lock,
            Timers timers,
            @Nullable VirtualClock virtual,
            VmConfig config,
            Owner owner,
            Console console,
            @Nullable GdbStub gdb) {
        this.vcpu = vcpu;
        this.interrupts = interrupts;
        this.memory = memory;
        this.lock = lock;
        this.timers = timers;
        this.virtual = virtual;
        this.config = config;
        this.owner = owner;
        this.console = console;
        this.gdb = gdb;
    }

    /** Asks for the end. From any thread, with or without the machine lock. */
    void requestEnd(End e) {
        end.compareAndSet(null, e);
        disturb();
    }

    /** Asks for a reset. */
    void requestReset() {
        resetRequested = true;
        disturb();
    }

    /** Asks for a snapshot, then the end. */
    void requestSave() {
        saveRequested = true;
        disturb();
    }

    /** Makes the vCPU look up from what it does. */
    void disturb() {
        vcpu.kick();
        wake();
    }

    /** Wakes the vCPU's thread if it waits. */
    void wake() {
        Thread t = runner;
        if (t != null) {
            LockSupport.unpark(t);
        }
    }

    /** Runs to the end. */
    End run() throws VmmException {
        runner = Thread.currentThread();
        Thread timerThread = virtual == null ? startTimers() : null;
        if (virtual != null) {
            lock.lock();
            try {
                timers.onEarlier(vcpu::kick);
            } finally {
                lock.unlock();
            }
        }
        try {
            if (config.trace() != null) {
                tracer = new Tracer(System.err, memory, config.trace());
            }
            if (config.hashEvery() > 0) {
                nextHash = (vcpu.instructions() / config.hashEvery() + 1) * config.hashEvery();
            }
            debugged = gdb != null;
            if (gdb != null) {
                gdb.onInterrupt(this::disturb);
                debuggerWants = GdbStub.Action.STEP;
                End e = debugger(GdbStub.SIGTRAP);
                if (e != null) {
                    return e;
                }
            }
            return loop();
        } finally {
            runner = null;
            timersDone = true;
            if (timerThread != null) {
                timerThread.interrupt();
            }
            if (config.hashEvery() > 0) {
                console.say("serai: final cpu %s ram %s instructions %d%n"
                        .formatted(hash.alone(vcpu.save()), hash.memory(memory), vcpu.instructions()));
            }
        }
    }

    private End loop() throws VmmException {
        while (true) {
            End e = requests();
            if (e != null) {
                return e;
            }
            long budget = budget();
            boolean stepping = debugged && debuggerWants == GdbStub.Action.STEP;
            boolean tracing = tracing();
            Tracer t = tracer;
            if (tracing && t != null) {
                t.before(vcpu);
            }
            Exit exit = budget == 0 ? Exit.BUDGET : vcpu.run(stepping || tracing ? 1 : budget);
            if (tracing && t != null) {
                t.after(vcpu, vcpu.instructions());
            }
            if (virtual != null) {
                runDue();
            }
            e = switch (exit) {
                case BUDGET -> stepping ? debugger(GdbStub.SIGTRAP) : null;
                case KICKED -> null;
                case HALTED -> halted();
                case HALTED_FOR_EVER ->
                    new End(
                            VmmException.GUEST,
                            "the guest halted for ever: HLT with interrupts off at rip %#x"
                                    .formatted(vcpu.save().rip()));
                case SHUTDOWN -> shutdown();
                case BREAKPOINT, WATCHPOINT -> debugger(GdbStub.SIGTRAP);
                case FAILED ->
                    new End(VmmException.GUEST, "the guest stopped, the engine can't go on: " + vcpu.failure());
            };
            if (e != null) {
                End first = end.get();
                return first != null ? first : e;
            }
            if (debugged && gdb != null && gdb.interrupted()) {
                e = debugger(GdbStub.SIGINT);
                if (e != null) {
                    return e;
                }
            }
        }
    }

    private @Nullable End requests() throws VmmException {
        End e = end.get();
        if (e != null) {
            return e;
        }
        if (resetRequested) {
            resetRequested = false;
            if (config.noReboot()) {
                return new End(0, "");
            }
            owner.reboot();
        }
        long now = vcpu.countsInstructions() ? vcpu.instructions() : 0;
        if (saveRequested || (config.saveAt() >= 0 && vcpu.countsInstructions() && now >= config.saveAt())) {
            owner.save();
            return new End(0, "");
        }
        if (now >= nextHash) {
            console.say("serai: hash %d %s%n".formatted(now, hash.add(vcpu.save())));
            nextHash += config.hashEvery();
        }
        return null;
    }

    /** How many instructions may run before something of ours is due. */
    private long budget() {
        long n = Long.MAX_VALUE;
        if (!vcpu.countsInstructions()) {
            return n;
        }
        long now = vcpu.instructions();
        if (config.saveAt() >= 0) {
            n = Math.min(n, config.saveAt() - now);
        }
        n = Math.min(n, nextHash - now);
        VmConfig.Trace t = config.trace();
        if (t != null && !t.addresses() && now < t.from()) {
            n = Math.min(n, t.from() - now);
        }
        VirtualClock v = virtual;
        if (v != null) {
            long input = owner.input(now);
            n = Math.min(n, input - now);
            lock.lock();
            try {
                if (timers.next() != Timers.NEVER) {
                    n = Math.min(n, v.instructionsUntil(timers.next()));
                }
            } finally {
                lock.unlock();
            }
        }
        return Math.max(0, n);
    }

    private boolean tracing() {
        VmConfig.Trace t = config.trace();
        if (t == null) {
            return false;
        }
        if (t.addresses()) {
            return true; // each step has to be looked at; the tracer leaves out what lies outside
        }
        return vcpu.instructions() >= t.from() && vcpu.instructions() < t.to();
    }

    private void runDue() {
        lock.lock();
        try {
            timers.runDue();
        } finally {
            lock.unlock();
        }
    }

    private @Nullable End halted() {
        VirtualClock v = virtual;
        if (v != null) {
            lock.lock();
            try {
                if (interrupts.pending()) {
                    return null;
                }
                if (timers.next() != Timers.NEVER) {
                    v.skipTo(timers.next());
                    timers.runDue();
                    return null;
                }
            } finally {
                lock.unlock();
            }
            // nothing but input can wake it
            LockSupport.parkNanos(10_000_000);
            return null;
        }
        while (!interrupts.pending() && end.get() == null && !resetRequested && !saveRequested) {
            if (debugged && gdb != null && gdb.interruptWaits()) {
                return null;
            }
            // the bound is for the case that nobody wakes us, which no source of interrupts may do
            LockSupport.parkNanos(this, 100_000_000);
        }
        return null;
    }

    private @Nullable End shutdown() {
        String sentence = "the guest stopped by a triple fault at rip %#x"
                .formatted(vcpu.save().rip());
        if (debugged) {
            End e = debugger(GdbStub.SIGSEGV);
            return e != null ? e : new End(VmmException.GUEST, sentence);
        }
        return new End(VmmException.GUEST, sentence);
    }

    private @Nullable End debugger(int signal) {
        GdbStub g = gdb;
        if (!debugged || g == null) {
            return null;
        }
        debuggerWants = g.stopped(vcpu, memory, signal);
        return switch (debuggerWants) {
            case CONTINUE, STEP -> null;
            case DETACHED -> {
                debugged = false;
                yield null;
            }
            case KILL -> End.QUIT;
        };
    }

    // ---- real time ----

    private Thread startTimers() {
        java.util.concurrent.locks.Condition earlier = lock.newCondition();
        lock.lock();
        try {
            timers.onEarlier(earlier::signal);
        } finally {
            lock.unlock();
        }
        return Thread.ofPlatform().daemon().name("serai-timers").start(() -> {
            lock.lock();
            try {
                while (!timersDone) {
                    timers.runDue();
                    long next = timers.next();
                    if (next == Timers.NEVER) {
                        earlier.await();
                    } else {
                        long left = next - timers.clock().nanos();
                        if (left > 0) {
                            earlier.awaitNanos(left);
                        }
                    }
                }
            } catch (InterruptedException e) {
                return; // the end
            } finally {
                lock.unlock();
            }
        });
    }
}
