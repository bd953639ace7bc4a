package serai.vmm;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** What went wrong with a file, in words; the messages of java.nio are often only the file's name. */
final class Reasons {
    private Reasons() {}

    static String of(IOException e) {
        return switch (e) {
            case NoSuchFileException n -> "there is no " + n.getFile();
            case AccessDeniedException a -> "permission denied";
            case FileSystemException f when f.getReason() != null -> f.getReason();
            default -> {
                String m = e.getMessage();
                yield m == null ? e.getClass().getSimpleName() : m;
            }
        };
    }
}
