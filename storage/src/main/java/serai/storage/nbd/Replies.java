package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Writes a worker's replies (proto, "Simple reply message" and "Structured reply chunk message"). */
final class Replies {
    /** What a chunk has before its data at most: its header, an offset, the size of a hole. */
    private static final int HEAD = Nbd.CHUNK_BYTES + 12;

    private final Connection connection;
    private final boolean structured;
    private final ByteBuffer head = ByteBuffer.allocateDirect(HEAD);

    Replies(Connection connection, boolean structured) {
        this.connection = connection;
        this.structured = structured;
    }

    /** How a request without data in its reply has gone. */
    void done(Request r, RequestError e) throws IOException {
        if (e == RequestError.NONE) {
            connection.send(simple(r, e)); // the shorter of both forms, which a client has to take as well
        } else {
            failed(r, e);
        }
    }

    /** A request has failed; there may have been chunks before. */
    void failed(Request r, RequestError e) throws IOException {
        if (structured) {
            byte[] message = e.message().getBytes(StandardCharsets.UTF_8);
            chunk(r, Nbd.REPLY_TYPE_ERROR, true, 6 + message.length)
                    .putInt(e.number())
                    .putShort((short) message.length);
            connection.send(head.flip(), ByteBuffer.wrap(message));
        } else {
            connection.send(simple(r, e));
        }
    }

    /** The head of a simple reply, to be followed by the data of a READ that has not failed. */
    ByteBuffer simple(Request r, RequestError e) {
        return head.clear()
                .putInt(Nbd.SIMPLE_REPLY_MAGIC)
                .putInt(e.number())
                .putLong(r.cookie())
                .flip();
    }

    /** A part of what a READ asks for. */
    void data(Request r, boolean last, long position, ByteBuffer data) throws IOException {
        chunk(r, Nbd.REPLY_TYPE_OFFSET_DATA, last, 8 + data.remaining()).putLong(position);
        connection.send(head.flip(), data);
    }

    /** A part that reads as zeros. */
    void hole(Request r, boolean last, long position, int length) throws IOException {
        chunk(r, Nbd.REPLY_TYPE_OFFSET_HOLE, last, 12).putLong(position).putInt(length);
        connection.send(head.flip());
    }

    /** Nothing more. */
    void none(Request r) throws IOException {
        chunk(r, Nbd.REPLY_TYPE_NONE, true, 0);
        connection.send(head.flip());
    }

    /** Descriptors of a meta context. */
    void status(Request r, boolean last, int context, ByteBuffer descriptors) throws IOException {
        chunk(r, Nbd.REPLY_TYPE_BLOCK_STATUS, last, 4 + descriptors.remaining()).putInt(context);
        connection.send(head.flip(), descriptors);
    }

    private ByteBuffer chunk(Request r, int type, boolean last, int length) {
        return head.clear()
                .putInt(Nbd.STRUCTURED_REPLY_MAGIC)
                .putShort((short) (last ? Nbd.REPLY_FLAG_DONE : 0))
                .putShort((short) type)
                .putLong(r.cookie())
                .putInt(length);
    }
}
