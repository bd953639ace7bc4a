package serai.storage.nbd;

import java.io.IOException;

/** The other side has broken the protocol, or a bound: the connection is ended. */
final class Violation extends IOException {
    private static final long serialVersionUID = 1L;

    Violation(String what) {
        super(what);
    }
}
