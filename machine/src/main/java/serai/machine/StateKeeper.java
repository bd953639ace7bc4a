package serai.machine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuState;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;

/** A machine's whole state but RAM: saved, compared, restored. All with the machine lock held, while nobody runs. */
final class StateKeeper {
    private final Clock clock;
    private final @Nullable VirtualClock virtual;
    private final GuestMemory memory;
    private final List<MachineCpu> cpus;
    private final CpuSockets sockets;
    private final List<Device<?>> devices;
    private final Inputs inputs;
    private final Requests requests;
    private final @Nullable DeterministicRun deterministic;

    /**
     * Of the machine that has these.
     *
     * @param devices all of them, also those that come and go
     */
    StateKeeper(
            Clock clock,
            GuestMemory memory,
            List<MachineCpu> cpus,
            CpuSockets sockets,
            List<Device<?>> devices,
            Inputs inputs,
            Requests requests,
            @Nullable DeterministicRun deterministic) {
        this.clock = clock;
        virtual = clock instanceof VirtualClock v ? v : null;
        this.memory = memory;
        this.cpus = cpus;
        this.sockets = sockets;
        this.devices = devices;
        this.inputs = inputs;
        this.requests = requests;
        this.deterministic = deterministic;
    }

    MachineState save() {
        if (virtual != null) {
            // an input that was accepted is in the state, not lost between two processes
            inputs.take(RealTimeRun.instructions(cpus), virtual.nanos());
        }
        List<CpuState> cpuStates = new ArrayList<>();
        for (MachineCpu c : cpus) {
            cpuStates.add(c.vcpu().save().withApic(c.apic().page()));
        }
        List<MachineState.DeviceState> states = new ArrayList<>();
        for (Device<?> d : devices) {
            states.add(new MachineState.DeviceState(d.name(), d.save()));
        }
        return new MachineState(
                MachineState.VERSION,
                Layout.MACHINE_TYPE,
                memory.ramSize(),
                pluggable(),
                clock.nanos(),
                virtual == null ? 0 : virtual.skipped(),
                deterministic == null ? 0 : deterministic.turn(),
                deterministic == null ? 0 : deterministic.turnLeft(),
                cpuStates,
                states);
    }

    private long pluggable() {
        PluggableRam p = memory.pluggable();
        return p == null ? 0 : p.region().size();
    }

    /** Whether a state is of a machine with the devices and vCPUs that this one has now. */
    boolean fits(MachineState s) {
        return s.devices().size() == devices.size()
                && s.devices().stream().allMatch(d -> sockets.fit(d.state()) && fits(d));
    }

    private boolean fits(MachineState.DeviceState s) {
        return devices.stream().anyMatch(d -> d.name().equals(s.name()) && fits(d, s.state()));
    }

    private static <S extends Record> boolean fits(Device<S> d, Record state) {
        return d.stateType().isInstance(state) && d.fits(d.stateType().cast(state));
    }

    /** The class of the state record of a device, or null if there is none of that name. */
    @Nullable
    Class<? extends Record> stateType(String name) {
        for (Device<?> d : devices) {
            if (d.name().equals(name)) {
                return d.stateType();
            }
        }
        return null;
    }

    /** As {@link Machine#restore}. */
    void restore(MachineState s) {
        if (s.version() != MachineState.VERSION || !s.type().equals(Layout.MACHINE_TYPE)) {
            throw new IllegalArgumentException("the state is of machine type " + s.type() + ", version " + s.version());
        }
        if (s.memory() != memory.ramSize()
                || s.pluggable() != pluggable()
                || s.cpus().size() != cpus.size()) {
            throw new IllegalArgumentException("the state is of a machine with other memory or CPUs");
        }
        Map<String, Record> states = new HashMap<>();
        for (MachineState.DeviceState d : s.devices()) {
            if (states.put(d.name(), d.state()) != null) {
                throw new IllegalArgumentException("the state has two devices " + d.name());
            }
            if (stateType(d.name()) == null) {
                throw new IllegalArgumentException("the state has a " + d.name() + ", which this machine lacks");
            }
        }
        if (deterministic != null) {
            deterministic.restore(s.turn(), s.turnLeft());
        }
        requests.forget();
        inputs.events().clear();
        // the clock first: devices arm their timers on it
        for (MachineCpu c : cpus) {
            c.vcpu().restore(s.cpus().get(c.index()));
        }
        if (virtual != null) {
            virtual.skipped(s.clockSkipped());
        } else if (clock instanceof RealClock c) {
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
    }

    private static <S extends Record> void restore(Device<S> d, Record state) {
        if (!d.stateType().isInstance(state)) {
            throw new IllegalArgumentException("the state of " + d.name() + " is of another class");
        }
        d.restore(d.stateType().cast(state));
    }
}
