package serai.storage.luks;

import java.io.Serial;

/** A sound header asks for what is not here; the message names it and completes "with …". */
final class Unsupported extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    Unsupported(String what) {
        super(what);
    }
}
