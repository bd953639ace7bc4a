package serai.machine;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import serai.machine.acpi.AcpiTables;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioBus;
import serai.machine.bus.MsiSink;
import serai.machine.bus.PortBus;
import serai.machine.debug.DebugPorts;
import serai.machine.debug.KeyboardReset;
import serai.machine.debug.SystemControlPort;
import serai.machine.engine.CpuState;
import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.hotplug.CpuHotplug;
import serai.machine.hpet.Hpet;
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
import serai.machine.pci.PciInfo;
import serai.machine.pit.Pit;
import serai.machine.pm.PowerManagement;
import serai.machine.rtc.Rtc;
import serai.machine.time.RealClock;
import serai.machine.time.Timers;
import serai.machine.time.VirtualClock;
import serai.machine.uart.Uart;

/**
 * A PC: its buses, its chipset, its vCPUs.
 *
 * <h2>Threads</h2>
 *
 * One lock guards all devices; port and memory accesses, timers and completions of I/O take it. In real time each vCPU has a
 * thread, the boot CPU's being the caller of {@link #run}, and one more runs the due timers ({@link RealTimeRun}). In deterministic mode there
 * is one thread, and the vCPUs take turns on it ({@link DeterministicRun}).
 */
public final class Machine implements AutoCloseable {
    private final MachineConfig config;
    private final GuestMemory memory;
    private final ReentrantLock lock = new ReentrantLock();
    private final Timers timers;
    private final @Nullable VirtualClock virtual;
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();
    private final ApicBus apicBus = new ApicBus();
    private final List<MachineCpu> cpus = new ArrayList<>();
    private final CpuSockets sockets;
    private final IoApic ioApic;
    private final PicPair pic = new PicPair();
    private final PowerManagement pm;
    private final PciBus pci;
    private final PciHotplug pciHotplug;
    private final Suspension suspension;
    private IntConsumer ejected = slot -> {};
    private final List<Device<?>> devices = new ArrayList<>();
    private final Inputs inputs;
    private final Requests requests = new Requests(lock, this::rouse);
    private final @Nullable RealTimeRun realTime;
    private final @Nullable DeterministicRun deterministic;
    private final StateKeeper states;

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
            List<LocalApic> apics = new ArrayList<>();
            for (int i = 0; i < config.maxCpus(); i++) {
                apics.add(new LocalApic(i, apicBus, timers, lock));
            }
            ioApic = new IoApic(apicBus);
            mmio.map(Layout.IOAPIC_BASE, 0x1000, ioApic);
            apics.getFirst().wireExtInt(pic::pending, pic::acknowledge);
            pic.onChange(apics.getFirst()::update);
            ports.map(0x20, 2, pic);
            ports.map(0xa0, 2, pic);
            ports.map(0x4d0, 2, pic);

            Hpet hpet = config.hpet() ? new Hpet(timers, isa(0), isa(8), this::hpetLines, apicBus) : null;
            Pit pit = new Pit(timers, hpet == null ? isa(0) : hpet.pitLine());
            ports.map(0x40, 4, pit);
            ports.map(0x61, 1, pit);
            Rtc rtc = new Rtc(timers, hpet == null ? isa(8) : hpet.rtcLine(), memory.ramSize());
            ports.map(0x70, 2, rtc);
            pm = new PowerManagement(Layout.PM_BASE, timers, isa(Layout.SCI_IRQ), requests.powerSwitch());
            rtc.onAlarm(pm::alarm);
            ports.map(Layout.PM_BASE, PowerManagement.PORTS, pm);
            KeyboardReset keyboard = new KeyboardReset(() -> requests.end(new Outcome.Reset()));
            ports.map(0x60, 1, keyboard);
            ports.map(0x64, 1, keyboard);
            ports.map(SystemControlPort.PORT, 1, new SystemControlPort(() -> requests.end(new Outcome.Reset())));
            Uart uart = new Uart("uart0", Layout.UART_BASE, timers, isa(4), config.serial());
            ports.map(Layout.UART_BASE, 8, uart);
            inputs = new Inputs(uart, virtual != null, this::perform);
            ports.map(DebugPorts.CONSOLE, 1, DebugPorts.console(config.debugConsole()));
            if (config.debugExitPort() >= 0) {
                ports.map(
                        config.debugExitPort(),
                        1,
                        DebugPorts.exit(status -> requests.end(new Outcome.DebugExit(status))));
            }
            sockets = new CpuSockets(config, cpus, lock, () -> pm.raiseEvent(Layout.GPE_CPU_HOTPLUG));
            CpuHotplug cpuHotplug = sockets.hotplug();
            if (cpuHotplug != null) {
                ports.map(Layout.CPU_HOTPLUG_BASE, CpuHotplug.PORTS, cpuHotplug);
                devices.add(cpuHotplug); // before the APICs: restored, it resets them
            }
            devices.addAll(apics);
            devices.addAll(List.of(ioApic, pic));
            if (hpet != null) {
                mmio.map(Layout.HPET_BASE, Hpet.SIZE, hpet);
                devices.add(hpet); // before those whose lines it switches
            }
            devices.addAll(List.of(pit, rtc, pm, uart, inputs.serial()));

            pci = new PciBus(ports, mmio, ioApic::line);
            // a byte within the PCI address register's four: the ICH's reset register, which answers byte accesses only
            ports.unmap(PowerManagement.RESET_PORT, 1);
            ports.map(PowerManagement.RESET_PORT, 1, pm);
            devices.add(pci);
            suspension = new Suspension(pm, pci, memory);
            pciHotplug = new PciHotplug(() -> pm.raiseEvent(Layout.GPE_PCI_HOTPLUG), this::unplug);
            ports.map(Layout.PCI_HOTPLUG_BASE, PciHotplug.PORTS, pciHotplug);
            devices.add(pciHotplug);
            plug(0, new HostBridge());
            plug(Layout.LPC_SLOT, new LpcBridge());

            MachineCpu.Shared shared = new MachineCpu.Shared(config, memory, lock, ports, mmio);
            for (LocalApic a : apics) {
                cpus.add(new MachineCpu(a.index(), a, shared, engine));
            }
            sockets.fill();
        } finally {
            lock.unlock();
        }
        if (virtual != null) {
            if (!vcpu().countsInstructions()) {
                throw new IllegalArgumentException("engine " + engine.name() + " can't count instructions");
            }
            realTime = null;
            deterministic = new DeterministicRun(cpus, virtual, timers, lock, requests, inputs);
        } else {
            realTime = new RealTimeRun(cpus, timers, lock, requests);
            deterministic = null;
        }
        states = new StateKeeper(config.clock(), memory, cpus, sockets, devices, inputs, requests, deterministic);
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

    /** The inputs of the I/O APIC as one of the HPET's timers has them. */
    private IntFunction<IrqLine> hpetLines(int timer) {
        return gsi -> pci.chipsetLine(gsi, timer);
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
        return vcpu(0);
    }

    /** The vCPU of an index. Only between runs, or from the thread that runs it. */
    public Vcpu vcpu(int index) {
        return cpus.get(index).vcpu();
    }

    /** Whether its time is a function of its instructions, and a run repeats. */
    public boolean deterministic() {
        return virtual != null;
    }

    /** How many vCPUs there are or, where they come and go, can be. */
    public int cpus() {
        return cpus.size();
    }

    /** Which of them are in the machine, and how they come and go. */
    public CpuSockets sockets() {
        return sockets;
    }

    /** The instructions that all vCPUs have completed together, as far as the engine counts them. */
    public long instructions() {
        return RealTimeRun.instructions(cpus);
    }

    /** Puts a function into a PCI slot; before {@link #start}. Its state is saved with the machine's. */
    public void plug(int slot, PciFunction<?> function) {
        lock.lock();
        try {
            if (devices.stream().anyMatch(d -> d.name().equals(function.name()))) {
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

    /** What is on the PCI bus now, by slot. */
    public List<PciInfo> pciFunctions() {
        lock.lock();
        try {
            return pci.describe();
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

    /** Pulls out what is in a slot for hot-plug, whatever the guest does with it, and tells it afterwards. */
    public void pull(int slot) {
        lock.lock();
        try {
            if (PciHotplug.pluggable(slot) && pci.function(slot) != null) {
                unplug(slot);
                pciHotplug.pulled(slot);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what is in a slot for hot-plug; nothing if it is empty. */
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

    /**
     * Who is told that the guest has become idle ({@link IdleWatch} decides), now and then, on a thread of its own, without the machine lock; never in
     * deterministic mode.
     */
    public void onIdle(Runnable action) {
        lock.lock();
        try {
            if (realTime != null) {
                realTime.onIdle(action);
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
            sockets.finish();
            inputs.events().reset();
            for (Device<?> d : devices) {
                d.reset();
            }
            requests.forget();
            pci.assignBars();
            return AcpiTables.build(memory, sockets.processors(), config.numa(), config.hpet());
        } finally {
            lock.unlock();
        }
    }

    /** The boot CPU starts in this state, the others wait for it. The counts of instructions go on. */
    public void start(CpuState state) {
        vcpu().restore(state.withInstructions(vcpu().instructions()));
        for (MachineCpu c : cpus.subList(1, cpus.size())) {
            c.powerUp();
        }
        if (deterministic != null) {
            deterministic.reset();
        }
    }

    /** Everybody who runs or waits looks at the requests soon. With the lock held. */
    private void rouse() {
        cpus.forEach(MachineCpu::rouse);
        if (deterministic != null) {
            deterministic.wake();
        }
        if (realTime != null) {
            realTime.rouse();
        }
    }

    /** Makes {@link #run} return soon. From any thread. */
    public void stop() {
        requests.stop();
    }

    /** Presses the ACPI power button. An input of the run, as {@link #hostEvent}. */
    public void pressPowerButton() {
        hostEvent(HostEvents.POWER_BUTTON);
    }

    /** Presses the reset button. An input of the run, as {@link #hostEvent}. */
    public void pressResetButton() {
        hostEvent(HostEvents.RESET_BUTTON);
    }

    /** Wakes the machine from S3, if it is in it. An input of the run, as {@link #hostEvent}. */
    public void wakeUp() {
        hostEvent(HostEvents.WAKE_UP);
    }

    /** Whether the guest has entered S3 and has not left it. From any thread. */
    public boolean asleep() {
        lock.lock();
        try {
            return suspension.sleeping();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Something that the host does to the machine: at once, or, in deterministic mode, between two instructions, where the input log notes
     * it. A replayed run takes it from the log, and live ones are ignored.
     *
     * @param event a line of text; what the machine itself does not know goes to {@link #onHostEvent}'s handler
     * @return false if the run is replayed
     */
    public boolean hostEvent(String event) {
        lock.lock();
        try {
            if (inputs.replays()) {
                return false;
            }
            inputs.event(event);
            if (deterministic != null) {
                deterministic.wake();
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Who does what {@link #hostEvent} was given, with the machine lock held. */
    public void onHostEvent(Consumer<String> handler) {
        inputs.events().handler(handler);
    }

    /** Who does those of them that begin with a word: it is given what follows that, with the machine lock held. */
    public void onHostEvent(String word, Consumer<String> handler) {
        inputs.events().handler(word, handler);
    }

    private void perform(String event) {
        switch (event) {
            case HostEvents.POWER_BUTTON -> pm.pressPowerButton();
            case HostEvents.RESET_BUTTON -> requests.end(new Outcome.Reset());
            case HostEvents.WAKE_UP -> pm.wakeUp();
            default -> inputs.events().handle(event);
        }
    }

    /** Records or replays inputs; before the first run. */
    public void inputLog(InputLog log) {
        inputs.log(log);
    }

    /** Bytes for the serial port, from any thread; kept until the guest takes them. */
    public void serialInput(byte[] bytes) {
        lock.lock();
        try {
            inputs.give(bytes);
            if (deterministic != null) {
                deterministic.wake();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Bytes given and not yet taken by the guest. */
    public int serialInputPending() {
        lock.lock();
        try {
            return inputs.pending();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Runs until something ends it. No vCPU runs when it returns. While the machine is in S3 it waits for what wakes it.
     *
     * @param untilInstructions stop when all vCPUs together have completed so many, {@link Long#MAX_VALUE} for never. Exact in
     *     deterministic mode, and with one vCPU where the engine counts; else at least so many
     */
    public Outcome run(long untilInstructions) {
        return run(untilInstructions, Schedule.ALL);
    }

    /** The same for some of the vCPUs. In deterministic mode a run without all of them is another one than it would have been. */
    public Outcome run(long untilInstructions, Schedule schedule) {
        schedule.in(cpus.size());
        if (asleep()) {
            return sleep(untilInstructions);
        }
        if (deterministic != null) {
            return suspended(deterministic.run(untilInstructions, schedule));
        }
        RealTimeRun r = Objects.requireNonNull(realTime);
        return suspended(clockRuns(() -> r.run(untilInstructions, schedule)));
    }

    /**
     * Runs one instruction: in real time of the given vCPU while the others stand still, in deterministic mode of the one that has
     * the turn.
     */
    public Outcome step(int index) {
        if (deterministic != null || asleep()) {
            return run(instructions() + 1);
        }
        RealTimeRun r = Objects.requireNonNull(realTime);
        return suspended(clockRuns(() -> r.step(cpus.get(index))));
    }

    /** What a run has ended by; if the guest has entered S3, the devices are off now. */
    private Outcome suspended(Outcome o) {
        return o instanceof Outcome.Suspended ? sleep(Long.MAX_VALUE) : o;
    }

    /** In S3: falls asleep, if it has not yet; else waits for what wakes the machine. */
    private Outcome sleep(long untilInstructions) {
        boolean wakes;
        lock.lock();
        try {
            if (!suspension.asleep()) {
                requests.forget(); // this is what it was for, if it was not taken
                suspension.fallAsleep(devices);
                return new Outcome.Suspended();
            }
            wakes = suspension.wakes();
        } finally {
            lock.unlock();
        }
        if (!wakes && instructions() >= untilInstructions) {
            return new Outcome.Stopped();
        }
        Outcome o = deterministic != null
                ? deterministic.sleep(suspension::wakes)
                : clockRuns(() -> Objects.requireNonNull(realTime).sleep(suspension::wakes));
        return o != null ? o : wake();
    }

    private Outcome wake() {
        CpuState vector;
        lock.lock();
        try {
            vector = suspension.wake();
        } finally {
            lock.unlock();
        }
        if (vector == null) {
            return new Outcome.Reset(); // nowhere to go on: firmware would boot
        }
        start(vector);
        return new Outcome.Woken();
    }

    /** The vCPU that runs next in deterministic mode, else the boot CPU. */
    public int turn() {
        return deterministic != null ? deterministic.turn() : 0;
    }

    private <T extends @Nullable Outcome> T clockRuns(Supplier<T> action) {
        if (config.clock() instanceof RealClock c) {
            c.resume();
        }
        try {
            return action.get();
        } finally {
            if (config.clock() instanceof RealClock c) {
                c.pause();
            }
        }
    }

    // ---- state ----

    /** The whole state but RAM; while {@link #run} does not run. */
    public MachineState save() {
        lock.lock();
        try {
            return states.save();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes over a state; RAM has been filled already.
     *
     * @throws IllegalArgumentException if it is of another machine type, size or set of devices
     */
    public void restore(MachineState s) {
        lock.lock();
        try {
            states.restore(s);
        } finally {
            lock.unlock();
        }
    }

    /** The class of the state record of the device named {@code name}, or null if there is no such device. */
    public @Nullable Class<? extends Record> stateType(String name) {
        return states.stateType(name);
    }

    // ---- back in time, in deterministic mode ----

    /** How many inputs have come in, for {@link #rewind}. */
    public int inputs() {
        return inputs.position();
    }

    /** Whether a state is of a machine with the devices and vCPUs that this one has now. */
    public boolean fits(MachineState s) {
        lock.lock();
        try {
            return states.fits(s);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Goes back to an earlier moment of this run; RAM and disks have been taken back already. What came in after it comes in again at its
     * moment, if the log {@linkplain InputLog#remember remembers}; live input waits until this machine is where it is now.
     *
     * @param s what {@link #save} gave then
     * @param position what {@link #inputs} was then
     */
    public void rewind(MachineState s, int position) {
        lock.lock();
        try {
            inputs.back(position, instructions(), config.clock().nanos(), () -> restore(s));
        } finally {
            lock.unlock();
        }
    }

    /**
     * What came in later than a moment does not come in again: the run goes another way from there.
     *
     * @param position what {@link #inputs} was then
     * @param instructions the moment
     * @param nanos the same on the guest clock
     */
    public void forgetInputs(int position, long instructions, long nanos) {
        lock.lock();
        try {
            inputs.forget(position, instructions, nanos);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        if (realTime != null) {
            realTime.close();
        }
        cpus.forEach(c -> c.vcpu().close());
    }
}
