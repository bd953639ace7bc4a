package serai.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DebianImageTest {
    private static final String STANZAS = """
            # the archive
            Types: deb
            URIs: http://mirror.example/debian
            Suites: bookworm bookworm-updates
            Components: main
            Signed-By: /usr/share/keyrings/debian.gpg

            Types: deb
            URIs: http://mirror.example/security
            Suites: bookworm-security
            Components: main
            Signed-By:
             -----BEGIN PGP PUBLIC KEY BLOCK-----
            """;
    private static final String FILE = "/etc/apt/sources.list.d/debian.sources";

    @TempDir
    Path dir = Path.of("");

    private final ByteArrayOutputStream messages = new ByteArrayOutputStream();
    private final Progress progress = new Progress(new PrintStream(messages, true, StandardCharsets.UTF_8), false);
    private final FakeHost host = debianHost();

    private static String target(String origin, String component, String codename, String uri, String entry) {
        return String.join("\t", "Packages", origin, "amd64", component, codename, uri, entry, "\n");
    }

    static FakeHost debianHost() {
        FakeHost h = new FakeHost();
        h.files.put(FILE, STANZAS);
        h.files.put("/etc/apt/sources.list", """
                # another one
                deb [arch=amd64 signed-by=/etc/apt/keyrings/other.gpg] http://other.example/debian trixie main
                """);
        h.targets = target("Example", "main", "stable", "http://example.com/", "/etc/apt/sources.list:9")
                + target("Debian", "main", "trixie", "http://other.example/debian/", "/etc/apt/sources.list:2")
                + target("Debian", "main", "bookworm", "http://mirror.example/debian/", FILE + ":1")
                + target("Debian", "contrib", "bookworm", "http://mirror.example/debian/", FILE + ":1")
                + target("Debian", "main", "bookworm-updates", "http://mirror.example/debian/", FILE + ":1")
                + target("Debian", "main", "bookworm-backports", "http://mirror.example/debian/", FILE + ":1")
                + target("Debian", "main", "bookworm-security", "http://mirror.example/security/", FILE + ":2");
        return h;
    }

    private Images images() {
        return new Images(dir, (s, n, i, p) -> List.of(), host, progress);
    }

    private String failure(String image) {
        return String.valueOf(
                assertThrows(ImageException.class, () -> images().get(image)).getMessage());
    }

    private List<String> left(String image) throws IOException {
        try (Stream<Path> left = Files.list(dir.resolve(image))) {
            return left.map(p -> p.getFileName().toString()).toList();
        }
    }

    @Test
    void sources_areThoseOfTheHostsOwnSuiteWithTheirKeys() throws Exception {
        DebianSources s = DebianSources.of(host, dir, progress);
        assertEquals("bookworm", s.suite());
        assertEquals("""
                deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian/ bookworm main
                deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian/ bookworm-updates main
                deb http://mirror.example/security/ bookworm-security main
                """, s.list("bookworm"));
    }

    @Test
    void sources_ofAnotherSuiteAreDerived_aRollingOneHasNoParts() throws Exception {
        DebianSources s = DebianSources.of(host, dir, progress);
        assertTrue(s.list("trixie").contains("http://mirror.example/security/ trixie-security main\n"));
        assertEquals(
                "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian/ sid main\n",
                s.list("sid"));
    }

    @Test
    void sources_ofAHostOfAnotherKind_areTheFirstThatAreDebians() throws Exception {
        host.files.put("/etc/os-release", "ID=other\n");
        DebianSources s = DebianSources.of(host, dir, progress);
        assertEquals("trixie", s.suite());
        assertEquals(
                "deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.example/debian/ trixie main\n",
                s.list("trixie"));
    }

    @Test
    void noDebianAmongTheSources_isOneSentence() {
        host.targets = target("Example", "main", "stable", "http://example.com/", "/etc/apt/sources.list:1");
        assertTrue(failure("debian").startsWith("the package sources of this machine have no Debian for amd64"));
        assertTrue(host.ran.contains("apt-get -q update"));
    }

    @Test
    void image_isBuiltOnceAndHasKernelInitramfsAndDisk() throws Exception {
        Image debian = images().get("debian");
        assertEquals("console=ttyS0 root=/dev/vda ro memhp_default_state=online_movable", debian.append());
        assertEquals("kernel", Files.readString(debian.kernel()));
        assertEquals(DebianImage.DISK_SIZE, Files.size(dir.resolve("debian/2/disk.raw")));
        List<String> names = new ArrayList<>();
        String init = "";
        try (CpioArchiveInputStream in = new CpioArchiveInputStream(Files.newInputStream(debian.initrd()))) {
            for (CpioArchiveEntry e; (e = in.getNextEntry()) != null; ) {
                names.add(e.getName());
                if (e.getName().equals("init")) {
                    init = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
                }
            }
        }
        assertTrue(
                names.containsAll(List.of("bin/busybox", "dev/console", "lib/10-virtio.ko", "lib/11-virtio_blk.ko")));
        assertTrue(init.startsWith("#!/bin/sh\n") && init.contains("exec busybox switch_root /mnt"), init);
        String bootstrap = host.ran.stream()
                .filter(c -> c.contains("mmdebstrap --verbose"))
                .findFirst()
                .orElseThrow();
        assertTrue(bootstrap.contains(" --aptopt=Acquire::http::Proxy \"http://proxy.example:3128\"; "), bootstrap);
        assertTrue(bootstrap.contains(" bookworm " + dir), bootstrap);
        int commands = host.ran.size();
        images().get("debian");
        assertEquals(commands, host.ran.size());
        images().get("debian:trixie");
        assertTrue(Files.exists(dir.resolve("debian-trixie/2/disk.raw")));
    }

    @Test
    void missingPrograms_areInstalledByRoot_andNamedToOthers() throws Exception {
        host.programs.removeAll(List.of("mmdebstrap", "mke2fs"));
        host.root = false;
        assertEquals(
                "image debian is made with programs that are not installed; install them: sudo apt-get install e2fsprogs"
                        + " mmdebstrap",
                failure("debian"));
        host.root = true;
        images().get("debian");
        assertTrue(messages.toString(StandardCharsets.UTF_8).contains("serai: installing e2fsprogs mmdebstrap"));
    }

    @Test
    void withoutRoot_ownersAreKeptByFakeroot() throws Exception {
        host.root = false;
        images().get("debian");
        assertEquals(
                1, host.ran.stream().filter(c -> c.startsWith("fakeroot sh -c")).count());
    }

    @Test
    void failure_tellsTheCauseAndLeavesNothing() throws Exception {
        host.failing.put("mmdebstrap", """
                I: running apt-get update...
                Err:2 http://mirror.example/debian nosuch Release
                E: The repository 'http://mirror.example/debian nosuch Release' does not have a Release file.
                E: apt-get update failed
                E: mmdebstrap failed to run
                """);
        assertEquals(
                "Debian nosuch could not be installed: The repository 'http://mirror.example/debian nosuch Release' does"
                        + " not have a Release file.",
                failure("debian:nosuch"));
        assertEquals(List.of("lock"), left("debian-nosuch"));
        host.failing.clear();
        assertFalse(images().get("debian:nosuch").name().isEmpty());
    }

    @Test
    void fullDisk_isOneSentence() throws Exception {
        host.failing.put("sh", "mke2fs: No space left on device while writing\nmke2fs: giving up");
        assertEquals(
                "image debian can't be built in " + dir.resolve("debian") + ": No space left on device",
                failure("debian"));
        assertEquals(List.of("lock"), left("debian"));
    }

    @Test
    void names_ofSuitesAreCheckedBeforeAnythingRuns() {
        for (String bad : List.of("debian:", "debian:../x", "debian:Sid", "debian: x", "debian:-x")) {
            assertEquals(
                    "there is no image '" + bad
                            + "'; the images are: tiny, generic and debian, or with a suite, such as debian:trixie",
                    failure(bad));
        }
        assertEquals(List.of(), host.ran);
    }

    @Test
    void applets_areFoundWhereverTheLinkerPutTheirNames() {
        String list =
                "[\0[[\0cat\0cttyhack\0dd\0dmesg\0echo\0insmod\0ls\0mkdir\0mount\0poweroff\0ps\0reboot\0setsid\0sh\0sleep\0"
                        + "switch_root\0umount\0uname\0\0/bin/";
        for (String before : List.of("\0", "\u00ae ", "[\0x\0")) {
            byte[] binary = ("code" + before + list).getBytes(StandardCharsets.ISO_8859_1);
            assertTrue(Busybox.applets(binary).contains("switch_root"));
        }
    }

    @Test
    void bootstrapProgress_growsWithWhatMmdebstrapSays() {
        progress.startPercent("job");
        BootstrapProgress b = new BootstrapProgress(progress);
        List<Integer> shown = new ArrayList<>();
        for (String line : """
                I: running apt-get update...
                Get:1 http://mirror.example/debian bookworm InRelease [151 kB]
                I: downloading packages with apt...
                0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
                Need to get 2,000 kB of archives.
                Get:1 http://mirror.example/debian bookworm/main amd64 a amd64 1 [1,000 kB]
                I: extracting archives...
                I: installing essential packages...
                Unpacking a (1) ...
                Unpacking b (1) ...
                I: installing remaining packages inside the chroot...
                I: running --customize-hook in shell: sh -c ''
                I: creating tarball...
                I: done
                """.lines().toList()) {
            b.accept(line);
            shown.add(b.percent());
        }
        assertEquals(List.of(1, 1, 8, 8, 8, 12, 17, 22, 27, 32, 43, 86, 95, 100), shown);
        assertTrue(messages.toString(StandardCharsets.UTF_8).endsWith("serai: job: 100 %\n"));
    }
}
