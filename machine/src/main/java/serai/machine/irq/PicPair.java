package serai.machine.irq;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;

/** The two cascaded 8259As of a PC (8259A datasheet), at ports 0x20 and 0xa0, with the edge/level registers at 0x4d0. */
public final class PicPair implements Device<PicState>, PortDevice {
    private static final int READ_ISR = 1, AUTO_EOI = 2, SPECIAL_MASK = 4, POLL = 8, ICW4 = 16;
    /** Inputs that can be level-triggered: not 0, 1, 2, 8 and 13. */
    private static final int[] ELCR_MASK = {0xf8, 0xde};

    private final int[] irr = new int[2];
    private final int[] isr = new int[2];
    private final int[] imr = new int[2];
    private final int[] lines = new int[2];
    private final int[] elcr = new int[2];
    private final int[] base = new int[2];
    private final int[] init = new int[2];
    private final int[] flags = new int[2];
    private final int[] lowest = {7, 7};
    private Runnable onChange = () -> {};

    /** Both, as after power-on: nothing masked, not initialized. */
    public PicPair() {
        reset();
    }

    /** Runs {@code action} when {@link #pending} may have changed. */
    public void onChange(Runnable action) {
        onChange = action;
    }

    /** Input {@code irq}, 0 to 15; 2 is the cascade. */
    public IrqLine line(int irq) {
        return high -> set(irq >>> 3, 1 << (irq & 7), high);
    }

    private void set(int c, int bit, boolean high) {
        boolean was = (lines[c] & bit) != 0;
        if (high == was) {
            return;
        }
        if (high) {
            lines[c] |= bit;
            irr[c] |= bit;
        } else {
            lines[c] &= ~bit;
            irr[c] &= ~bit;
        }
        changed();
    }

    private void changed() {
        if (best(1) >= 0) {
            irr[0] |= 4;
        } else {
            irr[0] &= ~4;
        }
        onChange.run();
    }

    /** The input to serve next, or -1. */
    private int best(int c) {
        int requests = irr[c] & ~imr[c];
        if (requests == 0) {
            return -1;
        }
        int service = (flags[c] & SPECIAL_MASK) != 0 ? isr[c] & ~imr[c] : isr[c];
        for (int i = 1; i <= 8; i++) {
            int n = lowest[c] + i & 7;
            if ((service & 1 << n) != 0 && !(c == 0 && n == 2 && (requests & 4) != 0)) {
                return -1;
            }
            if ((requests & 1 << n) != 0) {
                return n;
            }
        }
        return -1;
    }

    /** Whether an interrupt waits for the CPU. */
    public boolean pending() {
        return best(0) >= 0;
    }

    /** INTA: the vector; the spurious one (input 7) if the request has gone. */
    public int acknowledge() {
        int n = acknowledge(0);
        int vector = base[0] + n;
        if (n == 2) {
            vector = base[1] + acknowledge(1);
        }
        changed();
        return vector;
    }

    private int acknowledge(int c) {
        int n = best(c);
        if (n < 0) {
            return 7;
        }
        int bit = 1 << n;
        if ((elcr[c] & bit) == 0) {
            irr[c] &= ~bit;
        }
        if ((flags[c] & AUTO_EOI) == 0) {
            isr[c] |= bit;
        }
        return n;
    }

    @Override
    public int readPort(int port, int size) {
        if ((port & ~1) == 0x4d0) {
            return elcr[port & 1];
        }
        int c = port >>> 7 & 1;
        if ((port & 1) != 0) {
            return imr[c];
        }
        if ((flags[c] & POLL) != 0) {
            flags[c] &= ~POLL;
            int n = best(c);
            if (n < 0) {
                return 0;
            }
            acknowledge(c);
            changed();
            return 0x80 | n;
        }
        return (flags[c] & READ_ISR) != 0 ? isr[c] : irr[c];
    }

    @Override
    public void writePort(int port, int size, int value) {
        int v = value & 0xff;
        if ((port & ~1) == 0x4d0) {
            elcr[port & 1] = v & ELCR_MASK[port & 1];
            return;
        }
        int c = port >>> 7 & 1;
        if ((port & 1) != 0) {
            data(c, v);
        } else if ((v & 0x10) != 0) {
            init[c] = 1; // ICW1
            flags[c] = (v & 1) != 0 ? ICW4 : 0;
            imr[c] = 0;
            isr[c] = 0;
            irr[c] = elcr[c] & lines[c];
            lowest[c] = 7;
        } else if ((v & 8) != 0) {
            if ((v & 2) != 0) {
                flags[c] = flags[c] & ~READ_ISR | v & 1;
            }
            if ((v & 4) != 0) {
                flags[c] |= POLL;
            }
            if ((v & 0x40) != 0) {
                flags[c] = flags[c] & ~SPECIAL_MASK | ((v & 0x20) != 0 ? SPECIAL_MASK : 0);
            }
        } else {
            endOfInterrupt(c, v);
        }
        changed();
    }

    /** OCW2. */
    private void endOfInterrupt(int c, int v) {
        boolean specific = (v & 0x40) != 0;
        boolean rotate = (v & 0x80) != 0;
        if ((v & 0x20) != 0) {
            int n = v & 7;
            if (!specific) {
                n = -1;
                for (int i = 1; i <= 8 && n < 0; i++) {
                    int k = lowest[c] + i & 7;
                    if ((isr[c] & 1 << k) != 0) {
                        n = k;
                    }
                }
            }
            if (n >= 0) {
                isr[c] &= ~(1 << n);
                if ((elcr[c] & lines[c] & 1 << n) != 0) {
                    irr[c] |= 1 << n;
                }
                if (rotate) {
                    lowest[c] = n;
                }
            }
        } else if (rotate && specific) {
            lowest[c] = v & 7;
        }
    }

    private void data(int c, int v) {
        switch (init[c]) {
            case 1 -> {
                base[c] = v & 0xf8;
                init[c] = 2;
            }
            case 2 -> init[c] = (flags[c] & ICW4) != 0 ? 3 : 0;
            case 3 -> {
                if ((v & 2) != 0) {
                    flags[c] |= AUTO_EOI;
                }
                init[c] = 0;
            }
            default -> imr[c] = v;
        }
        changed();
    }

    @Override
    public String name() {
        return "pic";
    }

    @Override
    public void reset() {
        for (int c = 0; c < 2; c++) {
            irr[c] = 0;
            isr[c] = 0;
            imr[c] = 0xff;
            elcr[c] = 0;
            base[c] = 0;
            init[c] = 0;
            flags[c] = 0;
            lowest[c] = 7;
        }
        onChange.run();
    }

    @Override
    public PicState save() {
        return new PicState(
                1,
                irr.clone(),
                isr.clone(),
                imr.clone(),
                lines.clone(),
                elcr.clone(),
                base.clone(),
                init.clone(),
                flags.clone(),
                lowest.clone());
    }

    @Override
    public void restore(PicState s) {
        if (s.version() != 1) {
            throw new IllegalArgumentException("8259 state of version " + s.version());
        }
        int[][] to = {irr, isr, imr, lines, elcr, base, init, flags, lowest};
        int[][] from = {s.irr(), s.isr(), s.imr(), s.lines(), s.elcr(), s.base(), s.init(), s.flags(), s.lowest()};
        for (int i = 0; i < to.length; i++) {
            if (from[i].length != 2) {
                throw new IllegalArgumentException("8259 state with " + from[i].length + " chips");
            }
            System.arraycopy(from[i], 0, to[i], 0, 2);
        }
        for (int c = 0; c < 2; c++) {
            lowest[c] &= 7;
        }
        onChange.run();
    }

    @Override
    public Class<PicState> stateType() {
        return PicState.class;
    }
}
