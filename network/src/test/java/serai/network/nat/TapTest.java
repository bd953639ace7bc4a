package serai.network.nat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernel's own network stack as the guest: a TAP interface in a network namespace, and busybox's programs there. */
@Tag("e2e")
final class TapTest {
    private static final int SECONDS = 30;

    private final Path dir;
    private final List<AutoCloseable> resources = new ArrayList<>();
    private @Nullable Setup setup;

    /** What a test works with. */
    private record Setup(Process namespace, UserNetwork network, TapGuest guest) {}

    TapTest(@TempDir Path dir) {
        this.dir = dir;
    }

    @BeforeEach
    void needs() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/bin/busybox")), "capability: busybox");
        assumeTrue(
                Files.isWritable(Path.of("/dev/net/tun")) && host("unshare", "-n", "ip", "link") == 0,
                "capability: tap");
    }

    @AfterEach
    void end() throws Exception {
        for (AutoCloseable c : resources.reversed()) {
            c.close();
        }
        if (setup != null) {
            setup.guest.close();
            setup.network.close();
            setup.namespace.destroy();
            assertNull(setup.guest.failure());
        }
    }

    private static int host(String... command) throws IOException, InterruptedException {
        Process p = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        return p.waitFor();
    }

    private void start(UserNetworkConfig config, boolean header, int lost) throws Exception {
        Process namespace = new ProcessBuilder("unshare", "-n", "sleep", "1000").start();
        UserNetwork network = UserNetwork.start(config);
        TapGuest guest = new TapGuest("seraitest%d", network.port(), header, lost);
        setup = new Setup(namespace, network, guest);
        String pid = Long.toString(namespace.pid());
        while (!Files.readSymbolicLink(Path.of("/proc", pid, "exe")).endsWith("sleep")) {
            Thread.onSpinWait(); // unshare is still at it
        }
        assertEquals(0, host("ip", "link", "set", guest.name(), "netns", pid));
        run("ip link set lo up; ip link set " + guest.name() + " up");
        Path script = dir.resolve("dhcp");
        Files.writeString(script, """
                #!/bin/sh
                [ "$1" = bound ] || exit 0
                ip addr add $ip/$mask dev $interface
                ip route add default via $router
                echo "$ip $router $dns $mtu $hostname" > "%s"
                """.formatted(dir.resolve("lease")));
        assertTrue(script.toFile().setExecutable(true));
        run("/bin/busybox udhcpc -i " + guest.name() + " -n -q -f -t 20 -T 1 -s " + script);
    }

    private Setup setup() {
        return Objects.requireNonNull(setup);
    }

    private ProcessBuilder inGuest(String shell) {
        return new ProcessBuilder(
                        "nsenter", "-t", Long.toString(setup().namespace.pid()), "-n", "sh", "-c", shell)
                .redirectErrorStream(true);
    }

    /** What it says. */
    private String run(String shell) throws Exception {
        Process p = inGuest(shell).start();
        assertTrue(
                p.waitFor(SECONDS, TimeUnit.SECONDS),
                () -> shell + ": " + setup().network.statistics());
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.exitValue(), shell + ": " + said + setup().network.statistics());
        return said.strip();
    }

    private static byte[] bytes(int n) {
        byte[] b = new byte[n];
        new Random(n).nextBytes(b);
        return b;
    }

    private static String sha256(byte[] b) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(b));
    }

    /** A server that gives bytes to one client, and another that takes some; what it took, by the future. */
    private ServerSocket server(String address) throws IOException {
        ServerSocket s = new ServerSocket(0, 50, InetAddress.ofLiteral(address));
        s.setSoTimeout(SECONDS * 1000);
        resources.add(s);
        return s;
    }

    private void download(String address, String as, int n) throws Exception {
        ServerSocket s = server(address);
        byte[] b = bytes(n);
        Thread writer = Thread.ofPlatform().start(() -> {
            try (Socket c = s.accept();
                    OutputStream out = c.getOutputStream()) {
                out.write(b);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        String sum = run("/bin/busybox nc " + as + " " + s.getLocalPort() + " < /dev/null | sha256sum");
        assertEquals(sha256(b) + "  -", sum);
        writer.join();
    }

    private void upload(String address, String as, int n) throws Exception {
        ServerSocket s = server(address);
        Path file = Files.write(dir.resolve("upload"), bytes(n));
        Process p = inGuest("/bin/busybox nc " + as + " " + s.getLocalPort() + " < " + file)
                .start();
        try (Socket c = s.accept();
                InputStream in = c.getInputStream()) {
            c.setSoTimeout(SECONDS * 1000);
            byte[] got = in.readNBytes(n);
            assertEquals(sha256(bytes(n)), sha256(got), "of " + got.length + " bytes");
        }
        assertTrue(p.waitFor(SECONDS, TimeUnit.SECONDS));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void addressesAndEchoes(boolean header) throws Exception {
        start(UserNetworkConfig.DEFAULT.withNames("box", ""), header, 0);
        assertEquals(
                "10.0.2.15 10.0.2.2 10.0.2.3 1500 box",
                Files.readString(dir.resolve("lease")).strip());
        String said = run("/bin/busybox ping -c 2 -w 20 10.0.2.2; /bin/busybox ping -c 1 -w 20 -s 9000 10.0.2.3");
        assertTrue(said.contains("2 packets received"), said);
        assertTrue(said.contains("9008 bytes from 10.0.2.3"), said);
        String addresses = "";
        for (int i = 0; i < 100 && !addresses.contains("fec0::"); i++) {
            addresses = run("ip -6 addr show dev " + setup().guest.name() + "; sleep 0.1");
        }
        assertTrue(addresses.contains("fec0::"), addresses);
        assertTrue(run("ip -6 route").contains("default via fe80::2"));
        said = run("/bin/busybox ping -6 -c 1 -w 20 fec0::2");
        assertTrue(said.contains("1 packets received"), said);
    }

    @ParameterizedTest
    @CsvSource({"true, 1500", "false, 1500", "false, 65520"})
    void streams(boolean header, int mtu) throws Exception {
        start(UserNetworkConfig.DEFAULT.withMtu(mtu), header, 0);
        run("ip link set mtu " + mtu + " dev " + setup().guest.name());
        download("127.0.0.1", "10.0.2.2", 20_000_000);
        upload("127.0.0.1", "10.0.2.2", 20_000_000);
        run("ip -6 addr add fec0::77/64 dev " + setup().guest.name() + " nodad");
        download("::1", "fec0::2", 5_000_000);
        upload("::1", "fec0::2", 5_000_000);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void framesThatGetLost(boolean header) throws Exception {
        start(UserNetworkConfig.DEFAULT, header, header ? 20 : 100);
        download("127.0.0.1", "10.0.2.2", 3_000_000);
    }

    @Test
    void forwardedPort() throws Exception {
        start(UserNetworkConfig.DEFAULT.withForward(HostForward.parse("tcp:127.0.0.1:0-:8000")), true, 0);
        byte[] b = bytes(3_000_000);
        Files.write(dir.resolve("file"), b);
        Process httpd = inGuest("exec /bin/busybox httpd -f -p 8000 -h " + dir).start();
        resources.add(httpd::destroy);
        InetSocketAddress at = setup().network.forwards().keySet().iterator().next();
        byte[] got = {};
        for (int i = 0; i < 100 && got.length == 0; i++) { // until it listens
            try (Socket s = new Socket(at.getAddress(), at.getPort())) {
                s.getOutputStream().write("GET /file HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                got = s.getInputStream().readAllBytes();
            } catch (IOException e) {
                got = new byte[0];
            }
            if (got.length == 0) {
                Thread.sleep(50);
            }
        }
        assertTrue(got.length > b.length, "got " + got.length);
        assertEquals(sha256(b), sha256(java.util.Arrays.copyOfRange(got, got.length - b.length, got.length)));
    }

    @Test
    void names() throws Exception {
        DatagramSocket dns = new DatagramSocket(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0));
        resources.add(dns);
        Thread unused = Thread.ofPlatform().daemon().start(() -> answer(dns));
        InetSocketAddress at = (InetSocketAddress) dns.getLocalSocketAddress();
        start(UserNetworkConfig.DEFAULT.withResolvers(List.of(at)), true, 0);
        String said = run("/bin/busybox nslookup -type=a something.example. 10.0.2.3");
        assertTrue(said.contains("198.51.100.77"), said);
    }

    /** Every name has the one address. */
    private static void answer(DatagramSocket dns) {
        while (!dns.isClosed()) {
            try {
                DatagramPacket p = new DatagramPacket(new byte[512], 512);
                dns.receive(p);
                ByteBuffer b = ByteBuffer.allocate(p.getLength() + 16);
                b.put(p.getData(), 0, p.getLength());
                b.putShort(2, (short) 0x8180).putShort(6, (short) 1);
                b.putInt(0xc00c0001)
                        .putShort((short) 1)
                        .putInt(60)
                        .putShort((short) 4)
                        .putInt(0xc633_644d);
                dns.send(new DatagramPacket(b.array(), b.position(), p.getSocketAddress()));
            } catch (IOException e) {
                return;
            }
        }
    }
}
