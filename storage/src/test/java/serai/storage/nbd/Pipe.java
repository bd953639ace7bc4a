package serai.storage.nbd;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.ReadableByteChannel;
import java.util.ArrayList;
import java.util.List;

/**
 * The other side of a connection, as bytes that it sends whatever it hears. They come in segments: the first is there at once; after {@link
 * #start} the next ones come when something has been written, one for each time. Who waits for one that does not come has the end of it.
 */
final class Pipe implements ReadableByteChannel, GatheringByteChannel {
    private final List<ByteBuffer> segments = new ArrayList<>();
    private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
    private boolean open = true;
    private boolean started;
    private long patience;
    private int current;
    private int written;

    Pipe(byte[]... segments) {
        for (byte[] s : segments) {
            this.segments.add(ByteBuffer.wrap(s));
        }
    }

    /** Segments after the first are sent from now on. */
    synchronized void start(long patienceMillis) {
        started = true;
        patience = patienceMillis;
    }

    /** What has been written. */
    synchronized byte[] heard() {
        return heard.toByteArray();
    }

    @Override
    public synchronized int read(ByteBuffer b) throws ClosedChannelException {
        while (true) {
            if (!open) {
                throw new ClosedChannelException();
            }
            if (current < segments.size() && segments.get(current).hasRemaining()) {
                break;
            }
            if (!started || current + 1 >= segments.size()) {
                return -1;
            }
            if (written > current) {
                current++;
                continue;
            }
            int before = written;
            try {
                wait(patience);
            } catch (InterruptedException e) {
                throw new ClosedChannelException();
            }
            if (open && written == before) {
                return -1;
            }
        }
        ByteBuffer s = segments.get(current);
        int n = Math.min(b.remaining(), s.remaining());
        b.put(s.slice(s.position(), n));
        s.position(s.position() + n);
        return n;
    }

    private void take(ByteBuffer b) throws ClosedChannelException {
        if (!open) {
            throw new ClosedChannelException();
        }
        while (b.hasRemaining()) {
            heard.write(b.get());
        }
    }

    @Override
    public int write(ByteBuffer b) throws ClosedChannelException {
        return (int) write(new ByteBuffer[] {b});
    }

    @Override
    public synchronized long write(ByteBuffer[] buffers, int offset, int length) throws ClosedChannelException {
        long n = 0;
        for (int i = offset; i < offset + length; i++) {
            n += buffers[i].remaining();
            take(buffers[i]);
        }
        if (started) {
            written++;
            notifyAll();
        }
        return n;
    }

    @Override
    public long write(ByteBuffer[] buffers) throws ClosedChannelException {
        return write(buffers, 0, buffers.length);
    }

    @Override
    public synchronized boolean isOpen() {
        return open;
    }

    @Override
    public synchronized void close() {
        open = false;
        notifyAll();
    }
}
