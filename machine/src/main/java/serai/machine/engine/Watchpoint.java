package serai.machine.engine;

/**
 * A range of linear addresses whose accesses stop the guest for the debugger.
 *
 * @param address linear address of the first byte
 * @param length bytes, at least 1
 * @param kind which accesses
 */
public record Watchpoint(long address, long length, Kind kind) {
    /** Which accesses stop the guest. */
    public enum Kind {
        WRITE,
        READ,
        ACCESS
    }

    /** @throws IllegalArgumentException if the length is below 1 or the range passes the end of the address space */
    public Watchpoint {
        if (length < 1 || Long.compareUnsigned(address + length - 1, address) < 0) {
            throw new IllegalArgumentException("a watchpoint of %d bytes at %#x".formatted(length, address));
        }
    }

    /** Whether an access of {@code size} bytes at {@code linear} is one to stop at. */
    public boolean hit(long linear, int size, boolean write) {
        return kind != (write ? Kind.READ : Kind.WRITE)
                && (Long.compareUnsigned(linear - address, length) < 0
                        || Long.compareUnsigned(address - linear, size) < 0);
    }
}
