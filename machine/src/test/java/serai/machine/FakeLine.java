package serai.machine;

import serai.machine.bus.IrqLine;

/** A line that counts its rises. */
public final class FakeLine implements IrqLine {
    /** The level now. */
    public boolean high;
    /** How often it went from low to high. */
    public int rises;

    @Override
    public void set(boolean level) {
        if (level && !high) {
            rises++;
        }
        high = level;
    }
}
