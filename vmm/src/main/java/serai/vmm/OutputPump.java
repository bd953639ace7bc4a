package serai.vmm;

import java.io.IOException;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * Bytes from the guest on their way to a file or to standard output: a device must not wait for a full pipe while it
 * holds the machine lock, so a thread of its own writes them, as soon as there are any.
 *
 * <p>Only when a whole buffer is waiting does the guest wait, too: nothing is lost.
 */
final class OutputPump implements AutoCloseable {
    private static final int SIZE = 1 << 20;
    private static final long CLOSE_MILLIS = 2000;

    private final OutputStream out;
    private final Thread thread;
    private byte[] waiting = new byte[4096];
    private int count;
    private boolean closing;
    private boolean writing;
    private @Nullable IOException failure;

    OutputPump(String name, OutputStream out) {
        this.out = out;
        thread = Thread.ofPlatform().daemon().name(name).start(this::run);
    }

    synchronized void write(byte[] b, int offset, int length) {
        for (int i = 0; i < length; i++) {
            write(b[offset + i] & 0xff);
        }
    }

    synchronized void write(int b) {
        while (count == SIZE && failure == null && !closing) {
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        if (failure != null || closing) {
            return; // whoever read it has gone; the guest runs on
        }
        if (count == waiting.length) {
            waiting = java.util.Arrays.copyOf(waiting, Math.min(SIZE, count * 2));
        }
        waiting[count++] = (byte) b;
        if (count == 1) {
            notifyAll();
        }
    }

    private void run() {
        byte[] mine = new byte[4096];
        while (true) {
            int n;
            synchronized (this) {
                writing = false;
                while (count == 0 && !closing) {
                    notifyAll();
                    try {
                        wait();
                    } catch (InterruptedException e) {
                        return;
                    }
                }
                if (count == 0) {
                    notifyAll();
                    return;
                }
                byte[] full = waiting;
                waiting = mine;
                mine = full;
                n = count;
                count = 0;
                writing = true;
                notifyAll();
            }
            try {
                out.write(mine, 0, n);
                out.flush();
            } catch (IOException e) {
                synchronized (this) {
                    failure = e;
                    writing = false;
                    count = 0;
                    notifyAll();
                    return;
                }
            }
        }
    }

    /** Waits until all is written, two seconds at most: a reader that has stopped reading can't hold up the end. */
    @Override
    public void close() {
        synchronized (this) {
            long end = System.nanoTime() + CLOSE_MILLIS * 1_000_000;
            while ((count > 0 || writing) && failure == null) {
                long left = (end - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    break;
                }
                try {
                    wait(left);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    break;
                }
            }
            closing = true;
            notifyAll();
        }
        thread.interrupt();
    }
}
