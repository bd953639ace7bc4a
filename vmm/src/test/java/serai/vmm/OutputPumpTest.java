package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class OutputPumpTest {
    @Test
    void allBytesComeOutInOrder() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputPump p = new OutputPump("test", out)) {
            for (int i = 0; i < 3_000_000; i++) {
                p.write(i & 0xff);
            }
        }
        byte[] b = out.toByteArray();
        assertEquals(3_000_000, b.length);
        for (int i = 0; i < b.length; i++) {
            assertEquals((byte) i, b[i]);
        }
    }

    @Test
    void aByteComesOutWithoutAnotherOneBehindIt() throws InterruptedException {
        CountDownLatch seen = new CountDownLatch(1);
        try (OutputPump p = new OutputPump("test", new OutputStream() {
            @Override
            public void write(int b) {
                seen.countDown();
            }
        })) {
            p.write('x');
            assertTrue(seen.await(5, TimeUnit.SECONDS));
        }
    }

    @Test
    void aClosedPipeHoldsNobodyUp() {
        try (OutputPump p = new OutputPump("test", new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("broken pipe");
            }
        })) {
            for (int i = 0; i < 3 << 20; i++) {
                p.write(0);
            }
        }
    }
}
