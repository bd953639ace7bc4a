package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import serai.storage.NativeBuffer;

/**
 * Does requests of one connection, one at a time.
 *
 * <p>Data passes through one buffer of at most {@link #MAX_BUFFER} bytes, off the heap: a larger READ is answered in several chunks, a larger
 * WRITE is written in several parts, as it comes. A client that sends half a request, or does not take its replies, so holds this buffer and
 * this thread, and nothing of the disk: the disk is used in {@link ServedExport#use} alone, where nobody waits for the client.
 */
final class Worker implements AutoCloseable {
    /** Bytes of a part. QEMU and nbdcopy ask for no more than that at once, 256 KiB, unless they are told to. */
    private static final int MAX_BUFFER = 256 << 10;

    private static final int MIN_BUFFER = 8 << 10;

    private final Connection connection;
    private final Wire wire;
    private final Requests requests;
    private final ByteBuffer header = ByteBuffer.allocateDirect(Nbd.REQUEST_BYTES);
    private NativeBuffer memory = new NativeBuffer(MIN_BUFFER);
    private ByteBuffer buffer = memory.segment().asByteBuffer();

    Worker(Connection connection, Agreement agreement) {
        this.connection = connection;
        wire = connection.wire();
        requests = new Requests(connection, agreement, this);
    }

    /**
     * Waits for a request and does it.
     *
     * @return whether there was one
     * @throws IOException if the connection is lost, or the client breaks the protocol
     */
    boolean request() throws IOException {
        connection.reading().lock();
        try {
            if (connection.isFinished() || !wire.begin(header.clear())) {
                connection.finish();
                return false;
            }
            header.flip();
            if (header.getInt() != Nbd.REQUEST_MAGIC) {
                throw new Violation("a request without its magic number");
            }
            Request r = new Request(
                    Short.toUnsignedInt(header.getShort()),
                    Short.toUnsignedInt(header.getShort()),
                    header.getLong(),
                    header.getLong(),
                    Integer.toUnsignedLong(header.getInt()));
            if (r.command() == Nbd.CMD_DISC) {
                connection.finish();
                return false;
            }
            requests.begin(r);
            connection.follow(requests.agreement());
        } finally {
            connection.reading().unlock();
        }
        requests.finish();
        return true;
    }

    // ---- for the requests ----

    Connection connection() {
        return connection;
    }

    Wire wire() {
        return wire;
    }

    /** The buffer, empty, with room for that many bytes, or as many as it may have. */
    ByteBuffer buffer(long bytes) {
        if (buffer.capacity() < bytes && buffer.capacity() < MAX_BUFFER) {
            int size = Math.min(MAX_BUFFER, Integer.highestOneBit((int) Math.min(bytes, MAX_BUFFER) - 1) << 1);
            memory.close();
            memory = new NativeBuffer(size);
            buffer = memory.segment().asByteBuffer();
        }
        return buffer.clear();
    }

    /** Where it is. */
    long address() {
        return memory.address();
    }

    @Override
    public void close() {
        memory.close();
    }
}
