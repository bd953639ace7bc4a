package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.NativeBuffer;

/** Clients that send nonsense, half of it, too much, or take nothing: they are cut off, and others don't notice. */
@Timeout(120)
class HostileClientTest {
    private static final int MIB = 1 << 20;
    private static final Duration SHORT = Duration.ofMillis(500);

    @TempDir
    private Path directory;

    private final FakeDisk disk = new FakeDisk(4 * MIB).filled(0, 4 * MIB);
    private final List<RawClient> clients = new ArrayList<>();
    private NbdServer server = new NbdServer();
    private UnixDomainSocketAddress address = UnixDomainSocketAddress.of("");

    @BeforeEach
    void listen() throws IOException {
        address = UnixDomainSocketAddress.of(directory.resolve("s"));
        listen(new NbdServer.Limits(16, 8, SHORT, SHORT));
    }

    private void listen(NbdServer.Limits limits) throws IOException {
        server.close();
        server = new NbdServer(limits);
        server.add(NbdExport.of("", disk));
        server.listen(address);
    }

    @AfterEach
    void end() throws IOException {
        for (RawClient c : clients) {
            c.close();
        }
        server.close();
    }

    private RawClient keep(RawClient c) {
        clients.add(c);
        return c;
    }

    /** Somebody else can read and write. */
    private void othersAreServed() throws IOException {
        try (NbdDisk d = NbdDisk.connect(new NbdUri.Unix(address.getPath(), ""), NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(MIB)) {
            d.read(MIB, b.address(), MIB);
            d.write(MIB, b.address(), MIB);
            d.flush();
        }
    }

    @Test
    void hugeLengths() throws IOException {
        for (int length : new int[] {(64 << 10) + 1, Integer.MAX_VALUE, Integer.MIN_VALUE, -1}) {
            RawClient c = keep(RawClient.greeted(address));
            c.send(ByteBuffer.allocate(16)
                    .putLong(Nbd.OPTION_MAGIC)
                    .putInt(Nbd.OPT_GO)
                    .putInt(length));
            assertTrue(c.isCut());
        }
        for (int length : new int[] {32 * MIB + 1, Integer.MAX_VALUE, Integer.MIN_VALUE, -1}) {
            RawClient c = keep(RawClient.going(address, "", true));
            c.request(0, Nbd.CMD_WRITE, 1, 0, length);
            assertTrue(c.isCut());
        }
        othersAreServed();
    }

    @Test
    void nonsense() throws IOException {
        Random random = new Random(20261203);
        for (int i = 0; i < 50; i++) {
            RawClient c = keep(i % 2 == 0 ? RawClient.greeted(address) : RawClient.going(address, "", true));
            byte[] bytes = new byte[64 + random.nextInt(4096)];
            random.nextBytes(bytes);
            c.send(ByteBuffer.allocate(bytes.length).put(bytes));
            assertTrue(c.isCut());
        }
        othersAreServed();
    }

    @Test
    void halfOfAMessage() throws IOException {
        RawClient greeting = keep(new RawClient(address));
        RawClient option = keep(RawClient.greeted(address));
        option.send(ByteBuffer.allocate(16).putLong(Nbd.OPTION_MAGIC).putInt(Nbd.OPT_GO));
        RawClient head = keep(RawClient.going(address, "", true));
        head.send(RawClient.head(0, Nbd.CMD_READ, 1, 0, 512).position(20));
        RawClient data = keep(RawClient.going(address, "", true));
        data.request(0, Nbd.CMD_WRITE, 1, 0, MIB);
        data.send(ByteBuffer.allocate(1000).position(1000));
        RawClient idle = keep(RawClient.going(address, "", true));
        othersAreServed();
        for (RawClient c : List.of(greeting, option, head, data)) {
            assertTrue(c.isCut());
        }
        idle.request(0, Nbd.CMD_FLUSH, 1, 0, 0); // who has nothing to say may be silent
        assertEquals(0, idle.chunk().error());
    }

    @Test
    void repliesThatAreNotTaken() throws Exception {
        List<RawClient> deaf = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            RawClient c = keep(RawClient.going(address, "", i % 2 == 0));
            deaf.add(c);
            Thread.ofPlatform().daemon().start(() -> {
                try {
                    while (true) {
                        c.request(0, Nbd.CMD_READ, 1, 0, MIB);
                    }
                } catch (IOException e) {
                    // cut off
                }
            });
        }
        othersAreServed();
        while (server.clients("") > 0) {
            othersAreServed();
            Thread.sleep(10);
        }
        for (RawClient c : deaf) {
            assertTrue(c.isCut());
        }
    }

    @Test
    void optionFlood() throws IOException {
        listen(new NbdServer.Limits(16, 8, Duration.ofSeconds(60), SHORT));
        RawClient c = keep(RawClient.greeted(address));
        int answered = 0;
        try {
            for (; answered < 10_000; answered++) {
                c.option(Nbd.OPT_LIST_META_CONTEXT, new byte[60 << 10]);
            }
        } catch (IOException e) {
            // cut off
        }
        assertEquals(4096, answered);
        othersAreServed();
    }

    @Test
    void thousandsOfConnections() throws IOException {
        listen(new NbdServer.Limits(16, 8, Duration.ofSeconds(60), SHORT));
        RawClient before = keep(RawClient.going(address, "", true));
        for (int i = 0; i < 2000; i++) {
            keep(i % 3 == 0 ? RawClient.greeted(address) : new RawClient(address));
            if (i % 100 == 0) {
                othersAreServed();
            }
        }
        othersAreServed();
        before.request(0, Nbd.CMD_FLUSH, 1, 0, 0); // who has chosen an export stays
        assertEquals(0, before.chunk().error());
    }

    @Test
    void allPlacesTakenByClientsThatMeanIt() throws IOException {
        for (int i = 0; i < 16; i++) {
            keep(RawClient.going(address, "", true));
        }
        assertTrue(keep(new RawClient(address)).isCut());
        assertEquals(16, server.clients(""));
        clients.getFirst().request(0, Nbd.CMD_DISC, 0, 0, 0);
        assertTrue(clients.getFirst().isCut());
        othersAreServed();
    }
}
