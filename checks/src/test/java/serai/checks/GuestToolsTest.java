package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Machines;
import serai.image.Progress;
import serai.image.SeedIso;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What the field has in its guests, in image debian: cloud-init with a seed, SSH by a forwarded port, the agent of QEMU's guests. */
@Tag("e2e")
final class GuestToolsTest {
    private static final int PATIENCE = 900;

    @TempDir
    Path directory;

    /** The host's side of qemu-guest-agent: JSON lines on the port {@code org.qemu.guest_agent.0}. */
    private static final class Agent implements AutoCloseable {
        private static final JsonMapper JSON = new JsonMapper();

        private final SocketChannel channel;
        private final BufferedReader answers;

        Agent(Path socket) throws IOException {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            answers = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
        }

        void tell(String command) throws IOException {
            channel.write(StandardCharsets.UTF_8.encode(command.replace('\'', '"') + "\n"));
        }

        JsonNode ask(String command) throws IOException {
            tell(command);
            String line = answers.readLine();
            assertTrue(line != null, "the agent is gone");
            JsonNode answer = JSON.readTree(line);
            assertTrue(answer.has("return"), command + ": " + line);
            return answer.get("return");
        }

        /** What a program prints. */
        String run(String program, String argument) throws Exception {
            long pid = ask("{'execute': 'guest-exec', 'arguments': {'path': '" + program + "', 'arg': ['" + argument
                            + "'], 'capture-output': true}}")
                    .path("pid")
                    .asLong();
            JsonNode status;
            do {
                Thread.sleep(50);
                status = ask("{'execute': 'guest-exec-status', 'arguments': {'pid': " + pid + "}}");
            } while (!status.path("exited").asBoolean());
            assertEquals(0, status.path("exitcode").asInt());
            return decoded(status.path("out-data"));
        }

        private static String decoded(JsonNode base64) {
            return new String(Base64.getDecoder().decode(base64.asString("")), StandardCharsets.UTF_8);
        }

        /** What is in a file. */
        String read(String file) throws IOException {
            long handle = ask("{'execute': 'guest-file-open', 'arguments': {'path': '" + file + "'}}")
                    .asLong();
            String s = decoded(ask("{'execute': 'guest-file-read', 'arguments': {'handle': " + handle + "}}")
                    .path("buf-b64"));
            ask("{'execute': 'guest-file-close', 'arguments': {'handle': " + handle + "}}");
            return s;
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private static Machines.Temporary machine() throws InterruptedException {
        try {
            return Machines.forUser(Progress.onStandardError()).temporary("debian");
        } catch (ImageException e) {
            boolean tools = String.valueOf(e.getMessage()).contains("not installed");
            assumeTrue(false, tools ? "capability: mmdebstrap" : "capability: debian-packages");
            throw new AssertionError(e);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return s.getLocalPort();
        }
    }

    /** Until the guest lets us in; what a command says there. */
    private String ssh(int port, String command) throws Exception {
        List<String> words =
                new ArrayList<>(List.of("ssh", "-q", "-p", Integer.toString(port), "-i", directory + "/key"));
        for (String option : List.of(
                "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=10")) {
            words.addAll(List.of("-o", option));
        }
        words.addAll(List.of("root@127.0.0.1", command));
        Path out = directory.resolve("ssh");
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE); System.nanoTime() < end; ) {
            Process p = new ProcessBuilder(words)
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile())
                    .start();
            if (p.waitFor(120, TimeUnit.SECONDS) && p.exitValue() == 0) {
                return Files.readString(out);
            }
            p.destroyForcibly();
            Thread.sleep(1_000);
        }
        throw new AssertionError("nobody is let in: " + Files.readString(out));
    }

    @Test
    void aHostSetsUpItsGuestAndAsksIt() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/ssh-keygen")), "capability: ssh");
        Path key = directory.resolve("key");
        Tool.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key.toString());
        Path seed = directory.resolve("seed.iso");
        SeedIso.write(
                seed,
                SeedIso.files(
                        SeedIso.letIn(List.of(
                                Files.readString(directory.resolve("key.pub")).strip())),
                        "debian"));
        int port = freePort();
        Path socket = directory.resolve("agent");
        try (Machines.Temporary m = machine()) {
            Image i = m.image();
            try (Vmm v = Vmm.start(List.of(
                    "kernel=" + i.kernel(),
                    "initrd=" + i.initrd(),
                    "append=" + i.append(),
                    "disk=" + i.disk() + ",readonly=false",
                    "disk=" + seed + ",readonly=true,bus=virtio,format=raw",
                    "net=user,hostfwd=tcp:127.0.0.1:" + port + "-:22",
                    "port=org.qemu.guest_agent.0,unix:" + socket,
                    "engine=java",
                    "memory=512M",
                    "timeout=3000"))) {
                assertEquals(
                        "debian\n2\nstatus: done\n",
                        ssh(port, "hostname; echo $((1 + 1)); cloud-init status --wait | tail -n 1"));
                try (Agent a = new Agent(socket)) {
                    assertEquals(
                            4711,
                            a.ask("{'execute': 'guest-sync', 'arguments': {'id': 4711}}")
                                    .asInt());
                    assertTrue(a.ask("{'execute': 'guest-info'}").has("version"));
                    assertTrue(a.ask("{'execute': 'guest-network-get-interfaces'}")
                            .toString()
                            .contains("10.0.2.15"));
                    assertEquals("hello\n", a.run("/bin/echo", "hello"));
                    assertEquals("debian\n", a.read("/etc/hostname"));
                    assertTrue(a.ask("{'execute': 'guest-fsfreeze-freeze'}").asInt() > 0);
                    assertEquals(
                            "frozen",
                            a.ask("{'execute': 'guest-fsfreeze-status'}").asString(""));
                    assertTrue(a.ask("{'execute': 'guest-fsfreeze-thaw'}").asInt() > 0);
                    long seconds = a.ask("{'execute': 'guest-get-time'}").asLong() / 1_000_000_000;
                    long off = Math.abs(seconds - Instant.now().getEpochSecond());
                    assertTrue(off < 60, "the guest's clock is off by " + off + " s");
                    a.tell("{'execute': 'guest-shutdown'}");
                    assertEquals(0, v.await(PATIENCE).status());
                }
            }
        }
    }
}
