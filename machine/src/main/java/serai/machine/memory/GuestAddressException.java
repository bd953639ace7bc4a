package serai.machine.memory;

/**
 * A device was told by its guest to touch guest-physical memory that isn't there. The device stops itself; the guest
 * alone is harmed.
 */
public final class GuestAddressException extends RuntimeException {
    /** For an access of {@code length} bytes at guest-physical {@code address}. */
    public GuestAddressException(long address, long length) {
        super("guest-physical %#x+%#x is not RAM".formatted(address, length));
    }
}
