package serai.machine.hpet;

import serai.machine.bus.IrqLine;

/** An interrupt line with two sources, of which one counts: what the other drives is kept until it does. */
final class LineSwitch {
    private final IrqLine out;
    private final boolean[] high = new boolean[2];
    private int chosen;

    /** Source 0 counts. */
    LineSwitch(IrqLine out) {
        this.out = out;
    }

    /** One of the sources, 0 or 1. */
    IrqLine source(int n) {
        return level -> {
            high[n] = level;
            if (chosen == n) {
                out.set(level);
            }
        };
    }

    /** Lets a source count from now on. */
    void choose(int n) {
        if (chosen != n) {
            chosen = n;
            out.set(high[n]);
        }
    }

    /** The same for a machine that takes over a state: the line's level is in the interrupt controllers' already. */
    void restore(int n) {
        chosen = n;
    }
}
