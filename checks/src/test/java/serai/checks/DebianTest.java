package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Machines;
import serai.image.Progress;

/** Image debian on the Java engine: systemd, a login, a disk that keeps. */
@Tag("e2e")
final class DebianTest {
    /** Of one step; a whole boot takes one and a half minutes on an idle machine. */
    private static final int PATIENCE = 900;

    private static final String PROMPT = "root@debian:~# ";

    @TempDir
    Path directory;

    private static Machines.Temporary machine(String name) throws InterruptedException {
        try {
            return Machines.forUser(Progress.onStandardError()).temporary(name);
        } catch (ImageException e) {
            boolean tools = String.valueOf(e.getMessage()).contains("not installed");
            assumeTrue(false, tools ? "capability: mmdebstrap" : "capability: debian-packages");
            throw new AssertionError(e);
        }
    }

    private static Path disk(Image i) {
        Path d = i.disk();
        assertTrue(d != null);
        return d;
    }

    /** A guest with somebody logged in. */
    private static final class Session implements AutoCloseable {
        private final Vmm vmm;

        Session(Image i, String... more) throws Exception {
            List<String> w = new ArrayList<>(List.of(
                    "kernel=" + i.kernel(),
                    "initrd=" + i.initrd(),
                    "append=" + i.append(),
                    "disk=" + disk(i) + ",readonly=false",
                    "engine=java",
                    "memory=512M",
                    "timeout=3000"));
            w.addAll(List.of(more));
            vmm = Vmm.start(w);
            vmm.awaitOutput(o -> o.contains("debian login: "), PATIENCE);
            vmm.type("root\n");
            vmm.awaitOutput(o -> o.contains(PROMPT), PATIENCE);
        }

        /** What a command says; its end is told from the echo of the command by the arithmetic in it. */
        String run(String command) throws Exception {
            int before = vmm.awaitOutput(o -> true, 1).length();
            vmm.type(command + "; echo end-$((6 * 7))-$?\n");
            String all = vmm.awaitOutput(o -> o.indexOf("end-42-", before) > 0 && o.endsWith(PROMPT), PATIENCE);
            return all.substring(before);
        }

        void succeeds(String command, String says) throws Exception {
            String out = run(command);
            assertTrue(out.contains("end-42-0\r\n") && out.contains(says), out);
        }

        void powerOff() throws Exception {
            vmm.type("poweroff\n");
            Vmm.Result r = vmm.await(PATIENCE);
            assertEquals(0, r.status(), r.err());
        }

        @Override
        public void close() {
            vmm.close();
        }
    }

    private static String command(List<String> words) throws IOException, InterruptedException {
        Process p = new ProcessBuilder(words).redirectErrorStream(true).start();
        String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), words + ": " + out);
        return out;
    }

    private static void isClean(Path disk) throws Exception {
        // as a user's PATH may lack it
        command(List.of("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; e2fsck -fn \"$1\"", "sh", disk.toString()));
    }

    @Test
    void bootsToARunningSystemAndPowersOffClean() throws Exception {
        bootsToARunningSystemAndPowersOffClean("debian");
    }

    @Test
    @Tag("soak")
    void trixie_bootsToARunningSystemAndPowersOffClean() throws Exception {
        bootsToARunningSystemAndPowersOffClean("debian:trixie");
    }

    private static void bootsToARunningSystemAndPowersOffClean(String name) throws Exception {
        try (Machines.Temporary m = machine(name)) {
            try (Session s = new Session(m.image())) {
                s.succeeds("systemctl is-system-running --wait", "running\r\n");
                s.powerOff();
            }
            isClean(disk(m.image()));
        }
    }

    @Test
    @Tag("soak")
    void diskKeepsWhatIsWritten_andAPackageFromALocalRepositoryIsInstalled() throws Exception {
        Path repository = repository();
        try (Machines.Temporary m = machine("debian")) {
            String id;
            try (Session s = new Session(m.image())) {
                s.succeeds("echo kept-$((1 + 1)) > /root/kept", "");
                id = s.run("cat /etc/machine-id").replaceFirst("(?s).*?\\r\\n.*?([0-9a-f]{32}).*", "$1");
                s.powerOff();
            }
            isClean(disk(m.image()));
            try (Session s = new Session(m.image(), "disk=" + repository + ",readonly=true")) {
                s.succeeds("cat /root/kept", "kept-2\r\n");
                s.succeeds("cat /etc/machine-id", id);
                s.succeeds("mount -o ro /dev/vdb /mnt", "");
                s.succeeds("echo 'deb [trusted=yes] file:/mnt ./' > /etc/apt/sources.list", "");
                s.succeeds("apt-get update && apt-get install -y serai-hello", "Setting up serai-hello (1.0)");
                s.succeeds("serai-hello", "hello from a package\r\n");
                s.succeeds("systemctl is-system-running", "running\r\n");
                s.powerOff();
            }
            isClean(disk(m.image()));
        }
    }

    /** A disk with a repository of one package. */
    private Path repository() throws Exception {
        Path tree = directory.resolve("package");
        String control = """
                Package: serai-hello
                Version: 1.0
                Architecture: all
                Maintainer: Nobody <nobody@localhost>
                Description: says hello
                """;
        Files.createDirectories(tree.resolve("DEBIAN"));
        Files.writeString(tree.resolve("DEBIAN/control"), control);
        Path program = Files.createDirectories(tree.resolve("usr/bin")).resolve("serai-hello");
        Files.writeString(program, "#!/bin/sh\necho hello from a package\n");
        assertTrue(program.toFile().setExecutable(true, false));
        Path files = Files.createDirectories(directory.resolve("repository"));
        Path deb = files.resolve("serai-hello_1.0_all.deb");
        command(List.of("dpkg-deb", "--root-owner-group", "-b", tree.toString(), deb.toString()));
        byte[] b = Files.readAllBytes(deb);
        String hash =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(b));
        Files.writeString(
                files.resolve("Packages"),
                control + "Filename: ./" + deb.getFileName() + "\nSize: " + b.length + "\nSHA256: " + hash + "\n");
        Path disk = directory.resolve("repository.raw");
        try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "rw")) {
            f.setLength(8 << 20);
        }
        command(List.of(
                "sh",
                "-c",
                "PATH=$PATH:/usr/sbin:/sbin; mke2fs -q -F -t ext4 -d \"$1\" \"$2\"",
                "sh",
                files.toString(),
                disk.toString()));
        return disk;
    }
}
