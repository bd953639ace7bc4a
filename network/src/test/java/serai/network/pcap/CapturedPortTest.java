package serai.network.pcap;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.network.FakePort;
import serai.network.Frame;
import serai.network.Offload;

final class CapturedPortTest {
    @TempDir
    Path directory;

    private static byte[] frame(int length, int fill) {
        byte[] b = new byte[length];
        Arrays.fill(b, (byte) fill);
        return b;
    }

    @Test
    void framesOfBothWaysAreInTheFileInTheirOrder() throws IOException {
        FakePort network = new FakePort();
        Path file = directory.resolve("x.pcap");
        long before = System.currentTimeMillis() / 1000;
        CapturedPort port = CapturedPort.of(network, file);
        port.send(ByteBuffer.wrap(frame(60, 1)), Offload.NONE);
        network.toReceive.add(new Frame(ByteBuffer.wrap(frame(65_000, 2)), Offload.NONE));
        Frame f = port.receive();
        assertTrue(f != null && f.bytes().remaining() == 65_000, "the interface gets it whole");
        port.close();
        assertTrue(network.closed);
        assertArrayEquals(frame(60, 1), network.sent.getFirst());
        ByteBuffer b = ByteBuffer.wrap(Files.readAllBytes(file));
        assertEquals(0xa1b23c4d, b.getInt());
        assertEquals(2, b.getShort());
        assertEquals(4, b.getShort());
        assertEquals(0, b.getLong());
        assertTrue(b.getInt() >= Offload.MAX_FRAME);
        assertEquals(1, b.getInt());
        for (byte[] expected : new byte[][] {frame(60, 1), frame(65_000, 2)}) {
            int seconds = b.getInt();
            assertTrue(seconds >= before && seconds <= before + 60, "seconds " + seconds);
            assertTrue(b.getInt() < 1_000_000_000);
            assertEquals(expected.length, b.getInt());
            assertEquals(expected.length, b.getInt());
            byte[] there = new byte[expected.length];
            b.get(there);
            assertArrayEquals(expected, there);
        }
        assertFalse(b.hasRemaining());
    }

    @Test
    void aFileThatCannotBeMadeLeavesThePortOpen() {
        FakePort network = new FakePort();
        assertThrows(IOException.class, () -> CapturedPort.of(network, directory.resolve("no/x")));
        assertFalse(network.closed);
    }
}
