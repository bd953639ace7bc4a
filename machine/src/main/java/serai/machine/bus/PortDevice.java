package serai.machine.bus;

/** A device in port space. Called with the machine lock held. */
public interface PortDevice {
    /** Whether it answers accesses of two and four bytes as such. To one that does not, they come as bytes, as on the ISA bus. */
    default boolean wide() {
        return false;
    }

    /**
     * Reads a port.
     *
     * @param port the absolute port number, 0 to 0xffff
     * @param size 1, 2 or 4 bytes
     * @return the value, zero-extended; bits past {@code size} are ignored
     */
    int readPort(int port, int size);

    /**
     * Writes a port.
     *
     * @param port the absolute port number, 0 to 0xffff
     * @param size 1, 2 or 4 bytes
     * @param value the value, zero-extended
     */
    void writePort(int port, int size, int value);
}
