package serai.machine.debug;

import serai.machine.bus.PortDevice;

/**
 * Where a keyboard controller would be (ports 0x60 and 0x64): there is none, which the FADT says too, but the command that
 * pulses the reset line works, as systems fall back to it.
 */
public final class KeyboardReset implements PortDevice {
    private static final int PULSE_RESET = 0xfe;
    private final Runnable reset;

    /** Runs {@code reset} at the command. */
    public KeyboardReset(Runnable reset) {
        this.reset = reset;
    }

    @Override
    public String toString() {
        return "keyboard-reset";
    }

    @Override
    public int readPort(int port, int size) {
        return 0xff;
    }

    @Override
    public void writePort(int port, int size, int value) {
        if (port == 0x64 && (value & 0xff) == PULSE_RESET) {
            reset.run();
        }
    }
}
