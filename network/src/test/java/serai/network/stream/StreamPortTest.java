package serai.network.stream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.network.Frame;
import serai.network.Offload;

final class StreamPortTest {
    @TempDir
    Path directory;

    private static final long PATIENCE_SECONDS = 30;

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, what);
            Thread.sleep(1);
        }
    }

    private static byte[] bytes(Frame f) {
        byte[] b = new byte[f.bytes().remaining()];
        f.bytes().get(b);
        return b;
    }

    /** Fetches as an interface does: as long as there are frames, then again when it is told. */
    private static final class Fetcher {
        private final StreamPort port;
        private final Semaphore told = new Semaphore(0);

        Fetcher(StreamPort port) {
            this.port = port;
            port.onFrames(told::release);
        }

        byte[] next() throws InterruptedException {
            while (true) {
                Frame f = port.receive();
                if (f != null) {
                    return bytes(f);
                }
                assertTrue(told.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS), "nobody told of frames");
            }
        }
    }

    @Test
    void framesOfAllSizesGoBothWaysInTheirOrder() throws Exception {
        Path socket = directory.resolve("net");
        try (StreamPort a = StreamPort.listen(socket);
                StreamPort b = StreamPort.connect(socket)) {
            await("no peer", () -> a.connected() && b.connected());
            Fetcher atA = new Fetcher(a);
            Fetcher atB = new Fetcher(b);
            Random random = new Random(1);
            for (int i = 0; i < 3_000; i++) {
                byte[] frame =
                        new byte[i % 10 == 0 ? random.nextInt(14, Offload.MAX_FRAME) : random.nextInt(14, 1_500)];
                random.nextBytes(frame);
                (i % 2 == 0 ? a : b).send(ByteBuffer.wrap(frame), Offload.NONE);
                assertArrayEquals(frame, (i % 2 == 0 ? atB : atA).next(), "frame " + i);
            }
            assertNull(a.receive());
            assertEquals(0, a.dropped() + b.dropped());
        }
        assertFalse(Files.exists(socket), "the socket is left behind");
    }

    @Test
    void whatNobodyFetchesStaysWithThePeerAndMoreIsDropped() throws Exception {
        Path socket = directory.resolve("net");
        try (StreamPort a = StreamPort.listen(socket);
                StreamPort b = StreamPort.connect(socket)) {
            await("no peer", () -> a.connected() && b.connected());
            ByteBuffer frame = ByteBuffer.allocate(1_514);
            int sent = 0;
            for (; sent < 20_000; sent++) {
                frame.clear().putInt(0, sent);
                a.send(frame, Offload.NONE);
            }
            assertTrue(a.dropped() > 0 && a.dropped() < sent, a.dropped() + " dropped");
            Fetcher atB = new Fetcher(b);
            int last = -1;
            for (int i = 0; i < sent - a.dropped(); i++) {
                int n = ByteBuffer.wrap(atB.next()).getInt(0);
                assertTrue(n > last, "what was not dropped comes in its order");
                last = n;
            }
        }
    }

    @Test
    void aPeerMayGoAndAnotherComes() throws Exception {
        Path socket = directory.resolve("net");
        try (StreamPort a = StreamPort.listen(socket)) {
            for (int i = 0; i < 3; i++) {
                try (StreamPort b = StreamPort.connect(socket)) {
                    await("no peer", () -> a.connected() && b.connected());
                    byte[] frame = {1, 2, 3, (byte) i, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
                    b.send(ByteBuffer.wrap(frame), Offload.NONE);
                    assertArrayEquals(frame, new Fetcher(a).next());
                }
                await("the peer is still there", () -> !a.connected());
                a.send(ByteBuffer.allocate(60), Offload.NONE); // to nobody
            }
        }
    }

    @Test
    void aPeerThatEndsInTheMiddleOfAFrameTakesItWithIt() throws Exception {
        Path socket = directory.resolve("net");
        try (StreamPort a = StreamPort.listen(socket)) {
            Fetcher atA = new Fetcher(a);
            try (SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                c.connect(UnixDomainSocketAddress.of(socket));
                c.write(ByteBuffer.allocate(4 + 20 + 4 + 3)
                        .putInt(20)
                        .putInt(24, 100)
                        .rewind());
                assertEquals(20, atA.next().length);
            }
            await("the peer is still there", () -> !a.connected());
            try (StreamPort b = StreamPort.connect(socket)) {
                await("no peer", () -> a.connected() && b.connected());
                b.send(ByteBuffer.allocate(33), Offload.NONE);
                assertEquals(33, atA.next().length);
            }
        }
    }

    @Test
    void aPeerThatSaysNonsenseIsLeft() throws Exception {
        Path socket = directory.resolve("net");
        try (StreamPort a = StreamPort.listen(socket)) {
            for (int length : new int[] {-1, Integer.MIN_VALUE, 1 << 20}) {
                try (SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                    c.connect(UnixDomainSocketAddress.of(socket));
                    c.write(ByteBuffer.allocate(8).putInt(0, length));
                    ByteBuffer end = ByteBuffer.allocate(1);
                    try {
                        assertEquals(-1, c.read(end));
                    } catch (IOException e) {
                        // reset, with what it had not read
                    }
                }
            }
            assertNull(a.receive());
        }
    }

    @Test
    void aFileThatIsNoSocketIsNotReplaced() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "x");
        assertThrows(IOException.class, () -> StreamPort.listen(file));
        assertEquals("x", Files.readString(file));
        Path socket = directory.resolve("net");
        try (StreamPort first = StreamPort.listen(socket)) {
            assertThrows(IOException.class, () -> StreamPort.listen(socket));
            assertFalse(first.connected() && first.dropped() > 0);
        }
    }
}
