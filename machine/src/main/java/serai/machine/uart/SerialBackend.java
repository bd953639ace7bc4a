package serai.machine.uart;

/** What a serial port is connected to. */
@FunctionalInterface
public interface SerialBackend {
    /** The guest has sent a byte. Called with the machine lock held; must not block for long. */
    void transmit(byte b);
}
