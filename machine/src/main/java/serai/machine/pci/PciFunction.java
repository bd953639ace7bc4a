package serai.machine.pci;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioBus;
import serai.machine.bus.MmioDevice;
import serai.machine.bus.PortBus;
import serai.machine.bus.PortDevice;

/**
 * A PCI function: its configuration space (PCI 3.0, chapter 6), base address registers and capabilities.
 *
 * <p>A device extends it, declares its BARs and capabilities in its constructor, and answers {@link #readBar} and {@link #writeBar}.
 *
 * @param <S> the device's state record; it holds a {@link PciState}
 */
public abstract class PciFunction<S extends Record> implements Device<S> {
    static final int COMMAND = 4, STATUS = 6, BAR0 = 0x10, CAPABILITIES = 0x34, INTERRUPT_PIN = 0x3d;
    private static final int COMMAND_IO = 1, COMMAND_MEMORY = 2, COMMAND_INTX_OFF = 1 << 10;
    private static final int STATUS_INTERRUPT = 1 << 3, STATUS_CAPABILITIES = 1 << 4;
    /** Bytes of configuration space that are kept; the rest of the 4 KiB reads zero. */
    private static final int SIZE = 256;

    private final String name;
    private final byte[] config = new byte[SIZE];
    private final byte[] writable = new byte[SIZE];
    private final byte[] initial = new byte[SIZE];
    private final Bar[] bars = new Bar[6];
    private int nextCapability = 0x40;
    private int lastCapability = -1;
    private boolean line;
    private @Nullable MsiX msix;
    private @Nullable Msi msi;

    private Runnable remap = () -> {};
    private IrqLine intx = high -> {};

    private record Bar(boolean io, boolean wide, long size) {}

    /** Where a BAR is mapped now, or -1. */
    private final long[] mapped = {-1, -1, -1, -1, -1, -1};

    /**
     * A function.
     *
     * @param name the device's name, unique in the machine
     * @param classCode base class, sub-class and interface, 24 bits
     * @param pin interrupt pin: 1 for INTA# to 4, 0 for none
     */
    protected PciFunction(
            String name, int vendor, int device, int revision, int classCode, int subVendor, int subDevice, int pin) {
        this.name = name;
        put16(initial, 0, vendor);
        put16(initial, 2, device);
        initial[8] = (byte) revision;
        initial[9] = (byte) classCode;
        put16(initial, 0xa, classCode >>> 8);
        put16(initial, 0x2c, subVendor);
        put16(initial, 0x2e, subDevice);
        initial[INTERRUPT_PIN] = (byte) pin;
        put16(writable, COMMAND, 0x0507);
        writable[0x0c] = (byte) 0xff; // cache line size
        writable[0x3c] = (byte) 0xff; // interrupt line
        System.arraycopy(initial, 0, config, 0, SIZE);
    }

    private static void put16(byte[] b, int at, int v) {
        b[at] = (byte) v;
        b[at + 1] = (byte) (v >>> 8);
    }

    private static void put32(byte[] b, int at, int v) {
        put16(b, at, v);
        put16(b, at + 2, v >>> 16);
    }

    private int get32(int at) {
        return config[at] & 0xff | (config[at + 1] & 0xff) << 8 | (config[at + 2] & 0xff) << 16 | config[at + 3] << 24;
    }

    private int get16(int at) {
        return config[at] & 0xff | (config[at + 1] & 0xff) << 8;
    }

    // ---- what a device declares ----

    /**
     * Declares a memory BAR.
     *
     * @param size a power of two, at least 16
     * @param wide 64 bits: takes this BAR and the next
     */
    protected final void memoryBar(int bar, long size, boolean wide) {
        bars[bar] = new Bar(false, wide, size);
        initial[BAR0 + bar * 4] = (byte) (wide ? 4 : 0);
        config[BAR0 + bar * 4] = initial[BAR0 + bar * 4];
        put32(writable, BAR0 + bar * 4, (int) -size);
        if (wide) {
            put32(writable, BAR0 + bar * 4 + 4, (int) (-size >> 32));
        }
    }

    /** Declares a port BAR; {@code size} is a power of two, 4 to 256. */
    protected final void ioBar(int bar, int size) {
        bars[bar] = new Bar(true, false, size);
        initial[BAR0 + bar * 4] = 1;
        config[BAR0 + bar * 4] = 1;
        put32(writable, BAR0 + bar * 4, -size);
    }

    /**
     * Adds a capability (PCI 3.0, 6.7).
     *
     * @param id the capability id
     * @param body what follows id and next pointer
     * @param bodyWritable which bits of it a guest may write; as long as the body
     * @return its offset in configuration space
     */
    protected final int addCapability(int id, byte[] body, byte[] bodyWritable) {
        int at = nextCapability;
        nextCapability = at + 2 + body.length + 3 & ~3;
        if (nextCapability > SIZE) {
            throw new IllegalStateException(name + ": configuration space is full");
        }
        initial[at] = (byte) id;
        System.arraycopy(body, 0, initial, at + 2, body.length);
        System.arraycopy(bodyWritable, 0, writable, at + 2, body.length);
        initial[lastCapability < 0 ? CAPABILITIES : lastCapability + 1] = (byte) at;
        initial[STATUS] |= STATUS_CAPABILITIES;
        lastCapability = at;
        System.arraycopy(initial, 0, config, 0, SIZE);
        return at;
    }

    /** Adds MSI-X with its table and pending bits in {@code bar}, which the device has declared (at least 4 KiB). */
    protected final void useMsiX(MsiX m, int bar) {
        int n = m.vectors();
        byte[] body = new byte[10];
        put16(body, 0, n - 1);
        put32(body, 2, bar);
        put32(body, 6, MsiX.PENDING | bar);
        byte[] bodyWritable = new byte[10];
        bodyWritable[1] = (byte) 0xc0; // enable, function mask
        m.control = addCapability(0x11, body, bodyWritable) + 2;
        msix = m;
    }

    /** Adds MSI. */
    protected final void useMsi(Msi m) {
        m.at = addCapability(Msi.ID, Msi.BODY, Msi.BODY_WRITABLE);
        msi = m;
    }

    /**
     * The guest reads a BAR.
     *
     * @param offset from its start
     * @param size 1, 2, 4 or 8
     */
    protected abstract long readBar(int bar, long offset, int size);

    /** The guest writes a BAR. */
    protected abstract void writeBar(int bar, long offset, int size, long value);

    /** A byte range of configuration space has been written, after the fact. */
    protected void configWritten(int offset, int size) {}

    /** A byte range of configuration space is about to be read; a device with a window in it fills it in. */
    protected void configRead(int offset, int size) {}

    /** A byte of configuration space. */
    protected final int configByte(int offset) {
        return config[offset] & 0xff;
    }

    /** Sets a byte of configuration space, whatever a guest may write. */
    protected final void configByte(int offset, int value) {
        config[offset] = (byte) value;
    }

    /** Whether the guest has allowed the function to read and write memory by itself. */
    protected final boolean busMaster() {
        return (config[COMMAND] & 4) != 0;
    }

    /** Drives the interrupt line; it does nothing while MSI or MSI-X is enabled, or INTx disabled. */
    protected final void setLine(boolean high) {
        line = high;
        config[STATUS] = (byte) (config[STATUS] & ~STATUS_INTERRUPT | (high ? STATUS_INTERRUPT : 0));
        intx.set(high
                && (get16(COMMAND) & COMMAND_INTX_OFF) == 0
                && (msix == null || !msix.enabled(this))
                && (msi == null || !msi.enabled(this)));
    }

    /** Whether the guest has enabled MSI-X. */
    protected final boolean msixEnabled() {
        return msix != null && msix.enabled(this);
    }

    // ---- the bus ----

    /**
     * Puts it on its bus.
     *
     * @param remapAll unmaps and maps all functions
     */
    final void attach(Runnable remapAll, IntFunction<IrqLine> pins) {
        remap = remapAll;
        if (initial[INTERRUPT_PIN] != 0) {
            intx = pins.apply(initial[INTERRUPT_PIN] - 1);
        }
    }

    /** Takes it off its bus; what it still does reaches nobody. */
    final void detach() {
        remap = () -> {};
        intx = high -> {};
    }

    /** What it is and where its BARs are now. */
    final PciInfo describe(int slot) {
        List<PciInfo.Region> regions = new ArrayList<>();
        for (int i = 0; i < bars.length; i++) {
            if (bars[i] != null) {
                regions.add(new PciInfo.Region(i, bars[i].io, bars[i].wide, barAddress(i), bars[i].size));
            }
        }
        return new PciInfo(
                slot,
                name,
                get16(0),
                get16(2),
                get16(0x2c),
                get16(0x2e),
                get16(0xa) << 8 | config[9] & 0xff,
                config[INTERRUPT_PIN] & 0xff,
                config[0x3c] & 0xff,
                regions);
    }

    final int readConfig(int offset, int size) {
        configRead(offset, size);
        int v = 0;
        for (int i = 0; i < size; i++) {
            v |= (offset + i < SIZE ? config[offset + i] & 0xff : 0) << i * 8;
        }
        return v;
    }

    final void writeConfig(int offset, int size, int value) {
        for (int i = 0; i < size && offset + i < SIZE; i++) {
            int at = offset + i;
            int w = writable[at] & 0xff;
            config[at] = (byte) (config[at] & ~w | value >>> i * 8 & w);
        }
        boolean command = offset < COMMAND + 2 && offset + size > COMMAND;
        if (command || offset < BAR0 + 24 && offset + size > BAR0) {
            remap.run();
        }
        if (msix != null && (command || offset <= msix.control + 1 && offset + size > msix.control)) {
            msix.controlWritten(this);
        }
        setLine(line);
        configWritten(offset, size);
    }

    private long barAddress(int bar) {
        long low = get32(BAR0 + bar * 4) & 0xffffffffL;
        if (bars[bar].io) {
            return low & ~3L;
        }
        return low & ~15L | (bars[bar].wide ? (long) get32(BAR0 + bar * 4 + 4) << 32 : 0);
    }

    /** Maps the BARs where they are now, if the command register lets them decode. */
    final void map(PortBus ports, MmioBus mmio) {
        int command = get16(COMMAND);
        for (int i = 0; i < bars.length; i++) {
            Bar b = bars[i];
            if (b == null || (command & (b.io ? COMMAND_IO : COMMAND_MEMORY)) == 0) {
                continue;
            }
            long at = barAddress(i);
            BarAccess access = new BarAccess(i, at);
            try {
                if (b.io) {
                    ports.map((int) at, (int) b.size, access);
                } else if (at > 0) {
                    mmio.map(at, b.size, access);
                } else {
                    continue;
                }
                mapped[i] = at;
            } catch (IllegalArgumentException e) {
                System.getLogger("serai.pci")
                        .log(System.Logger.Level.DEBUG, "{0}: BAR {1} can not lie there: {2}", name, i, e.getMessage());
            }
        }
    }

    final void unmap(PortBus ports, MmioBus mmio) {
        for (int i = 0; i < bars.length; i++) {
            if (mapped[i] >= 0) {
                if (bars[i].io) {
                    ports.unmap((int) mapped[i], (int) bars[i].size);
                } else {
                    mmio.unmap(mapped[i]);
                }
                mapped[i] = -1;
            }
        }
    }

    private final class BarAccess implements MmioDevice, PortDevice {
        private final int bar;
        private final long base;

        BarAccess(int bar, long base) {
            this.bar = bar;
            this.base = base;
        }

        @Override
        public String toString() {
            return name + " BAR " + bar;
        }

        @Override
        public long readMmio(long offset, int size) {
            return msix != null && msix.bar(PciFunction.this) == bar
                    ? msix.read(offset, size)
                    : readBar(bar, offset, size);
        }

        @Override
        public void writeMmio(long offset, int size, long value) {
            if (msix != null && msix.bar(PciFunction.this) == bar) {
                msix.write(PciFunction.this, offset, size, value);
            } else {
                writeBar(bar, offset, size, value);
            }
        }

        @Override
        public boolean wide() {
            return true;
        }

        @Override
        public int readPort(int port, int size) {
            return (int) readBar(bar, port - base, size);
        }

        @Override
        public void writePort(int port, int size, int value) {
            writeBar(bar, port - base, size, value & 0xffffffffL);
        }
    }

    /** Gives each BAR an address from the windows and lets them decode, as firmware would. */
    final void assign(Windows w) {
        for (int i = 0; i < bars.length; i++) {
            Bar b = bars[i];
            if (b == null) {
                continue;
            }
            long at = b.io ? w.port(b.size) : b.wide ? w.memory64(b.size) : w.memory32(b.size);
            put32(config, BAR0 + i * 4, (int) at | initial[BAR0 + i * 4]);
            if (b.wide) {
                put32(config, BAR0 + i * 4 + 4, (int) (at >>> 32));
            }
        }
        put16(config, COMMAND, get16(COMMAND) | COMMAND_IO | COMMAND_MEMORY);
        remap.run();
    }

    /** Where BARs are put. */
    interface Windows {
        long port(long size);

        long memory32(long size);

        long memory64(long size);
    }

    final void interruptLine(int irq) {
        if (initial[INTERRUPT_PIN] != 0) {
            config[0x3c] = (byte) irq;
        }
    }

    // ---- Device, for the device's own methods to call ----

    @Override
    public final String name() {
        return name;
    }

    /** Resets the function's own part. */
    protected final void resetPci() {
        System.arraycopy(initial, 0, config, 0, SIZE);
        if (msix != null) {
            msix.reset();
        }
        remap.run();
        setLine(false);
    }

    /** Saves it. */
    protected final PciState savePci() {
        return new PciState(1, config.clone(), msix == null ? new byte[0] : msix.save(), line);
    }

    /**
     * Restores it.
     *
     * @throws IllegalArgumentException if it is of another version or size
     */
    protected final void restorePci(PciState s) {
        if (s.version() != 1 || s.config().length != SIZE) {
            throw new IllegalArgumentException("PCI state of version " + s.version());
        }
        // what identifies the function is the device's, not the state's
        System.arraycopy(s.config(), 4, config, 4, SIZE - 4);
        if (msix != null) {
            msix.restore(s.msix());
        }
        remap.run();
        setLine(s.line());
    }
}
