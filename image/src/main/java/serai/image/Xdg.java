package serai.image;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The user's directories by the XDG Base Directory Specification. */
final class Xdg {
    private Xdg() {}

    /** The directory that a variable names, else {@code fallback} in the user's home. A relative path is to be ignored. */
    static Path home(String variable, String fallback) {
        @Nullable String xdg = System.getenv(variable);
        if (xdg != null && xdg.startsWith("/")) {
            return Path.of(xdg);
        }
        return Path.of(System.getProperty("user.home", "/"), fallback);
    }
}
