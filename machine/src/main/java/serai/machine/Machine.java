package serai.machine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import serai.machine.acpi.AcpiTables;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioBus;
import serai.machine.bus.MsiSink;
import serai.machine.bus.PortBus;
import serai.machine.debug.DebugPorts;
import serai.machine.debug.KeyboardReset;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuState;
import serai.machine.engine.Engine;
import serai.machine.engine.Exit;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.irq.ApicBus;
import serai.machine.irq.IoApic;
import serai.machine.irq.LocalApic;
import serai.machine.irq.PicPair;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.HostBridge;
import serai.machine.pci.LpcBridge;
import serai.machine.pci.PciBus;
import serai.machine.pci.PciFunction;
import serai.machine.pci.PciHotplug;
import serai.machine.pit.Pit;
import serai.machine.pm.PowerManagement;
import serai.machine.rtc.Rtc;
import serai.machine.time.RealClock;
import serai.machine.time.Timers;
import serai.machine.time.VirtualClock;
import serai.machine.uart.Uart;

/**
 * A PC: its buses, its chipset, its vCPUs, and the loop that runs them.
 *
 * <h2>Threads</h2>
 *
 * One lock guards all devices; port and memory accesses, timers and completions of I/O take it. The vCPU runs on the thread
 * that calls {@link #run}. In real time a second thread runs the due timers. In deterministic mode there is no other: the vCPU is given exactly
 * as many instructions as fit before the next timer or recorded input, and waiting in HLT moves the clock ahead.
 */
public final class Machine implements AutoCloseable {
    /** In deterministic mode live input is looked for this often. */
    private static final long SLICE = 1_000_000;
    /** In nanoseconds. */
    private static final long OVERLOAD_PAUSE = 50_000;

    private final MachineConfig config;
    private final GuestMemory memory;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Timers timers;
    private final @Nullable VirtualClock virtual;
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();
    private final ApicBus apicBus = new ApicBus();
    private final List<LocalApic> apics = new ArrayList<>();
    private final IoApic ioApic;
    private final PicPair pic = new PicPair();
    private final PowerManagement pm;
    private final Uart uart;
    private final PciBus pci;
    private final PciHotplug pciHotplug;
    private IntConsumer ejected = slot -> {};
    private final List<Device<?>> devices = new ArrayList<>();
    private final Vcpu vcpu;
    private final SerialInput input = new SerialInput();
    private final HostEvents hostEvents = new HostEvents();
    private InputLog inputLog = InputLog.none();

    private @Nullable Outcome requested;
    private volatile boolean stopping;
    private volatile boolean closed;
    private @Nullable Thread timerThread;

    /**
     * Builds the machine: no firmware, so PCI addresses are assigned and ACPI tables written here.
     *
     * @param memory RAM laid out as {@link Layout} says
     */
    public Machine(MachineConfig config, GuestMemory memory, Engine engine) {
        this.config = config;
        this.memory = memory;
        virtual = config.clock() instanceof VirtualClock v ? v : null;
        timers = new Timers(config.clock());
        lock.lock();
        try {
            for (int i = 0; i < config.cpus(); i++) {
                apics.add(new LocalApic(i, apicBus, timers, lock));
            }
            ioApic = new IoApic(apicBus);
            mmio.map(Layout.IOAPIC_BASE, 0x1000, ioApic);
            apics.getFirst().wireExtInt(pic::pending, pic::acknowledge);
            pic.onChange(apics.getFirst()::update);
            ports.map(0x20, 2, pic);
            ports.map(0xa0, 2, pic);
            ports.map(0x4d0, 2, pic);

            Pit pit = new Pit(timers, isa(0));
            ports.map(0x40, 4, pit);
            ports.map(0x61, 1, pit);
            Rtc rtc = new Rtc(timers, isa(8), memory.ramSize());
            ports.map(0x70, 2, rtc);
            pm = new PowerManagement(
                    Layout.PM_BASE,
                    timers,
                    isa(Layout.SCI_IRQ),
                    () -> request(new Outcome.PowerOff()),
                    () -> request(new Outcome.Reset()));
            ports.map(Layout.PM_BASE, PowerManagement.PORTS, pm);
            KeyboardReset keyboard = new KeyboardReset(() -> request(new Outcome.Reset()));
            ports.map(0x60, 1, keyboard);
            ports.map(0x64, 1, keyboard);
            uart = new Uart("uart0", Layout.UART_BASE, timers, isa(4), config.serial());
            uart.onRoom(this::feedUart);
            ports.map(Layout.UART_BASE, 8, uart);
            ports.map(DebugPorts.CONSOLE, 1, DebugPorts.console(config.debugConsole()));
            if (config.debugExitPort() >= 0) {
                ports.map(config.debugExitPort(), 1, DebugPorts.exit(status -> request(new Outcome.DebugExit(status))));
            }
            devices.addAll(apics);
            devices.addAll(List.of(ioApic, pic, pit, rtc, pm, uart, input));

            pci = new PciBus(ports, mmio, ioApic::line);
            // a byte within the PCI address register's four: the ICH's reset register, which answers byte accesses only
            ports.unmap(PowerManagement.RESET_PORT, 1);
            ports.map(PowerManagement.RESET_PORT, 1, pm);
            devices.add(pci);
            pciHotplug = new PciHotplug(() -> pm.raiseEvent(Layout.GPE_PCI_HOTPLUG), this::unplug);
            ports.map(Layout.PCI_HOTPLUG_BASE, PciHotplug.PORTS, pciHotplug);
            devices.add(pciHotplug);
            plug(0, new HostBridge());
            plug(Layout.LPC_SLOT, new LpcBridge());
        } finally {
            lock.unlock();
        }
        vcpu = engine.createVcpu(new Host(0));
        if (virtual != null) {
            if (!vcpu.countsInstructions()) {
                throw new IllegalArgumentException("engine " + engine.name() + " can't count instructions");
            }
            virtual.drivenBy(vcpu::instructions);
        }
        timers.onEarlier(virtual != null ? vcpu::kick : changed::signalAll);
    }

    /** An ISA interrupt: to the 8259s and the I/O APIC, where IRQ 0 is input 2. */
    private IrqLine isa(int irq) {
        IrqLine a = pic.line(irq);
        IrqLine b = ioApic.line(irq == 0 ? 2 : irq);
        return high -> {
            a.set(high);
            b.set(high);
        };
    }

    // ---- parts, for whoever wires the machine ----

    /** The lock that guards all devices. */
    public ReentrantLock lock() {
        return lock;
    }

    /** The timers on the guest's clock. */
    public Timers timers() {
        return timers;
    }

    /** Where devices send message-signalled interrupts. */
    public MsiSink msi() {
        return apicBus;
    }

    /** Guest memory. */
    public GuestMemory memory() {
        return memory;
    }

    /** The boot CPU. Only between runs, or from the thread that runs it. */
    public Vcpu vcpu() {
        return vcpu;
    }

    /** Puts a function into a PCI slot; before {@link #start}. Its state is saved with the machine's. */
    public void plug(int slot, PciFunction<?> function) {
        lock.lock();
        try {
            if (stateType(function.name()) != null) {
                throw new IllegalArgumentException("there is a device " + function.name() + " already");
            }
            pci.add(slot, function);
            devices.add(function);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Plugs a function into the running machine and tells the guest.
     *
     * @throws IllegalArgumentException if the slot is not one of those for hot-plug, or not free
     */
    public void hotPlug(int slot, PciFunction<?> function) {
        lock.lock();
        try {
            if (!PciHotplug.pluggable(slot)) {
                throw new IllegalArgumentException("PCI slot " + slot + " is not for hot-plug");
            }
            plug(slot, function);
            function.reset();
            pciHotplug.plugged(slot);
        } finally {
            lock.unlock();
        }
    }

    /** Asks the guest to give back what is in a slot; what {@link #onEjected} was given is run when it does, or at a reset. */
    public void requestUnplug(int slot) {
        lock.lock();
        try {
            if (PciHotplug.pluggable(slot) && pci.function(slot) != null) {
                pciHotplug.askBack(slot);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what is in a slot for hot-plug, whatever the guest does with it; nothing if it is empty. */
    public void unplug(int slot) {
        lock.lock();
        try {
            PciFunction<?> f = PciHotplug.pluggable(slot) ? pci.remove(slot) : null;
            if (f != null) {
                devices.remove(f);
                pciHotplug.emptied(slot);
                ejected.accept(slot);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Who is told that a slot's function is out, with the machine lock held. */
    public void onEjected(IntConsumer action) {
        ejected = action;
    }

    /** Who answers where: a line for each range of ports and of addresses outside RAM, the local APIC's page apart. */
    List<String> addressMap() {
        List<String> lines = new ArrayList<>();
        for (PortBus.Range r : ports.ranges()) {
            lines.add("port %04x-%04x %s".formatted(r.first(), r.first() + r.count() - 1, label(r.device())));
        }
        for (MmioBus.Region r : mmio.regions()) {
            lines.add("memory %010x-%010x %s".formatted(r.base(), r.base() + r.size() - 1, label(r.device())));
        }
        return lines;
    }

    private static String label(Object device) {
        return device instanceof Device<?> d ? d.name() : device.toString();
    }

    /** Accesses that found no device. */
    public long unclaimedAccesses() {
        return mmio.unclaimedAccesses();
    }

    // ---- life ----

    /**
     * All devices to their power-on state, addresses assigned, ACPI tables in RAM.
     *
     * @return the guest-physical address of the ACPI RSDP
     */
    public long reset() {
        lock.lock();
        try {
            pciHotplug.finish();
            hostEvents.reset();
            for (Device<?> d : devices) {
                d.reset();
            }
            requested = null;
            pci.assignBars();
            return AcpiTables.build(memory, config.cpus());
        } finally {
            lock.unlock();
        }
    }

    /** The boot CPU starts in this state. */
    public void start(CpuState state) {
        vcpu.restore(state);
    }

    private void request(Outcome outcome) {
        if (requested == null) {
            requested = outcome;
        }
        vcpu.kick();
        changed.signalAll();
    }

    /** Makes {@link #run} return soon. From any thread. */
    public void stop() {
        lock.lock();
        try {
            stopping = true;
            vcpu.kick();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Presses the ACPI power button. An input of the run, as {@link #hostEvent}. */
    public void pressPowerButton() {
        hostEvent(HostEvents.POWER_BUTTON);
    }

    /** Presses the reset button. An input of the run, as {@link #hostEvent}. */
    public void pressResetButton() {
        hostEvent(HostEvents.RESET_BUTTON);
    }

    /**
     * Something that the host does to the machine: at once, or, in deterministic mode, between two instructions, where the input log notes
     * it. A replayed run takes it from the log, and live ones are ignored.
     *
     * @param event a line of text; what the machine itself does not know goes to {@link #onHostEvent}'s handler
     */
    public void hostEvent(String event) {
        lock.lock();
        try {
            if (inputLog.replays()) {
                return;
            }
            hostEvents.add(event);
            if (virtual == null) {
                hostEvents.takeAll(this::perform);
            } else {
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Who does what {@link #hostEvent} was given, with the machine lock held. */
    public void onHostEvent(Consumer<String> handler) {
        hostEvents.handler(handler);
    }

    private void perform(String event) {
        switch (event) {
            case HostEvents.POWER_BUTTON -> pm.pressPowerButton();
            case HostEvents.RESET_BUTTON -> request(new Outcome.Reset());
            default -> hostEvents.handle(event);
        }
    }

    /** Records or replays inputs; before the first run. */
    public void inputLog(InputLog log) {
        inputLog = log;
    }

    /** Bytes for the serial port, from any thread; kept until the guest takes them. */
    public void serialInput(byte[] bytes) {
        lock.lock();
        try {
            if (inputLog.replays()) {
                return;
            }
            input.give(bytes);
            if (virtual != null) {
                changed.signalAll();
            } else {
                input.take();
                feedUart();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Bytes given and not yet taken by the guest. */
    public int serialInputPending() {
        lock.lock();
        try {
            return input.pending();
        } finally {
            lock.unlock();
        }
    }

    private void feedUart() {
        input.feed(uart);
    }

    /**
     * Runs until something ends it.
     *
     * @param untilInstructions stop when the boot CPU has completed so many, {@link Long#MAX_VALUE} for never; exact where the
     *     engine counts
     */
    public Outcome run(long untilInstructions) {
        if (virtual != null) {
            return runDeterministic(virtual, untilInstructions);
        }
        if (config.clock() instanceof RealClock c) {
            c.resume();
        }
        startTimerThread();
        try {
            return runReal(untilInstructions);
        } finally {
            if (config.clock() instanceof RealClock c) {
                c.pause();
            }
        }
    }

    private @Nullable Outcome ended() {
        lock.lock();
        try {
            if (requested != null) {
                Outcome o = requested;
                requested = null;
                return o;
            }
            if (stopping) {
                stopping = false; // taken here, so that a stop before run is not lost
                return new Outcome.Stopped();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    private Outcome runReal(long until) {
        while (true) {
            Outcome o = ended();
            if (o != null) {
                return o;
            }
            long budget = Long.MAX_VALUE;
            if (until != Long.MAX_VALUE && vcpu.countsInstructions()) {
                budget = until - vcpu.instructions();
                if (budget <= 0) {
                    return new Outcome.Stopped();
                }
            }
            Exit exit = vcpu.run(budget);
            if (exit == Exit.HALTED) {
                waitForInterrupt();
            } else if (exit != Exit.BUDGET && exit != Exit.KICKED) {
                Outcome end = ended();
                return end != null ? end : outcome(exit);
            }
        }
    }

    private void waitForInterrupt() {
        lock.lock();
        try {
            while (requested == null && !stopping && !apics.getFirst().pending()) {
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private Outcome outcome(Exit exit) {
        return switch (exit) {
            case HALTED_FOR_EVER -> new Outcome.HaltedForEver();
            case SHUTDOWN -> new Outcome.TripleFault();
            case BREAKPOINT, WATCHPOINT -> new Outcome.Breakpoint();
            case FAILED -> new Outcome.Failed(vcpu.failure());
            case BUDGET, KICKED, HALTED -> new Outcome.Stopped();
        };
    }

    private Outcome runDeterministic(VirtualClock clock, long until) {
        while (true) {
            Outcome o = ended();
            if (o != null) {
                return o;
            }
            long count = vcpu.instructions();
            if (count >= until) {
                return new Outcome.Stopped();
            }
            long budget = Math.min(SLICE, until - count);
            lock.lock();
            try {
                takeInputs(count, clock.nanos());
                timers.runDue();
                budget = Math.min(budget, Math.max(1, clock.instructionsUntil(timers.next())));
                budget = Math.min(budget, Math.max(1, inputLog.next() - count));
            } finally {
                lock.unlock();
            }
            Exit exit = vcpu.run(budget);
            if (exit == Exit.HALTED) {
                Outcome end = skip(clock);
                if (end != null) {
                    return end;
                }
            } else if (exit != Exit.BUDGET && exit != Exit.KICKED) {
                Outcome end = ended();
                return end != null ? end : outcome(exit);
            }
        }
    }

    private void takeInputs(long count, long nanos) {
        InputLog.Entry e;
        while ((e = inputLog.due(count, nanos)) != null) {
            replay(e);
        }
        byte[] live = input.take();
        if (live.length > 0) {
            inputLog.note(count, nanos, live);
        }
        feedUart();
        hostEvents.takeAll(event -> {
            inputLog.note(count, nanos, event);
            perform(event);
        });
    }

    private void replay(InputLog.Entry e) {
        switch (e) {
            case InputLog.Typed t -> input.replay(t.bytes());
            case InputLog.Event event -> perform(event.text());
        }
    }

    /** The CPU waits: on to the next timer. With none armed only input can wake it. */
    private @Nullable Outcome skip(VirtualClock clock) {
        lock.lock();
        try {
            while (!apics.getFirst().pending()
                    && requested == null
                    && !stopping
                    && !input.live()
                    && hostEvents.none()) {
                long next = Math.min(timers.next(), inputLog.nextNanos(vcpu.instructions()));
                if (next != Timers.NEVER) {
                    clock.skipTo(next);
                    return null;
                }
                InputLog.Entry e = inputLog.due(Long.MAX_VALUE, Long.MAX_VALUE);
                if (e != null) {
                    // recorded at a count that is never reached: the CPU waited there too
                    replay(e);
                    feedUart();
                    return null;
                }
                if (inputLog.replays()) {
                    return new Outcome.NothingToWaitFor();
                }
                changed.awaitUninterruptibly();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    private void startTimerThread() {
        if (timerThread == null) {
            Thread t = new Thread(this::runTimers, "serai-timers");
            t.setDaemon(true);
            timerThread = t;
            t.start();
        }
    }

    private void runTimers() {
        lock.lock();
        try {
            while (!closed) {
                timers.runDue();
                long left = timers.next() - config.clock().nanos();
                // timers that are always due (a period shorter than its handling) must not keep the lock from the vCPU
                changed.awaitNanos(left > 0 ? Math.min(left, 1_000_000_000L) : OVERLOAD_PAUSE);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    // ---- state ----

    /** The whole state but RAM; while {@link #run} does not run. */
    public MachineState save() {
        lock.lock();
        try {
            if (virtual != null) {
                // an input that was accepted is in the state, not lost between two processes
                takeInputs(vcpu.instructions(), virtual.nanos());
            }
            CpuState cpu = vcpu.save();
            List<MachineState.DeviceState> states = new ArrayList<>();
            for (Device<?> d : devices) {
                states.add(new MachineState.DeviceState(d.name(), d.save()));
            }
            return new MachineState(
                    MachineState.VERSION,
                    Layout.MACHINE_TYPE,
                    memory.ramSize(),
                    config.clock().nanos(),
                    virtual == null ? 0 : virtual.skipped(),
                    List.of(cpu.withApic(apics.getFirst().page())),
                    states);
        } finally {
            lock.unlock();
        }
    }

    /** The class of the state record of the device named {@code name}, or null if there is no such device. */
    public @Nullable Class<? extends Record> stateType(String name) {
        for (Device<?> d : devices) {
            if (d.name().equals(name)) {
                return d.stateType();
            }
        }
        return null;
    }

    /**
     * Takes over a state; RAM has been filled already.
     *
     * @throws IllegalArgumentException if it is of another machine type, size or set of devices
     */
    public void restore(MachineState s) {
        if (s.version() != MachineState.VERSION || !s.type().equals(Layout.MACHINE_TYPE)) {
            throw new IllegalArgumentException("the state is of machine type " + s.type() + ", version " + s.version());
        }
        if (s.memory() != memory.ramSize() || s.cpus().size() != config.cpus()) {
            throw new IllegalArgumentException("the state is of a machine with other memory or CPUs");
        }
        lock.lock();
        try {
            Map<String, Record> states = new HashMap<>();
            for (MachineState.DeviceState d : s.devices()) {
                if (states.put(d.name(), d.state()) != null) {
                    throw new IllegalArgumentException("the state has two devices " + d.name());
                }
                if (stateType(d.name()) == null) {
                    throw new IllegalArgumentException("the state has a " + d.name() + ", which this machine lacks");
                }
            }
            requested = null;
            hostEvents.clear();
            // the clock first: devices arm their timers on it
            vcpu.restore(s.cpus().getFirst());
            if (virtual != null) {
                virtual.skipped(s.clockSkipped());
            } else if (config.clock() instanceof RealClock c) {
                c.set(s.clockNanos());
            }
            // by name: what was plugged while the machine ran stands in the order of that
            for (Device<?> d : devices) {
                Record state = states.get(d.name());
                if (state == null) {
                    throw new IllegalArgumentException("the state has no " + d.name() + ", which this machine has");
                }
                restore(d, state);
            }
        } finally {
            lock.unlock();
        }
    }

    private static <S extends Record> void restore(Device<S> d, Record state) {
        if (!d.stateType().isInstance(state)) {
            throw new IllegalArgumentException("the state of " + d.name() + " is of another class");
        }
        d.restore(d.stateType().cast(state));
    }

    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        vcpu.close();
    }

    // ---- what a vCPU sees ----

    private final class Host implements VcpuHost {
        private final int index;
        private final LocalApic apic;
        private final InterruptSource interrupts;

        Host(int index) {
            this.index = index;
            apic = apics.get(index);
            interrupts = new Interrupts(apic);
        }

        @Override
        public int index() {
            return index;
        }

        @Override
        public GuestMemory memory() {
            return memory;
        }

        @Override
        public int portRead(int port, int size) {
            lock.lock();
            try {
                return ports.read(port, size);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void portWrite(int port, int size, int value) {
            lock.lock();
            try {
                ports.write(port, size, value);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public long mmioRead(long physical, int size) {
            lock.lock();
            try {
                return (physical & -4096) == apic.mmioBase()
                        ? apic.readMmio(physical & 4095, size)
                        : mmio.read(physical, size);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void mmioWrite(long physical, int size, long value) {
            lock.lock();
            try {
                if ((physical & -4096) == apic.mmioBase()) {
                    apic.writeMmio(physical & 4095, size, value);
                } else {
                    mmio.write(physical, size, value);
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public InterruptSource interrupts() {
            return interrupts;
        }

        @Override
        public long tsc() {
            // at 1 GHz a tick is a nanosecond
            return config.clock().nanos();
        }

        @Override
        public CpuModel model() {
            return config.model();
        }

        @Override
        public long readMsr(int msr) throws GeneralProtection {
            return apic.readMsr(msr);
        }

        @Override
        public void writeMsr(int msr, long value) throws GeneralProtection {
            apic.writeMsr(msr, value);
        }

        @Override
        public long random() {
            return config.random().getAsLong();
        }
    }

    /** The local APIC, with a second listener: whoever waits in HLT. */
    private final class Interrupts implements InterruptSource {
        private final LocalApic apic;

        Interrupts(LocalApic apic) {
            this.apic = apic;
        }

        @Override
        public boolean pending() {
            return apic.pending();
        }

        @Override
        public boolean externalPending() {
            return apic.externalPending();
        }

        @Override
        public int acknowledge() {
            return apic.acknowledge();
        }

        @Override
        public boolean takeNmi() {
            return apic.takeNmi();
        }

        @Override
        public boolean takeInit() {
            return apic.takeInit();
        }

        @Override
        public int takeStartup() {
            return apic.takeStartup();
        }

        @Override
        public int taskPriority() {
            return apic.taskPriority();
        }

        @Override
        public void taskPriority(int priority) {
            apic.taskPriority(priority);
        }

        @Override
        public void onPending(Runnable action) {
            apic.onPending(() -> {
                action.run();
                changed.signalAll();
            });
        }
    }
}
