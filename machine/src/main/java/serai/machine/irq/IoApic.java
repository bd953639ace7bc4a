package serai.machine.irq;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioDevice;

/** The I/O APIC: 82093AA datasheet, 24 inputs. All inputs are active-high here; the polarity bit is kept and has no effect. */
public final class IoApic implements Device<IoApicState>, MmioDevice {
    /** Number of inputs. */
    public static final int PINS = 24;

    private static final long MASK = 1 << 16, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11;
    private static final long WRITABLE = 0xff000000_0001afffL;

    private final ApicBus bus;
    private final long[] entries = new long[PINS];
    private int id;
    private int select;
    private int lines;

    /** On a bus whose local APICs are there already. */
    public IoApic(ApicBus bus) {
        this.bus = bus;
        for (LocalApic a : bus.apics()) {
            a.onEoi(this::endOfInterrupt);
        }
        reset();
    }

    /** Input {@code gsi}, 0 to 23. */
    public IrqLine line(int gsi) {
        return high -> set(gsi, high);
    }

    private void set(int n, boolean high) {
        int bit = 1 << n;
        boolean was = (lines & bit) != 0;
        if (high == was) {
            return;
        }
        lines = high ? lines | bit : lines & ~bit;
        if (high) {
            if ((entries[n] & LEVEL) != 0) {
                level(n);
            } else if ((entries[n] & MASK) == 0) {
                deliver(n, false);
            }
        }
    }

    private void level(int n) {
        long e = entries[n];
        if ((lines & 1 << n) != 0 && (e & (MASK | REMOTE_IRR)) == 0 && (e & LEVEL) != 0) {
            entries[n] |= REMOTE_IRR;
            deliver(n, true);
        }
    }

    private void deliver(int n, boolean level) {
        long e = entries[n];
        int mode = (int) (e >>> 8) & 7;
        if (mode != ApicBus.EXTINT) {
            bus.deliver((int) (e >>> 56), (e & LOGICAL) != 0, false, mode, (int) e & 0xff, level);
        }
    }

    private void endOfInterrupt(int vector) {
        for (int n = 0; n < PINS; n++) {
            if ((entries[n] & 0xff) == vector && (entries[n] & REMOTE_IRR) != 0) {
                entries[n] &= ~REMOTE_IRR;
                level(n);
            }
        }
    }

    @Override
    public long readMmio(long offset, int size) {
        if (offset == 0) {
            return select;
        }
        if (offset != 0x10) {
            return 0;
        }
        int n = (select - 0x10) >> 1;
        int v =
                switch (select) {
                    case 0, 2 -> id;
                    case 1 -> (PINS - 1) << 16 | 0x11;
                    default -> n >= 0 && n < PINS ? (int) (entries[n] >>> (select & 1) * 32) : 0;
                };
        return v & 0xffffffffL;
    }

    @Override
    public void writeMmio(long offset, int size, long value) {
        if (offset == 0) {
            select = (int) value & 0xff;
            return;
        }
        if (offset != 0x10) {
            return;
        }
        int n = (select - 0x10) >> 1;
        if (select == 0) {
            id = (int) value & 0x0f000000;
        } else if (n >= 0 && n < PINS) {
            boolean high = (select & 1) != 0;
            long v = high
                    ? entries[n] & 0xffffffffL | value << 32
                    : entries[n] & 0xffffffff_00000000L | value & 0xffffffffL;
            entries[n] = v & WRITABLE | entries[n] & REMOTE_IRR;
            if ((entries[n] & LEVEL) == 0) {
                entries[n] &= ~REMOTE_IRR;
            }
            level(n);
        }
    }

    @Override
    public String name() {
        return "ioapic";
    }

    @Override
    public void reset() {
        java.util.Arrays.fill(entries, MASK);
        id = 0;
        select = 0;
    }

    @Override
    public IoApicState save() {
        return new IoApicState(1, id, select, entries.clone(), lines);
    }

    @Override
    public void restore(IoApicState s) {
        if (s.version() != 1 || s.entries().length != PINS) {
            throw new IllegalArgumentException("I/O APIC state of version " + s.version());
        }
        id = s.id();
        select = s.select();
        lines = s.lines();
        System.arraycopy(s.entries(), 0, entries, 0, PINS);
    }

    @Override
    public Class<IoApicState> stateType() {
        return IoApicState.class;
    }
}
