package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Networks, as a stock kernel and busybox in the guest find them. */
@Tag("e2e")
final class NetworkTest {
    private static final String ADDRESS = "inet 10.0.2.15/24";
    private static final int DOWNLOAD = 64 << 20;

    @TempDir
    Path directory;

    /** Without interfaces of its own for the shell's prompt to get lost in: the kernel says nothing on the console. */
    private static Vmm guest(String... words) throws Exception {
        Vmm v = Vmm.start(Tiny.words(words));
        Tiny.awaitShell(v);
        Tiny.shell(v, "dmesg -n 1");
        return v;
    }

    private static byte[] noise(int bytes) {
        byte[] b = new byte[bytes];
        new Random(7).nextBytes(b);
        return b;
    }

    private static String sha256(byte[] b) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(b));
    }

    private static HttpServer http(byte[] content) throws IOException {
        HttpServer s = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        s.createContext("/", e -> {
            e.sendResponseHeaders(200, content.length);
            e.getResponseBody().write(content);
            e.close();
        });
        s.start();
        return s;
    }

    private static int freePort() throws IOException {
        try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return s.getLocalPort();
        }
    }

    /** A name server that answers each question for an IPv4 address with 192.0.2.7. */
    private static DatagramSocket nameServer() throws SocketException {
        DatagramSocket s = new DatagramSocket(0, InetAddress.getLoopbackAddress());
        Thread.ofPlatform().daemon().start(() -> {
            byte[] b = new byte[1500];
            DatagramPacket p = new DatagramPacket(b, b.length);
            try {
                while (true) {
                    s.receive(p);
                    int end = 12;
                    while (b[end] != 0) {
                        end += b[end] + 1;
                    }
                    boolean ipv4 = b[end + 2] == 1;
                    byte[] answer = Arrays.copyOf(b, end + 5 + (ipv4 ? 16 : 0));
                    answer[2] = (byte) 0x81;
                    answer[3] = (byte) 0x80;
                    answer[7] = (byte) (ipv4 ? 1 : 0);
                    answer[11] = 0;
                    byte[] record = {(byte) 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, (byte) 192, 0, 2, 7};
                    System.arraycopy(record, 0, answer, end + 5, ipv4 ? 16 : 0);
                    s.send(new DatagramPacket(answer, answer.length, p.getSocketAddress()));
                    p.setLength(b.length);
                }
            } catch (IOException e) {
                return; // closed
            }
        });
        return s;
    }

    @Test
    void aNetworkOfTheGuestsOwn() throws Exception {
        byte[] content = noise(DOWNLOAD);
        HttpServer http = http(content);
        int forwarded = freePort();
        Path capture = directory.resolve("net.pcap");
        Path qmp = directory.resolve("qmp");
        try (DatagramSocket names = nameServer();
                Vmm v = guest(
                        "qmp=" + qmp,
                        "net=user,hostfwd=tcp:127.0.0.1:" + forwarded + "-:80,resolver=127.0.0.1:"
                                + names.getLocalPort() + ",capture=" + capture)) {
            Tiny.awaitShell(v, "ip addr show dev eth0", ADDRESS);
            assertTrue(Tiny.shell(v, "ping -c 3 10.0.2.2").contains("3 packets received"));
            Tiny.awaitShell(v, "ip -6 route", "default via fe80::");
            assertTrue(Tiny.shell(v, "ping6 -c 3 fec0::2").contains("3 packets received"));
            Tiny.awaitShell(v, "nslookup serai.example", "192.0.2.7");

            int port = http.getAddress().getPort();
            assertEquals(
                    sha256(content) + "  -",
                    Tiny.shell(v, "wget -q -O - http://10.0.2.2:" + port + "/ | sha256sum"),
                    "what is downloaded");

            // the other way, and much of it: the guest's server by the forwarded port
            Tiny.shell(v, "wget -q -O /tmp/x http://10.0.2.2:" + port + "/ && httpd -p 80 -h /tmp");
            HttpResponse<byte[]> r;
            try (HttpClient client = HttpClient.newHttpClient()) {
                r = client.send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + forwarded + "/x"))
                                .build(),
                        HttpResponse.BodyHandlers.ofByteArray());
            }
            assertEquals(sha256(content), sha256(r.body()), "what is uploaded");

            // nobody listens there
            assertTrue(Tiny.shell(v, "wget -q -O - http://10.0.2.2:" + freePort() + "/ 2>&1")
                    .contains("refused"));

            Tiny.shell(v, "kill -USR1 $(pidof udhcpc); sleep 1"); // renew
            Tiny.awaitShell(v, "ip addr show dev eth0", ADDRESS);

            try (Qmp q = new Qmp(qmp)) {
                q.execute("{'execute': 'set_link', 'arguments': {'name': 'net0', 'up': false}}");
                Tiny.awaitShell(v, "cat /sys/class/net/eth0/carrier", "0");
                assertTrue(Tiny.shell(v, "ping -c 1 -W 1 10.0.2.2").contains("0 packets received"));
                q.execute("{'execute': 'set_link', 'arguments': {'name': 'net0', 'up': true}}");
                Tiny.awaitShell(v, "cat /sys/class/net/eth0/carrier", "1");
                Tiny.awaitShell(v, "ping -c 1 -W 1 10.0.2.2", "1 packets received");
            }
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        } finally {
            http.stop(0);
        }
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/tcpdump")), "capability: tcpdump");
        String seen = Tool.run("tcpdump", "-n", "-r", capture.toString());
        assertTrue(seen.contains("ICMP echo reply"), "a ping is in the capture");
        assertTrue(
                seen.lines().filter(l -> l.contains("BOOTP/DHCP, Request")).count() >= 3,
                "discovery, request and renewal are in the capture");
    }

    @Test
    void aThousandConnectionsAtOnce() throws Exception {
        int connections = 1_000;
        try (ServerSocket server = new ServerSocket(0, 1_024, InetAddress.getLoopbackAddress());
                Vmm v = guest("net=user")) {
            Tiny.awaitShell(v, "ip addr show dev eth0", ADDRESS);
            Socket[] open = new Socket[connections];
            CompletableFuture<Void> all = CompletableFuture.runAsync(() -> {
                try {
                    for (int i = 0; i < connections; i++) {
                        open[i] = server.accept();
                    }
                    // all of them are open now; each is answered
                    for (Socket s : open) {
                        String name = new String(s.getInputStream().readNBytes(5), StandardCharsets.US_ASCII);
                        s.getOutputStream().write((name + "!\n").getBytes(StandardCharsets.US_ASCII));
                        s.close();
                    }
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            v.type("mkdir /tmp/o; for i in $(seq 10001 " + (10_000 + connections)
                    + "); do (echo $i; sleep 300) | nc 10.0.2.2 " + server.getLocalPort()
                    + " >/tmp/o/$i 2>&1 & done\n");
            all.get(200, java.util.concurrent.TimeUnit.SECONDS);
            Tiny.awaitShell(
                    v,
                    "for i in /tmp/o/*; do [ \"$(cat $i)\" = \"${i##*/}!\" ] && echo good; done | wc -l",
                    Integer.toString(connections));
        }
    }

    @Test
    void anIsolatedGuestReachesNobody() throws Exception {
        HttpServer http = http(noise(100));
        try (Vmm v = guest("net=user,restrict=on")) {
            Tiny.awaitShell(v, "ip addr show dev eth0", ADDRESS);
            assertTrue(Tiny.shell(v, "ping -c 1 10.0.2.2").contains("1 packets received"));
            String said = Tiny.shell(
                    v, "wget -T 2 -O - http://10.0.2.2:" + http.getAddress().getPort() + "/ 2>&1");
            assertFalse(said.contains("100%"), said);
        } finally {
            http.stop(0);
        }
    }

    @Test
    void twoGuestsOnOneCable() throws Exception {
        Path cable = directory.resolve("cable");
        try (Vmm a = guest("net=stream,path=" + cable + ",server=on,mac=52:54:00:00:00:01");
                Vmm b = guest("net=stream,path=" + cable + ",mac=52:54:00:00:00:02")) {
            Tiny.shell(a, "killall udhcpc; ip addr add 192.168.9.1/24 dev eth0");
            Tiny.shell(b, "killall udhcpc; ip addr add 192.168.9.2/24 dev eth0");
            Tiny.awaitShell(b, "ping -c 1 192.168.9.1", "1 packets received");
            Tiny.shell(a, "head -c 30000000 /dev/urandom >/tmp/x; httpd -p 80 -h /tmp");
            assertEquals(
                    Tiny.shell(a, "sha256sum </tmp/x"), Tiny.shell(b, "wget -q -O - http://192.168.9.1/x | sha256sum"));
        }
    }

    /** Two guests that may speak in their own names, and a NAT for both, by the switch's own process. */
    @Test
    void guestsOfOneSwitch() throws Exception {
        Path portA = directory.resolve("a");
        Path portB = directory.resolve("b");
        HttpServer http = http(noise(1_000_000));
        Process lan = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "serai.network.lan.SwitchMain",
                        "path=" + portA + ",mac=52:54:00:00:00:0a",
                        "path=" + portB + ",name=b",
                        "user")
                .redirectError(directory.resolve("switch").toFile())
                .start();
        try (Vmm a = guest("net=stream,path=" + portA + ",mac=52:54:00:00:00:0a");
                Vmm b = guest("net=stream,path=" + portB + ",mac=52:54:00:00:00:0b")) {
            String get = "wget -q -O - http://10.0.2.2:" + http.getAddress().getPort() + "/ | sha256sum";
            for (Vmm v : List.of(a, b)) {
                Tiny.awaitShell(v, "ip addr show dev eth0", "inet 10.0.2.");
                assertEquals(sha256(noise(1_000_000)) + "  -", Tiny.shell(v, get), "by the NAT");
            }
            String address = Tiny.shell(b, "ip -4 -o addr show dev eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'");
            Tiny.awaitShell(a, "ping -c 1 " + address, "1 packets received");
            Tiny.shell(
                    a,
                    "ip link set eth0 down; ip link set eth0 address 52:54:00:00:00:0c; ip link set eth0 up;"
                            + " ip addr add 10.0.2.99/24 dev eth0");
            assertTrue(Tiny.shell(a, "ping -c 2 -W 1 " + address).contains(" 0 packets received"), "in another's name");
            lan.destroy();
            assertTrue(lan.waitFor(30, java.util.concurrent.TimeUnit.SECONDS));
            String said = Files.readString(directory.resolve("switch"));
            assertTrue(said.matches("(?s).*port 1: .* [1-9]\\d* forbidden.*port b: .* 0 forbidden.*"), said);
        } finally {
            lan.destroyForcibly();
            http.stop(0);
        }
    }
}
