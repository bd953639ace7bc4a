package serai.vmm.share;

/** A request that is refused: what the guest gets as Rlerror. */
final class P9Exception extends Exception {
    private final int errno;

    P9Exception(int errno) {
        super("errno " + errno, null, false, false);
        this.errno = errno;
    }

    int errno() {
        return errno;
    }
}
