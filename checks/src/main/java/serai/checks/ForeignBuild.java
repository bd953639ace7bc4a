package serai.checks;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import serai.image.ImageException;
import serai.image.Progress;
import serai.image.SourcePackages;

/**
 * The programs of checks/foreign, built from Debian's source packages: once for each version of the script that builds them,
 * then they stay in the cache of {@link SourcePackages}.
 */
public final class ForeignBuild {
    /** What the host's C library may choose by its CPU and the guest's may not, or the other way round. */
    static final String PLAIN_LIBC = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4";

    private ForeignBuild() {}

    /** Whether this host can build them, as capability foreign-programs asks. */
    static boolean possible() throws IOException, InterruptedException {
        String probe = Files.readAllLines(Guests.root().resolve("checks/capabilities.txt")).stream()
                .filter(l -> l.startsWith("foreign-programs: "))
                .map(l -> l.substring(l.indexOf(": ") + 2, l.lastIndexOf(": ")))
                .findFirst()
                .orElseThrow();
        return new ProcessBuilder("sh", "-c", probe).start().waitFor() == 0;
    }

    /**
     * The directory with the binaries of a suite.
     *
     * @param suite qemu, system or linux
     * @throws ImageException if the sources can't be had
     */
    public static Path of(String suite) throws ImageException, IOException, InterruptedException {
        Path build = ForeignProgram.directory().resolve("build");
        String version = Integer.toHexString(Arrays.hashCode(Files.readAllBytes(build)));
        Path home = Files.createDirectories(SourcePackages.cache());
        Path done = home.resolve(suite + "-" + version);
        try (FileChannel c =
                        FileChannel.open(home.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = c.lock()) {
            if (lock.isValid() && !Files.isDirectory(done)) {
                Path work = Files.createTempDirectory(home, suite);
                try {
                    Path out = work.resolve("out");
                    run(
                            work,
                            List.of(build.toString(), suite, source(suite, work).toString(), out.toString()));
                    Files.move(out, done, StandardCopyOption.ATOMIC_MOVE);
                } finally {
                    run(home, List.of("rm", "-rf", work.toString()));
                }
            }
        }
        return done;
    }

    private static Path source(String suite, Path work) throws ImageException, IOException, InterruptedException {
        Path packages = Files.createDirectories(work.resolve("packages"));
        Path tree = Files.createDirectories(work.resolve("tree"));
        Progress progress = Progress.onStandardError();
        if (!suite.equals("linux")) {
            Path tar = SourcePackages.upstream("qemu", packages, progress);
            run(work, List.of("tar", "-xf", tar.toString(), "-C", tree.toString(), "--wildcards", "*/tests/tcg/*"));
            return only(tree).resolve("tests/tcg");
        }
        Path deb = SourcePackages.binary("linux-source-6.1", packages, progress);
        run(packages, List.of("dpkg-deb", "-x", deb.toString(), packages.toString()));
        Path tar = packages.resolve("usr/src/linux-source-6.1.tar.xz");
        List<String> command = new ArrayList<>(List.of(
                "tar", "-xf", tar.toString(), "-C", tree.toString(), "--wildcards", "--no-wildcards-match-slash"));
        // the tests, and the headers that they include from elsewhere in the tree
        for (String part :
                List.of("tools/testing/selftests/x86", "tools/testing/selftests/*.h", "arch/x86/include/asm")) {
            command.add("*/" + part);
        }
        run(work, command);
        return only(tree).resolve("tools/testing/selftests/x86");
    }

    private static Path only(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.findFirst().orElseThrow(() -> new IOException("the archive is empty"));
        }
    }

    /** What a program prints on this host's CPU; standard error is part of it. */
    static byte[] runHere(Path program, String but) throws IOException, InterruptedException {
        Path out = Files.createTempFile("serai-foreign", "");
        try {
            String filter = but.isEmpty() ? "" : " | grep -vE \"$2\"";
            String script = PLAIN_LIBC + " \"$1\" 2>&1 </dev/null" + filter;
            Process p = new ProcessBuilder("sh", "-c", script, "sh", program.toString(), but)
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile())
                    .start();
            if (!p.waitFor(120, TimeUnit.SECONDS) || p.exitValue() != 0) {
                p.destroyForcibly();
                throw new IOException(program + " does not end well on this host: " + Files.readString(out));
            }
            return Files.readAllBytes(out);
        } finally {
            Files.delete(out);
        }
    }

    static void run(Path directory, List<String> command) throws IOException, InterruptedException {
        Process p = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        p.getOutputStream().close();
        String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (p.waitFor() != 0) {
            throw new IOException(command + ": " + out);
        }
    }
}
