package serai.storage.nbd;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** There is no connection any more, or none can be made: another attempt may succeed. */
final class LinkLost extends IOException {
    private static final long serialVersionUID = 1L;

    LinkLost(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
