package serai.image;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Packages by {@code apt-get download} from the sources that this host is configured for; root isn't needed. */
final class AptSource implements PackageSource {
    private static final Pattern DEPENDS = Pattern.compile("^Depends: (linux-image-[0-9][^ ,]*)", Pattern.MULTILINE);
    private static final Pattern SIZE = Pattern.compile("^Size: (\\d{1,15})$", Pattern.MULTILINE);
    private static final int MAX_OUTPUT = 1 << 20;

    private record Output(int status, String text) {
        /** The package lists are older than the archive, or there are none. */
        boolean outdated() {
            return text.contains("404") || text.contains("Unable to locate") || text.contains("Hash Sum");
        }

        /** apt's own words for what went wrong, on one line. */
        String error() {
            return text.lines()
                    .filter(l -> l.startsWith("E: "))
                    .map(l -> l.substring(3).strip())
                    .reduce((a, b) -> b)
                    .orElse("status " + status);
        }
    }

    @Override
    public List<Path> fetch(List<String> names, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        List<String> packages = new ArrayList<>();
        long size = 0;
        for (String name : names) {
            String about = show(name, into, progress);
            Matcher real = DEPENDS.matcher(about);
            String wanted = name;
            if (name.startsWith("linux-image-") && real.find()) {
                wanted = real.group(1);
                about = show(wanted, into, progress);
            }
            Matcher s = SIZE.matcher(about);
            size += s.find() ? Long.parseLong(s.group(1)) : 0;
            packages.add(wanted);
        }
        progress.start("downloading packages", size);
        Output out = download(packages, into, progress);
        if (out.status != 0 && out.outdated() && isRoot()) {
            progress.broken();
            progress.say("updating the package lists");
            run(into, List.of("apt-get", "-q", "update"));
            progress.start("downloading packages", size);
            out = download(packages, into, progress);
        }
        if (out.status != 0) {
            progress.broken();
            if (out.text.contains("No space left on device")) {
                throw new IOException("No space left on device");
            }
            throw new ImageException("apt-get could not download " + String.join(" and ", packages) + ": " + out.error()
                    + (!isRoot() && out.outdated() ? "; the package lists are old, run: sudo apt-get update" : ""));
        }
        progress.done();
        List<Path> files = new ArrayList<>();
        for (String p : packages) {
            try (Stream<Path> all = Files.list(into)) {
                files.add(all.filter(f -> {
                            String n = String.valueOf(f.getFileName());
                            return n.startsWith(p + "_") && n.endsWith(".deb");
                        })
                        .findFirst()
                        .orElseThrow(() -> new ImageException("apt-get download left no file for " + p)));
            }
        }
        return files;
    }

    private static Output download(List<String> packages, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("apt-get", "-q"));
        if (isRoot()) {
            // else apt warns that its sandbox user can't write here
            command.addAll(List.of("-o", "APT::Sandbox::User=root"));
        }
        command.add("download");
        command.addAll(packages);
        Path log = into.resolve("apt.log");
        Process p = start(into, command, ProcessBuilder.Redirect.to(log.toFile()));
        while (!p.waitFor(200, TimeUnit.MILLISECONDS)) {
            progress.at(sizeOf(into));
        }
        return new Output(p.exitValue(), Files.readString(log, StandardCharsets.ISO_8859_1));
    }

    private static long sizeOf(Path dir) throws IOException {
        try (Stream<Path> files = Files.walk(dir)) {
            return files.filter(f -> f.toString().endsWith(".deb"))
                    .mapToLong(f -> f.toFile().length())
                    .sum();
        } catch (java.io.UncheckedIOException e) {
            return 0; // apt renamed one under us
        }
    }

    private static String show(String name, Path dir, Progress progress)
            throws ImageException, IOException, InterruptedException {
        List<String> command = List.of("apt-cache", "show", "--no-all-versions", name);
        Output out = run(dir, command);
        if (out.status != 0 && isRoot()) {
            progress.say("updating the package lists");
            run(dir, List.of("apt-get", "-q", "update"));
            out = run(dir, command);
        }
        if (out.status != 0) {
            throw new ImageException("the package sources of this machine have no " + name + " (" + out.error()
                    + "); run apt-get update as root, or give a kernel by --kernel");
        }
        return out.text;
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    private static Output run(Path dir, List<String> command) throws ImageException, IOException, InterruptedException {
        Process p = start(dir, command, ProcessBuilder.Redirect.PIPE);
        String text = new String(p.getInputStream().readNBytes(MAX_OUTPUT), StandardCharsets.ISO_8859_1);
        return new Output(p.waitFor(), text);
    }

    private static Process start(Path dir, List<String> command, ProcessBuilder.Redirect out) throws ImageException {
        ProcessBuilder b = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .redirectErrorStream(true)
                .redirectOutput(out);
        b.environment().put("LC_ALL", "C");
        b.environment().put("DEBIAN_FRONTEND", "noninteractive");
        try {
            return b.start();
        } catch (IOException e) {
            throw new ImageException(
                    command.getFirst() + " could not be started, and images are made from Debian packages; on another"
                            + " system, give a kernel by --kernel and --initrd",
                    e);
        }
    }
}
