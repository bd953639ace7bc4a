package serai.image;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Sees to it that the host has programs that an image is made with. */
final class HostTools {
    private HostTools() {}

    /**
     * Installs what is missing, as root; else names it.
     *
     * @param packages Debian's package of each program
     */
    static void need(Host host, String image, Map<String, String> packages, Path dir, Progress progress)
            throws ImageException, InterruptedException {
        List<String> missing = missing(host, packages);
        if (missing.isEmpty()) {
            return;
        }
        String names = String.join(" ", missing);
        String mend = "image " + image
                + " is made with programs that are not installed; install them: sudo apt-get install " + names;
        if (!host.isRoot() || !host.has("apt-get")) {
            throw new ImageException(mend);
        }
        progress.say("installing " + names);
        Transcript log = new Transcript();
        List<String> command = new ArrayList<>(
                List.of("apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends", "install"));
        command.addAll(missing);
        if (host.run(dir, Map.of(), command, log) != 0) {
            // the package lists are missing or older than the archive
            host.run(dir, Map.of(), List.of("apt-get", "-q", "update"), log);
            log = new Transcript();
            if (host.run(dir, Map.of(), command, log) != 0) {
                throw new ImageException(names + " could not be installed: " + log.error());
            }
        }
        if (!missing(host, packages).isEmpty()) {
            throw new ImageException(mend);
        }
    }

    private static List<String> missing(Host host, Map<String, String> packages) {
        TreeSet<String> missing = new TreeSet<>();
        packages.forEach((program, name) -> {
            if (!host.has(program)) {
                missing.add(name);
            }
        });
        return List.copyOf(missing);
    }
}
