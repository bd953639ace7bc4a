package serai.machine.pci;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import serai.machine.Device;
import serai.machine.Layout;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioBus;
import serai.machine.bus.MmioDevice;
import serai.machine.bus.PortBus;
import serai.machine.bus.PortDevice;

/** Bus 0 and the ways to its configuration space: ports 0xcf8 and 0xcfc, and memory (ECAM). */
public final class PciBus implements Device<PciBus.State>, PortDevice, MmioDevice {
    private static final int ADDRESS = 0xcf8, DATA = 0xcfc;
    private static final int ENABLE = 1 << 31;
    private static final int GSIS = 8;

    /**
     * State of the bus.
     *
     * @param version 1
     * @param address the address register at port 0xcf8
     * @param drivers by GSI from 16 on: a bit for each slot that drives it, and from bit 32 on for each of the chipset's that does
     */
    public record State(int version, int address, long[] drivers) {}

    private final PortBus ports;
    private final MmioBus mmio;
    private final @Nullable PciFunction<?>[] slots = new PciFunction<?>[32];
    private final IrqLine[] gsis = new IrqLine[GSIS];
    /** By GSI: a bit for each that drives it, as in {@link State}. */
    private final long[] drivers = new long[GSIS];

    private int address;

    /**
     * An empty bus.
     *
     * @param gsi the inputs of the I/O APIC by number
     */
    public PciBus(PortBus ports, MmioBus mmio, IntFunction<IrqLine> gsi) {
        this.ports = ports;
        this.mmio = mmio;
        for (int i = 0; i < GSIS; i++) {
            gsis[i] = gsi.apply(16 + i);
        }
        ports.map(ADDRESS, 8, this);
        mmio.map(Layout.ECAM_BASE, (long) Layout.ECAM_BUSES << 20, this);
    }

    /**
     * Puts a function into a slot.
     *
     * @throws IllegalArgumentException if there is one, or no such slot
     */
    public void add(int slot, PciFunction<?> function) {
        if (slot < 0 || slot >= slots.length || slots[slot] != null) {
            throw new IllegalArgumentException("PCI slot " + slot + " is not free");
        }
        slots[slot] = function;
        function.attach(this::remap, pin -> line(slot, pin));
    }

    /** The function in a slot, or null. */
    public @Nullable PciFunction<?> function(int slot) {
        return slots[slot];
    }

    /** What is in the slots, ascending. */
    public List<PciInfo> describe() {
        List<PciInfo> all = new ArrayList<>();
        for (int s = 0; s < slots.length; s++) {
            PciFunction<?> f = slots[s];
            if (f != null) {
                all.add(f.describe(s));
            }
        }
        return all;
    }

    /** Takes a function out: it stops what it does, its BARs and its interrupt line are gone. Null if there was none. */
    public @Nullable PciFunction<?> remove(int slot) {
        PciFunction<?> f = slots[slot];
        if (f != null) {
            f.reset(); // no BAR decodes after it, and its line is low
            slots[slot] = null;
            f.detach();
        }
        return f;
    }

    /**
     * Maps all BARs anew. Where two want the same place the one in the lower slot has it, whatever came first: what is mapped follows
     * from the functions' registers alone, so a restored machine has it, too.
     */
    private void remap() {
        for (PciFunction<?> f : slots) {
            if (f != null) {
                f.unmap(ports, mmio);
            }
        }
        for (PciFunction<?> f : slots) {
            if (f != null) {
                f.map(ports, mmio);
            }
        }
    }

    private IrqLine line(int slot, int pin) {
        return shared(Layout.pciGsi(slot, pin), slot);
    }

    /**
     * A line of the chipset to an input that slots use, too. Its level is saved with the bus's state.
     *
     * @param gsi 16 to 23
     * @param n which of those lines, 0 to 31
     */
    public IrqLine chipsetLine(int gsi, int n) {
        return shared(gsi, 32 + n);
    }

    /** A level line that several share. */
    private IrqLine shared(int gsi, int driver) {
        int i = gsi - 16;
        return high -> {
            drivers[i] = high ? drivers[i] | 1L << driver : drivers[i] & ~(1L << driver);
            gsis[i].set(drivers[i] != 0);
        };
    }

    /** Gives every BAR an address and lets it decode: there is no firmware to do it. */
    public void assignBars() {
        PciFunction.Windows w = new PciFunction.Windows() {
            private long port = Layout.PCI_PORTS;
            private long low = Layout.PCI_WINDOW_32;
            private long high = Layout.PCI_WINDOW_64;

            private static long align(long a, long size) {
                return a + size - 1 & -size;
            }

            @Override
            public long port(long size) {
                long at = align(port, size);
                port = at + size;
                return at;
            }

            @Override
            public long memory32(long size) {
                long at = align(low, Math.max(size, 4096));
                low = at + size;
                return at;
            }

            @Override
            public long memory64(long size) {
                long at = align(high, Math.max(size, 4096));
                high = at + size;
                return at;
            }
        };
        for (int s = 0; s < slots.length; s++) {
            PciFunction<?> f = slots[s];
            if (f != null) {
                f.assign(w);
                f.interruptLine(Layout.pciGsi(s, 0));
            }
        }
    }

    private @Nullable PciFunction<?> find(int bus, int devfn) {
        return bus == 0 && (devfn & 7) == 0 ? slots[devfn >>> 3] : null;
    }

    @Override
    public boolean wide() {
        return true;
    }

    @Override
    public int readPort(int port, int size) {
        if (port < DATA) {
            return port == ADDRESS && size == 4 ? address : -1;
        }
        PciFunction<?> f = target();
        return f == null ? -1 : f.readConfig(address & 0xfc | port & 3, size);
    }

    private @Nullable PciFunction<?> target() {
        return (address & ENABLE) == 0 ? null : find(address >>> 16 & 0xff, address >>> 8 & 0xff);
    }

    @Override
    public void writePort(int port, int size, int value) {
        if (port < DATA) {
            if (port == ADDRESS && size == 4) {
                address = value & 0x80fffffc;
            }
            return;
        }
        PciFunction<?> f = target();
        if (f != null) {
            f.writeConfig(address & 0xfc | port & 3, size, value);
        }
    }

    @Override
    public long readMmio(long offset, int size) {
        PciFunction<?> f = find((int) (offset >>> 20), (int) (offset >>> 12) & 0xff);
        if (f == null) {
            return -1;
        }
        int at = (int) offset & 0xfff;
        return size < 8
                ? f.readConfig(at, size) & 0xffffffffL
                : f.readConfig(at, 4) & 0xffffffffL | (long) f.readConfig(at + 4, 4) << 32;
    }

    @Override
    public void writeMmio(long offset, int size, long value) {
        PciFunction<?> f = find((int) (offset >>> 20), (int) (offset >>> 12) & 0xff);
        if (f != null) {
            int at = (int) offset & 0xfff;
            f.writeConfig(at, Math.min(size, 4), (int) value);
            if (size == 8) {
                f.writeConfig(at + 4, 4, (int) (value >>> 32));
            }
        }
    }

    @Override
    public String name() {
        return "pci0";
    }

    @Override
    public void reset() {
        address = 0;
    }

    @Override
    public State save() {
        return new State(1, address, drivers.clone());
    }

    @Override
    public void restore(State s) {
        if (s.version() != 1 || s.drivers().length != GSIS) {
            throw new IllegalArgumentException("PCI bus state of version " + s.version());
        }
        address = s.address() & 0x80fffffc;
        // with all of them at once, so that lines shared by several slots don't fall and rise while these are restored
        System.arraycopy(s.drivers(), 0, drivers, 0, GSIS);
    }

    @Override
    public Class<State> stateType() {
        return State.class;
    }
}
