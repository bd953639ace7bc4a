package serai.image;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where packages come from: apt, or a fake in tests. */
interface PackageSource {
    /**
     * Downloads packages.
     *
     * @param suite of Debian, null for what the host's sources have
     * @param names of packages; a name that only stands for another one (a metapackage) is followed
     * @param into an empty directory; the implementation may leave other files there
     * @return the .deb files, in the order of {@code names}
     */
    List<Path> fetch(@Nullable String suite, List<String> names, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException;
}
