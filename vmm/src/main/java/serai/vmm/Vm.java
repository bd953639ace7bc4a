package serai.vmm;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.InputLog;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.Outcome;
import serai.machine.Schedule;
import serai.machine.boot.BootException;
import serai.machine.boot.BootSource;
import serai.machine.boot.Loader;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuState;
import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuStats;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;
import serai.vmm.gdb.GdbStub;
import serai.vmm.gdb.Stop;
import serai.vmm.net.Nics;
import serai.vmm.plug.BalloonDevice;
import serai.vmm.plug.MemoryDevice;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PluggedCpus;

/**
 * One virtual machine: built from a configuration, run to its end.
 *
 * <h2>Ends</h2>
 *
 * The guest ends a run by an {@link Outcome} of the machine. The user, the time-out and a save at a moment of wall time
 * come from other threads: they leave a request and stop the machine, and the loop, between two calls of
 * {@link Machine#run}, takes it. The first request to end counts.
 */
final class Vm implements AutoCloseable {
    /** The date of a deterministic machine at its start: 2026-01-01 00:00 UTC. */
    private static final long EPOCH = 1_767_225_600L;
    /** The interpreter's order of magnitude: guest time and host time go about alike. */
    private static final long NANOS_PER_INSTRUCTION = 5;

    private static final long STDIN_ROOM = 64 * 1024;

    private final VmConfig config;
    private final Console console;
    private final List<AutoCloseable> parts = new ArrayList<>();
    private final GuestMemory memory;
    private final ConsolePorts consolePorts;
    private final Machine machine;
    private final CpuModel model;
    private final LongSupplier random;
    private final @Nullable Debugger debugger;
    private final @Nullable Profile profile;
    private final Control control;
    private final Nics nics;
    private final AtomicReference<@Nullable End> end = new AtomicReference<>();
    private volatile boolean saveNow;
    private volatile boolean over;
    private final long built = System.nanoTime();
    private long started;
    private long startInstructions;

    private final StateHash hash = new StateHash();
    private long nextHash = Long.MAX_VALUE;

    /**
     * Builds the machine and loads the kernel or the snapshot.
     *
     * @throws VmmException if anything of it can't be had; nothing is left behind
     */
    Vm(VmConfig wanted, Console console) throws VmmException {
        this.console = console;
        Path load = wanted.snapshots().load();
        Snapshot.@Nullable Head head = load == null ? null : Snapshot.head(load);
        config = head == null
                ? wanted
                : wanted.withHardware(wanted.hardware()
                        .with(
                                wanted.hardware().memory().with(head.memory(), head.pluggable()),
                                head.cpuModel(),
                                head.has("hpet")));
        boolean good = false;
        try {
            Ram ram = own(Ram.create(config.hardware().memory()));
            memory = ram.memory();
            Long seed = config.repeat().seed();
            History.Parts past = canGoBack(config) ? new History.Parts() : null;
            Backends backends = own(new Backends(console, past == null ? b -> b : past::output));
            Clock clock = seed == null ? new RealClock() : new VirtualClock(EPOCH, NANOS_PER_INSTRUCTION);
            random = seed == null ? new SecureRandom()::nextLong : new SeededRandom(seed);
            Models.named(
                    config.hardware().cpuModel(),
                    config.hardware().cpusInPackage()); // a wrong name is refused before anything is opened
            Engine engine = own(Engines.open(config, console));
            model = Models.on(
                    engine, config.hardware().cpuModel(), config.hardware().cpusInPackage(), load != null, console);
            MachineConfig machineConfig = new MachineConfig(
                    config.hardware().cpus(),
                    config.hardware().maxCpus(),
                    model,
                    clock,
                    random,
                    backends.open("serial", config.streams().serial()),
                    backends.open("debugcon", config.streams().debugcon()),
                    config.hardware().numa(),
                    config.hardware().hpet(),
                    config.hardware().debugExit());
            machine = own(new Machine(machineConfig, memory, engine));
            control = new Control(machine, this::requestEnd);
            machine.onIdle(() -> {
                engine.trim();
                System.gc(); // which also makes the heap small; nothing is allocated that would cause one by itself
            });
            consolePorts = own(new ConsolePorts(config, backends));
            nics = own(new Nics(machine, config.hardware().maxCpus()));
            Peripherals peripherals = Devices.plug(
                    machine,
                    config,
                    consolePorts.device(),
                    random,
                    control,
                    past == null ? d -> d : past::disk,
                    nics,
                    parts);
            MemoryDevice memoryDevice = MemoryDevice.plug(machine);
            BalloonDevice balloon = config.balloon().present() || head != null && head.has(BalloonDevice.NAME)
                    ? BalloonDevice.plug(machine, config.balloon().bytes())
                    : null;
            VsockConfig vsock = config.vsock();
            VsockSockets sockets = vsock == null ? null : own(VsockSockets.listen(vsock));
            if (sockets != null) {
                sockets.plug(machine);
            }
            Shares.plug(machine, config.shares(), parts);
            PluggedCpus pluggedCpus =
                    new PluggedCpus(machine, model.name(), config.hardware().numa());
            InputLog log = own(inputLog(past != null));
            machine.inputLog(log);
            long rsdp = machine.reset();
            if (load == null) {
                machine.start(boot(rsdp));
            } else {
                restore(load);
            }
            consolePorts.start(machine);
            if (sockets != null) {
                sockets.start();
            }
            Path socket = config.session().qmp();
            if (socket != null) {
                own(ControlSocket.open(
                        socket, control, machine, peripherals, pluggedCpus, memoryDevice, balloon, nics));
            }
            profile = Profile.start(config.session().profile(), machine);
            debugger = config.session().gdbPort() < 0
                    ? null
                    : new Debugger(
                            own(listen(config.session().gdbPort())),
                            machine,
                            console,
                            past,
                            random,
                            () -> end.get() != null,
                            this::requestEnd);
            good = true;
        } finally {
            if (!good) {
                close();
            }
        }
    }

    private <T extends AutoCloseable> T own(T part) {
        parts.add(part);
        return part;
    }

    private InputLog inputLog(boolean remember) throws VmmException {
        Path record = config.repeat().record();
        Path replay = config.repeat().replay();
        try {
            return record != null
                    ? InputLog.record(record)
                    : replay != null ? InputLog.replay(replay) : remember ? InputLog.remember() : InputLog.none();
        } catch (IOException e) {
            throw new VmmException(
                    replay != null ? VmmException.INPUT : VmmException.HOST,
                    "the file of inputs can't be used: " + Reasons.of(e),
                    e);
        }
    }

    /** Whether a debugger gets a history: what was recorded to a file, or sent to a client of a socket, can't be taken back. */
    private static boolean canGoBack(VmConfig config) {
        return config.session().gdbPort() >= 0
                && config.repeat().seed() != null
                && config.repeat().record() == null
                && !config.streams().haveSockets();
    }

    private static GdbStub listen(int port) throws VmmException {
        try {
            return GdbStub.listen(port);
        } catch (IOException e) {
            throw new VmmException(
                    VmmException.HOST, "port %d for gdb can't be had: %s".formatted(port, Reasons.of(e)), e);
        }
    }

    private CpuState boot(long rsdp) throws VmmException {
        Path kernel = config.boot().kernel();
        if (kernel == null) {
            throw new VmmException(
                    VmmException.INPUT, "the guest wants a reboot, but a snapshot has no kernel; give one");
        }
        try {
            CpuState cpu = Loader.load(
                            memory,
                            new BootSource(
                                    kernel,
                                    config.boot().initrd(),
                                    config.boot().append()),
                            rsdp)
                    .cpu();
            // what unpacking has left, 12 MiB, is old by now, and the old are not collected until the heap is at its
            // bound
            System.gc();
            return cpu;
        } catch (BootException e) {
            throw new VmmException(VmmException.INPUT, String.valueOf(e.getMessage()), e);
        }
    }

    private void restore(Path file) throws VmmException {
        // what reset has written must not show through where the snapshot has zeros
        memory.zero(0xe0000, 0x20000);
        PluggableRam pluggable = memory.pluggable();
        if (pluggable != null) {
            pluggable.plugAll(); // the state will say which blocks are
        }
        Snapshot.Head head = Snapshot.load(file, memory);
        try {
            machine.restore(head.state(machine));
        } catch (IllegalArgumentException | IndexOutOfBoundsException | NullPointerException e) {
            throw new VmmException(VmmException.INPUT, "the snapshot was refused: " + e.getMessage(), e);
        }
        if (random instanceof SeededRandom r) {
            r.state(head.random());
        }
    }

    private void save() throws VmmException {
        Path file = config.snapshots().file();
        if (file != null) {
            nics.silence();
            Snapshot.save(
                    file,
                    Snapshot.Head.of(machine.save(), model.name(), random instanceof SeededRandom r ? r.state() : 0),
                    memory);
            console.say("serai: saved to %s at %d instructions%n".formatted(file, machine.instructions()));
        }
    }

    // ---- requests from other threads ----

    /** Asks for the end. From any thread. */
    void requestEnd(End e) {
        if (end.compareAndSet(null, e)) {
            machine.stop();
            control.wake();
        }
    }

    private void after(long millis, Runnable action) {
        Thread.ofPlatform().daemon().name("serai-timeout").start(() -> {
            try {
                Thread.sleep(millis);
                if (!over) {
                    action.run();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    // ---- running ----

    /** Runs to the end. */
    End run() throws VmmException {
        End e = new End(VmmException.HOST, "");
        try {
            e = runToEnd();
            return e;
        } finally {
            control.ended(e);
        }
    }

    private End runToEnd() throws VmmException {
        if (config.streams().serial() instanceof StreamConfig.Sink.Stdio) {
            console.read(this::typed, () -> requestEnd(End.QUIT));
        } else if (config.streams().console() instanceof StreamConfig.Sink.Stdio) {
            console.read(
                    (b, length) -> consolePorts.typed(machine, java.util.Arrays.copyOf(b, length)),
                    () -> requestEnd(End.QUIT));
        }
        if (config.session().parent() > 0) {
            // the command that shows the guest's terminal: killed, it can't tell us, and nobody could end this VM by
            // its keys
            Runnable gone = () -> requestEnd(new End(VmmException.HOST, "the command that started this VM is gone"));
            ProcessHandle parent = ProcessHandle.of(config.session().parent()).orElse(null);
            if (parent == null) {
                gone.run();
            } else {
                CompletableFuture<Void> unused = parent.onExit().thenRun(gone);
            }
        }
        if (config.session().timeoutMillis() > 0) {
            after(
                    config.session().timeoutMillis(),
                    () -> requestEnd(new End(
                            VmmException.TIMEOUT,
                            "the time of %s s is over"
                                    .formatted(config.session().timeoutMillis() / 1000.0))));
        }
        if (config.snapshots().saveAfterMillis() > 0) {
            after(config.snapshots().saveAfterMillis(), () -> {
                saveNow = true;
                machine.stop();
                control.wake();
            });
        }
        control.begun();
        started = System.nanoTime();
        startInstructions = machine.instructions();
        if (config.repeat().hashEvery() > 0) {
            nextHash = (startInstructions / config.repeat().hashEvery() + 1)
                    * config.repeat().hashEvery();
        }
        try {
            Debugger d = debugger;
            if (d != null) {
                End e = d.await();
                if (e != null) {
                    return e;
                }
            }
            return loop();
        } finally {
            over = true;
            if (config.repeat().hashEvery() > 0) {
                console.say("serai: final cpu %s ram %s instructions %d%n"
                        .formatted(hash.alone(states()), hash.memory(memory), machine.instructions()));
            }
        }
    }

    private void typed(byte[] b, int length) throws InterruptedException {
        while (machine.serialInputPending() > STDIN_ROOM) {
            Thread.sleep(10); // the guest is not reading; the pipe may fill
        }
        machine.serialInput(java.util.Arrays.copyOf(b, length));
    }

    private End loop() throws VmmException {
        SessionConfig.Trace trace = config.session().trace();
        Tracer tracer = trace == null ? null : new Tracer(console, memory, trace);
        while (true) {
            End e = requests();
            if (e != null) {
                return e;
            }
            boolean tracing = tracer != null && tracer.covers(machine.instructions());
            Vcpu traced = machine.vcpu(machine.turn());
            if (tracing && tracer != null) {
                tracer.before(traced);
            }
            Outcome o = tracing ? machine.step(machine.turn()) : machine.run(until(trace), schedule());
            if (tracing && tracer != null) {
                tracer.after(traced);
            }
            e = taken(o);
            if (e != null) {
                return e;
            }
        }
    }

    private Schedule schedule() {
        return debugger == null ? Schedule.ALL : debugger.schedule();
    }

    /** The next count of instructions at which the loop has something to do. */
    private long until(SessionConfig.@Nullable Trace trace) {
        long n = debugger == null ? nextHash : Math.min(nextHash, debugger.next());
        if (config.snapshots().saveAt() >= 0) {
            n = Math.min(n, config.snapshots().saveAt());
        }
        if (trace != null && !trace.addresses() && machine.instructions() < trace.from()) {
            n = Math.min(n, trace.from());
        }
        return n;
    }

    private @Nullable End requests() throws VmmException {
        control.awaitLeave(() -> saveNow || end.get() != null);
        End e = end.get();
        if (e != null) {
            return e;
        }
        if (debugger != null) {
            debugger.passing();
        }
        long now = machine.instructions();
        if (saveNow
                || (config.snapshots().saveAt() >= 0
                        && now >= config.snapshots().saveAt())) {
            save();
            return new End(0, "");
        }
        if (now >= nextHash) {
            console.say("serai: hash %d %s%n".formatted(now, hash.add(states())));
            nextHash += config.repeat().hashEvery();
        }
        return null;
    }

    private @Nullable End taken(Outcome o) throws VmmException {
        return switch (o) {
            case Outcome.PowerOff() -> ended(End.POWER_OFF);
            case Outcome.Hibernated() -> {
                control.hibernated();
                yield ended(End.POWER_OFF);
            }
            case Outcome.Suspended() -> {
                control.suspended();
                edge();
                yield null;
            }
            case Outcome.Woken() -> {
                control.woken();
                edge();
                yield null;
            }
            case Outcome.DebugExit(int status) -> ended(new End(status & 0xff, ""));
            case Outcome.Reset() -> {
                if (config.session().noReboot()) {
                    yield ended(End.POWER_OFF);
                }
                reboot();
                yield null;
            }
            case Outcome.TripleFault(int cpu) ->
                guestFault(cpu, Stop.SIGSEGV, "the guest stopped by a triple fault at " + where(cpu));
            case Outcome.HaltedForEver(int cpu) ->
                guestFault(
                        cpu, Stop.SIGTRAP, "the guest halted for ever: HLT with interrupts off, before " + where(cpu));
            case Outcome.NothingToWaitFor() ->
                guestFault(0, Stop.SIGTRAP, "the replayed guest waits for input that was not recorded");
            case Outcome.Failed(String why, int cpu) ->
                guestFault(cpu, Stop.SIGTRAP, "the guest stopped, its engine can't go on: " + why);
            case Outcome.Breakpoint b -> debugger == null ? null : debugger.reached(b);
            case Outcome.Stopped() -> debugger == null ? null : debugger.stopped();
        };
    }

    private End ended(End e) {
        if (debugger != null) {
            debugger.exited(e.status());
        }
        return e;
    }

    private @Nullable End guestFault(int cpu, int signal, String sentence) {
        if (debugger != null && debugger.connected()) {
            console.say("serai: " + sentence + "\n");
            End e = debugger.stopped(Stop.signal(cpu, signal));
            if (e != null || debugger.wentBack()) {
                return e;
            }
        }
        return ended(new End(VmmException.GUEST, sentence));
    }

    private String where(int cpu) {
        String rip = "rip %#x".formatted(machine.vcpu(cpu).save().rip());
        return machine.cpus() == 1 ? rip : "%s of vCPU %d".formatted(rip, cpu);
    }

    /** The states of all vCPUs. */
    private List<CpuState> states() {
        List<CpuState> all = new ArrayList<>();
        for (int i = 0; i < machine.cpus(); i++) {
            all.add(machine.vcpu(i).save());
        }
        return all;
    }

    private void reboot() throws VmmException {
        long rsdp = machine.reset();
        machine.start(boot(rsdp));
        control.resetDone();
        edge();
    }

    /** A run from before would not do what was done to the machine here. */
    private void edge() {
        if (debugger != null) {
            debugger.edge();
        }
    }

    // ---- the end ----

    /** Writes the profile, if one was asked for. */
    void writeProfile() throws VmmException {
        if (profile != null) {
            profile.end(machine, console);
        }
    }

    /** The lines of {@code --stats}. */
    String stats() {
        Map<String, Long> exits = new TreeMap<>();
        long tlbMisses = 0;
        boolean counted = true;
        for (int i = 0; i < machine.cpus(); i++) {
            VcpuStats s = machine.vcpu(i).stats();
            s.exits().forEach((name, n) -> exits.merge(name, n, Long::sum));
            tlbMisses += s.tlbMisses();
            counted &= s.instructions() >= 0 && machine.vcpu(i).countsInstructions();
        }
        double seconds = Math.max(1, System.nanoTime() - started) / 1e9;
        long n = machine.instructions() - startInstructions;
        StringBuilder b = new StringBuilder();
        b.append("serai: time %.3f s, %.3f s of it before the guest's first instruction%n"
                .formatted((System.nanoTime() - built) / 1e9, (started - built) / 1e9));
        if (counted) {
            b.append("serai: instructions %d, %.1f MIPS%n".formatted(n, n / seconds / 1e6));
        } else {
            b.append("serai: instructions not counted by this engine\n");
        }
        for (Map.Entry<String, Long> e : exits.entrySet()) {
            b.append("serai: exits %s %d%n".formatted(e.getKey(), e.getValue()));
        }
        if (tlbMisses >= 0) {
            b.append("serai: TLB misses %d%n".formatted(tlbMisses));
        }
        b.append("serai: accesses that found no device %d%n".formatted(machine.unclaimedAccesses()));
        return b.toString();
    }

    @Override
    public void close() {
        for (AutoCloseable part : parts.reversed()) {
            try {
                part.close();
            } catch (Exception e) {
                console.say("serai: at the end: " + e.getMessage() + "\n");
            }
        }
        parts.clear();
    }
}
