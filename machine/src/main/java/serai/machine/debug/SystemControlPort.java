package serai.machine.debug;

import serai.machine.bus.PortDevice;

/** System control port A of the PS/2, at 0x92: bit 0 resets the machine. Bit 1, the A20 gate, is always open. */
public final class SystemControlPort implements PortDevice {
    /** Its port. */
    public static final int PORT = 0x92;

    private static final int FAST_RESET = 1, A20 = 2;
    private final Runnable reset;

    /** Runs {@code reset} at a fast reset. */
    public SystemControlPort(Runnable reset) {
        this.reset = reset;
    }

    @Override
    public String toString() {
        return "system-control";
    }

    @Override
    public int readPort(int port, int size) {
        return A20;
    }

    @Override
    public void writePort(int port, int size, int value) {
        if ((value & FAST_RESET) != 0) {
            reset.run();
        }
    }
}
