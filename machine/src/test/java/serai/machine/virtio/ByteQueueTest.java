package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ByteQueueTest {
    @Test
    void whatGoesInComesOut_inPiecesOfAnySize() {
        long seed = 20261130;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        ByteQueue q = new ByteQueue(100_000);
        ByteArrayOutputStream in = new ByteArrayOutputStream();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < 2000; i++) {
            byte[] b = new byte[random.nextInt(Math.min(q.room(), 1 << random.nextInt(17)) + 1)];
            random.nextBytes(b);
            q.add(b);
            in.writeBytes(b);
            byte[] some = q.peek(random.nextInt(1 << random.nextInt(17)));
            q.remove(some.length);
            out.writeBytes(some);
            assertEquals(in.size() - out.size(), q.size());
        }
        out.writeBytes(q.peek(q.size()));
        assertArrayEquals(in.toByteArray(), out.toByteArray());
    }

    @Test
    void itIsBounded() {
        ByteQueue q = new ByteQueue(10);
        q.add(new byte[10]);
        assertEquals(0, q.room());
        assertThrows(IllegalArgumentException.class, () -> q.add(new byte[1]));
        assertThrows(IllegalArgumentException.class, () -> q.remove(11));
        q.remove(10);
        assertEquals(0, q.peek(5).length);
        assertEquals(10, q.room());
        assertEquals("[]", Arrays.toString(q.peek(1)));
    }
}
