package serai.storage.nbd;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;

/**
 * A connection: whole messages in, whole messages out. Reads are one thread's at a time, and so are writes; who uses it sees to that.
 *
 * <p>It reads ahead a little, so that a header and what follows it, or several headers, take one system call; most of a message's data goes
 * straight from the socket to where it is wanted.
 *
 * <p>It notes since when the other side has stood still in the middle of a message, so that somebody can end the connection. Between messages
 * a client may be silent as long as it likes.
 */
final class Wire implements Closeable {
    private static final int AHEAD = 4096;

    private final ReadableByteChannel in;
    private final GatheringByteChannel out;
    private final @Nullable SocketChannel socket;
    /** What has been read ahead: from its position to its limit. */
    private final ByteBuffer ahead = ByteBuffer.allocateDirect(AHEAD).limit(0);

    /** {@link System#nanoTime} of the last byte of a message that is not complete; 0 if there is none. */
    private volatile long readingSince;
    /** The same of what is being written: when the last call began. */
    private volatile long writingSince;

    Wire(SocketChannel socket) {
        in = socket;
        out = socket;
        this.socket = socket;
    }

    /** On something else, for tests. */
    Wire(ReadableByteChannel in, GatheringByteChannel out) {
        this.in = in;
        this.out = out;
        socket = null;
    }

    /**
     * Fills a buffer up to its limit with the start of a message.
     *
     * @return whether there is one; false if the other side has ended the connection
     * @throws EOFException if it ends in the middle
     */
    boolean begin(ByteBuffer b) throws IOException {
        if (!ahead.hasRemaining()) {
            int n = in.read(ahead.clear());
            ahead.flip();
            if (n < 0) {
                return false;
            }
        }
        read(b);
        return true;
    }

    /** Fills a buffer up to its limit. */
    void read(ByteBuffer b) throws IOException {
        take(b);
        if (!b.hasRemaining()) {
            return;
        }
        do {
            readingSince = System.nanoTime() | 1; // not 0, whatever the clock says
            int n;
            if (b.remaining() < AHEAD) {
                n = in.read(ahead.clear());
                ahead.flip();
                take(b);
            } else {
                n = in.read(b);
            }
            if (n < 0) {
                throw new EOFException("the other side has closed the connection in the middle of a message");
            }
        } while (b.hasRemaining());
        readingSince = 0;
    }

    private void take(ByteBuffer b) {
        int n = Math.min(ahead.remaining(), b.remaining());
        b.put(b.position(), ahead, ahead.position(), n);
        b.position(b.position() + n);
        ahead.position(ahead.position() + n);
    }

    /** Writes buffers up to their limits. */
    void write(ByteBuffer... b) throws IOException {
        try {
            do {
                writingSince = System.nanoTime() | 1;
                out.write(b);
            } while (anyRemaining(b));
        } finally {
            writingSince = 0;
        }
    }

    private static boolean anyRemaining(ByteBuffer[] buffers) {
        for (ByteBuffer b : buffers) {
            if (b.hasRemaining()) {
                return true;
            }
        }
        return false;
    }

    /** When the last byte of a message came that is not complete, by {@link System#nanoTime}; 0 if there is none. */
    long readingSince() {
        return readingSince;
    }

    /** Whether the other side has stood still for longer than that in the middle of a message. */
    boolean stalled(long now, long nanos) {
        long r = readingSince;
        long w = writingSince;
        return r != 0 && now - r > nanos || w != 0 && now - w > nanos;
    }

    /** Takes no more: who reads gets the end of the connection, what is being written goes out. */
    void shutInput() {
        try {
            if (socket != null) {
                socket.shutdownInput();
            }
        } catch (IOException e) {
            close();
        }
    }

    /** Ends the connection; who reads or writes gets an {@link IOException}. */
    @Override
    public void close() {
        try {
            in.close();
            out.close();
        } catch (IOException e) {
            // it is closed as far as we can
        }
    }
}
