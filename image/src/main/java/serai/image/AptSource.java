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
import org.jspecify.annotations.Nullable;

/** Packages by {@code apt-get download} from the sources that this host is configured for; root isn't needed. */
final class AptSource implements PackageSource {
    private static final Pattern DEPENDS = Pattern.compile("^Depends: (linux-image-[0-9][^ ,]*)", Pattern.MULTILINE);
    private static final Pattern SIZE = Pattern.compile("^Size: (\\d{1,15})$", Pattern.MULTILINE);

    private final Host host;

    AptSource(Host host) {
        this.host = host;
    }

    @Override
    public List<Path> fetch(@Nullable String suite, List<String> names, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        Apt apt = suite == null
                ? Apt.ofHost(into)
                : Apt.withSources(DebianSources.of(host, into, progress).list(suite), into, progress);
        List<String> packages = new ArrayList<>();
        long size = 0;
        for (String name : names) {
            String about = show(apt, name, progress);
            Matcher real = DEPENDS.matcher(about);
            String wanted = name;
            if (name.startsWith("linux-image-") && real.find()) {
                wanted = real.group(1);
                about = show(apt, wanted, progress);
            }
            Matcher s = SIZE.matcher(about);
            size += s.find() ? Long.parseLong(s.group(1)) : 0;
            packages.add(wanted);
        }
        progress.start("downloading packages", size);
        Apt.Output out = download(apt, packages, into, progress);
        if (out.status() != 0 && out.outdated() && apt.canUpdate()) {
            progress.broken();
            update(apt, progress);
            progress.start("downloading packages", size);
            out = download(apt, packages, into, progress);
        }
        if (out.status() != 0) {
            progress.broken();
            if (out.text().contains("No space left on device")) {
                throw new IOException("No space left on device");
            }
            throw new ImageException("apt-get could not download " + String.join(" and ", packages) + ": " + out.error()
                    + (!apt.canUpdate() && out.outdated()
                            ? "; the package lists are old, run: sudo apt-get update"
                            : ""));
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

    private static Apt.Output download(Apt apt, List<String> packages, Path into, Progress progress)
            throws ImageException, IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("apt-get", "-q", "download"));
        command.addAll(packages);
        Path log = into.resolve("apt.log");
        Process p = apt.start(command, ProcessBuilder.Redirect.to(log.toFile()));
        while (!p.waitFor(200, TimeUnit.MILLISECONDS)) {
            progress.at(sizeOf(into));
        }
        return new Apt.Output(p.exitValue(), Files.readString(log, StandardCharsets.ISO_8859_1));
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

    private static void update(Apt apt, Progress progress) throws ImageException, IOException, InterruptedException {
        progress.say("updating the package lists");
        apt.run("apt-get", "-q", "update");
    }

    private static String show(Apt apt, String name, Progress progress)
            throws ImageException, IOException, InterruptedException {
        String[] command = {"apt-cache", "show", "--no-all-versions", name};
        Apt.Output out = apt.run(command);
        if (out.status() != 0 && apt.canUpdate()) {
            update(apt, progress);
            out = apt.run(command);
        }
        if (out.status() != 0) {
            throw new ImageException("the package sources of this machine have no " + name + " (" + out.error()
                    + "); run apt-get update as root, or give a kernel by --kernel");
        }
        return out.text();
    }
}
