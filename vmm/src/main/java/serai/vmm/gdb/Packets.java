package serai.vmm.gdb;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * The packet layer: {@code $data#checksum}, acknowledged by {@code +} until both agree to do without, and the bare byte
 * 3 for "interrupt". Packets are binary inside: one {@code char} a byte here.
 */
final class Packets {
    /** The most a packet may carry; told to gdb by qSupported. */
    static final int MAX = 0x4000;

    private static final String CLOSED = "\0closed";
    private static final String INTERRUPT = "\0interrupt";

    private final InputStream in;
    private final OutputStream out;
    private final Runnable onInterrupt;
    private final BlockingQueue<String> received = new ArrayBlockingQueue<>(64);
    private volatile boolean acknowledge = true;
    private volatile boolean interrupted;
    private volatile boolean closed;

    Packets(InputStream in, OutputStream out, Runnable onInterrupt) {
        this.in = new BufferedInputStream(in);
        this.out = out;
        this.onInterrupt = onInterrupt;
    }

    /** Reads until the debugger hangs up; the body of the reading thread. */
    void readAll() {
        try {
            int c;
            while ((c = in.read()) >= 0) {
                if (c == 3) {
                    interrupted = true;
                    received.put(INTERRUPT);
                    onInterrupt.run();
                } else if (c == '$') {
                    packet();
                }
            }
        } catch (IOException e) {
            // the debugger has gone; what follows says so
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        closed = true;
        received.offer(CLOSED);
        onInterrupt.run();
    }

    private void packet() throws IOException, InterruptedException {
        StringBuilder b = new StringBuilder();
        int sum = 0;
        int c;
        while ((c = in.read()) >= 0 && c != '#') {
            sum += c;
            if (c == '}') {
                c = in.read();
                sum += c;
                c ^= 0x20;
            }
            if (b.length() <= MAX) {
                b.append((char) c);
            }
        }
        int expected = Character.digit(in.read(), 16) << 4 | Character.digit(in.read(), 16);
        boolean good = (sum & 0xff) == expected && b.length() <= MAX;
        if (acknowledge) {
            synchronized (out) {
                out.write(good ? '+' : '-');
                out.flush();
            }
        }
        if (good) {
            received.put(b.toString());
        }
    }

    /** The next packet; null once the debugger has gone. Interrupts that came while nothing ran are dropped. */
    @Nullable
    String next() {
        while (true) {
            try {
                if (closed && received.isEmpty()) {
                    return null;
                }
                String s = received.take();
                if (s.equals(CLOSED)) {
                    return null;
                }
                if (!s.equals(INTERRUPT)) {
                    return s;
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            }
        }
    }

    /** Whether Ctrl-C has come, or the connection ended, since the last call. */
    boolean takeInterrupt() {
        boolean b = interrupted;
        interrupted = false;
        return b || closed;
    }

    /** The same, without taking it. */
    boolean interruptWaits() {
        return interrupted || closed;
    }

    /** From now on neither side acknowledges. */
    void noAcknowledge() {
        acknowledge = false;
    }

    void send(String data) {
        StringBuilder b = new StringBuilder("$");
        int sum = 0;
        for (int i = 0; i < data.length(); i++) {
            char c = data.charAt(i);
            if (c == '$' || c == '#' || c == '}' || c == '*') {
                b.append('}');
                sum += '}';
                c ^= 0x20;
            }
            b.append(c);
            sum += c;
        }
        b.append("#%02x".formatted(sum & 0xff));
        try {
            synchronized (out) {
                out.write(b.toString().getBytes(StandardCharsets.ISO_8859_1));
                out.flush();
            }
        } catch (IOException e) {
            closed = true;
        }
    }
}
