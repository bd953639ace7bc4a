package serai.machine.ahci;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.Msi;
import serai.machine.pci.PciFunction;

/**
 * The adapter: AHCI 1.3.1, with the PCI identity of the ICH9's, as the other chips of this machine are the ICH9's.
 *
 * <pre>
 * BAR 5   000 global registers (3.1) | 100 + n * 80 those of port n (3.3)
 * </pre>
 *
 * A port without a device is not implemented (PI). Interrupts go by MSI, one message for all ports, or by the line.
 *
 * <h2>What bounds the guest</h2>
 *
 * A port has 32 slots, each with a command under way at most. Its buffers are {@link Command#MAX_PRDT} at most, its data what ATA's and
 * our ATAPI's counts reach.
 */
public final class Ahci extends PciFunction<AhciState> {
    /** Ports, each with a device or not. */
    public static final int PORTS = 8;

    private static final int ABAR = 5, BAR_SIZE = 0x1000, FIRST_PORT = 0x100, PORT = 0x80;
    private static final int CAP = 0, GHC = 4, IS = 8, PI = 0xc, VS = 0x10;
    private static final int VERSION = 0x10301;
    /** 64-bit addresses, queuing, CLO, 6 Gbit/s, AHCI alone, several data blocks by PIO, 32 slots. */
    private static final int CAPABILITIES =
            1 << 31 | 1 << 30 | 1 << 24 | 3 << 20 | 1 << 18 | 1 << 15 | 31 << 8 | PORTS - 1;

    private static final int RESET = 1, INTERRUPTS = 2, AHCI_ENABLED = 1 << 31;

    private final GuestMemory memory;
    private final Msi msi;
    private final @Nullable Port[] ports = new Port[PORTS];
    private final int implemented;
    private int control;
    private int interrupts;
    private int told;
    private boolean wasBusMaster;

    /**
     * An adapter.
     *
     * @param name the device's name
     * @param devices on its ports from 0 on, at most {@link #PORTS}
     * @param io gives each device what its requests are done by
     * @param sink takes its interrupts
     */
    public Ahci(
            String name,
            List<? extends SataDevice> devices,
            Supplier<IoExecutor> io,
            GuestMemory memory,
            MsiSink sink) {
        super(name, 0x8086, 0x2922, 2, 0x010601, 0x1af4, 0x1100, 1);
        if (devices.size() > PORTS) {
            throw new IllegalArgumentException(devices.size() + " devices for " + PORTS + " ports");
        }
        this.memory = memory;
        memoryBar(ABAR, BAR_SIZE, false);
        msi = new Msi(sink);
        useMsi(msi);
        Port.Host host = new ForPorts();
        for (int i = 0; i < devices.size(); i++) {
            ports[i] = new Port(i, host, devices.get(i), io.get());
        }
        implemented = (1 << devices.size()) - 1;
    }

    private final class ForPorts implements Port.Host {
        @Override
        public GuestMemory memory() {
            return memory;
        }

        @Override
        public boolean busMaster() {
            return Ahci.this.busMaster();
        }

        @Override
        public void changed() {
            updateInterrupts();
        }

        @Override
        public void complain(String what) {
            System.getLogger("serai.ahci").log(System.Logger.Level.WARNING, "{0}: {1}", name(), what);
        }
    }

    // ---- registers ----

    @Override
    protected long readBar(int bar, long offset, int size) {
        int at = (int) offset & ~3;
        long v = register(at) & 0xffffffffL;
        if (size > 4 - (offset & 3)) {
            v |= (long) register(at + 4) << 32;
        }
        return v >>> (offset & 3) * 8 & (size == 8 ? -1L : (1L << size * 8) - 1);
    }

    private @Nullable Port port(int at) {
        int n = (at - FIRST_PORT) / PORT;
        return at >= FIRST_PORT && n < PORTS ? ports[n] : null;
    }

    private int register(int at) {
        Port p = port(at);
        if (p != null) {
            return p.read(at % PORT);
        }
        return switch (at) {
            case CAP -> CAPABILITIES;
            case GHC -> control | AHCI_ENABLED;
            case IS -> interrupts;
            case PI -> implemented;
            case VS -> VERSION;
            default -> 0;
        };
    }

    @Override
    protected void writeBar(int bar, long offset, int size, long value) {
        if (size < 4 || (offset & 3) != 0) {
            return; // 3: registers are accessed as aligned double words
        }
        write((int) offset, (int) value);
        if (size == 8) {
            write((int) offset + 4, (int) (value >>> 32));
        }
    }

    private void write(int at, int v) {
        Port p = port(at);
        if (p != null) {
            p.write(at % PORT, v);
            return;
        }
        switch (at) {
            case GHC -> {
                if ((v & RESET) != 0) {
                    resetAdapter(false);
                } else {
                    control = v & INTERRUPTS;
                    updateInterrupts();
                }
            }
            case IS -> {
                interrupts &= ~v;
                told &= ~v;
                updateInterrupts();
            }
            default -> {}
        }
    }

    /** 10.4.3. */
    private void resetAdapter(boolean addresses) {
        control = 0;
        interrupts = 0;
        told = 0;
        for (Port p : ports) {
            if (p != null) {
                p.reset(addresses);
            }
        }
        updateInterrupts();
    }

    /**
     * 10.7: a port that has an interrupt sets its bit in IS, which stays until it is cleared, and is set again if the port's is not. The line is
     * high as long as there is a bit; a message is sent for each that is set.
     */
    private void updateInterrupts() {
        for (int i = 0; i < PORTS; i++) {
            Port p = ports[i];
            interrupts |= p != null && p.interrupting() ? 1 << i : 0;
        }
        int pending = (control & INTERRUPTS) != 0 ? interrupts : 0;
        setLine(pending != 0);
        if (!msi.enabled(this) || !busMaster()) {
            told = 0; // for when it may send
            return;
        }
        boolean more = (pending & ~told) != 0;
        told = pending;
        if (more) {
            msi.send(this);
        }
    }

    // ---- PCI and state ----

    @Override
    protected void configWritten(int offset, int size) {
        boolean now = busMaster();
        boolean resumes = now && !wasBusMaster;
        wasBusMaster = now;
        if (resumes) {
            for (Port p : ports) {
                if (p != null) {
                    p.resume();
                }
            }
        }
        updateInterrupts();
    }

    @Override
    public void reset() {
        resetPci();
        wasBusMaster = false;
        resetAdapter(true);
    }

    @Override
    public AhciState save() {
        return new AhciState(
                1,
                savePci(),
                control,
                interrupts,
                told,
                Arrays.stream(ports).filter(Objects::nonNull).map(Port::save).toList());
    }

    @Override
    public void restore(AhciState s) {
        Set<Integer> numbers = new HashSet<>();
        s.ports().forEach(p -> numbers.add(p.number()));
        if (s.version() != 1
                || s.ports().size() != Integer.bitCount(implemented)
                || numbers.size() != s.ports().size()
                || numbers.stream().anyMatch(n -> n < 0 || n >= PORTS || ports[n] == null)) {
            throw new IllegalArgumentException(
                    "the state is of an AHCI adapter with other devices, or of another version");
        }
        restorePci(s.pci());
        wasBusMaster = busMaster();
        control = s.control() & INTERRUPTS;
        interrupts = s.interrupts() & implemented;
        told = s.told() & implemented;
        try {
            s.ports().forEach(p -> Objects.requireNonNull(ports[p.number()]).restore(p));
        } catch (NoSuchElementException e) {
            throw new IllegalArgumentException("an AHCI command that is cut short", e);
        }
    }

    @Override
    public boolean fits(AhciState s) {
        return s.ports().stream()
                .allMatch(p -> Objects.requireNonNull(ports[p.number()]).fits(p));
    }

    @Override
    public Class<AhciState> stateType() {
        return AhciState.class;
    }
}
