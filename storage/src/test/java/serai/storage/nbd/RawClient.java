package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A client that sends what it is told to, sense or not. */
final class RawClient implements AutoCloseable {
    /** An answer to an option. */
    record OptionReply(int type, byte[] data) {}

    /** A message of a reply; type -1 is a simple one, whose error stands in flags. */
    record Chunk(int type, int flags, long cookie, ByteBuffer payload) {
        /** Of an error chunk or a simple reply. */
        int error() {
            return type < 0 ? flags : payload.getInt(0);
        }
    }

    final SocketChannel channel;

    RawClient(SocketAddress address) throws IOException {
        channel = SocketChannel.open(address);
    }

    /** One that has said hello. */
    static RawClient greeted(SocketAddress address) throws IOException {
        RawClient c = new RawClient(address);
        ByteBuffer b = c.read(Nbd.GREETING_BYTES);
        assertEquals(Nbd.MAGIC, b.getLong());
        assertEquals(Nbd.OPTION_MAGIC, b.getLong());
        assertEquals(3, b.getShort());
        c.send(ByteBuffer.allocate(4).putInt(3));
        return c;
    }

    /** One that uses an export, with contexts if replies are structured. */
    static RawClient going(SocketAddress address, String export, boolean structured, String... contexts)
            throws IOException {
        RawClient c = greeted(address);
        if (structured) {
            assertEquals(
                    Nbd.REP_ACK, c.option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]).getLast().type);
            if (contexts.length > 0) {
                List<OptionReply> r = c.option(Nbd.OPT_SET_META_CONTEXT, queries(export, contexts));
                assertEquals(contexts.length + 1, r.size());
            }
        }
        assertEquals(Nbd.REP_ACK, c.option(Nbd.OPT_GO, name(export, 0)).getLast().type);
        return c;
    }

    /** The data of INFO and GO. */
    static byte[] name(String export, int... information) {
        byte[] n = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer b = ByteBuffer.allocate(6 + n.length + 2 * information.length)
                .putInt(n.length)
                .put(n)
                .putShort((short) information.length);
        for (int i : information) {
            b.putShort((short) i);
        }
        return b.array();
    }

    /** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
    static byte[] queries(String export, String... queries) {
        ByteBuffer b = ByteBuffer.allocate(4096);
        string(b, export).putInt(queries.length);
        for (String q : queries) {
            string(b, q);
        }
        return java.util.Arrays.copyOf(b.array(), b.position());
    }

    private static ByteBuffer string(ByteBuffer b, String s) {
        byte[] n = s.getBytes(StandardCharsets.UTF_8);
        return b.putInt(n.length).put(n);
    }

    /** Sends what is in the buffer up to its position. */
    void send(ByteBuffer b) throws IOException {
        b.flip();
        while (b.hasRemaining()) {
            channel.write(b);
        }
    }

    ByteBuffer read(int bytes) throws IOException {
        ByteBuffer b = ByteBuffer.allocate(bytes);
        while (b.hasRemaining()) {
            if (channel.read(b) < 0) {
                throw new java.io.EOFException("after " + b.position() + " of " + bytes);
            }
        }
        return b.flip();
    }

    /** Whether the server ends the connection, whatever it says before. */
    boolean isCut() {
        try {
            ByteBuffer b = ByteBuffer.allocate(1 << 16);
            while (channel.read(b.clear()) >= 0) {
                // on
            }
            return true;
        } catch (IOException e) {
            return true; // reset
        }
    }

    void sendOption(int option, byte[] data) throws IOException {
        send(ByteBuffer.allocate(16 + data.length)
                .putLong(Nbd.OPTION_MAGIC)
                .putInt(option)
                .putInt(data.length)
                .put(data));
    }

    /** All answers to an option. */
    List<OptionReply> option(int option, byte[] data) throws IOException {
        sendOption(option, data);
        List<OptionReply> all = new ArrayList<>();
        do {
            ByteBuffer b = read(Nbd.OPTION_REPLY_BYTES);
            assertEquals(Nbd.OPTION_REPLY_MAGIC, b.getLong());
            assertEquals(option, b.getInt());
            int type = b.getInt();
            all.add(new OptionReply(type, read(b.getInt()).array()));
        } while (all.getLast().type > 0 && all.getLast().type != Nbd.REP_ACK);
        return all;
    }

    void request(int flags, int command, long cookie, long offset, long length) throws IOException {
        send(head(flags, command, cookie, offset, length));
    }

    static ByteBuffer head(int flags, int command, long cookie, long offset, long length) {
        return ByteBuffer.allocate(Nbd.REQUEST_BYTES)
                .putInt(Nbd.REQUEST_MAGIC)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putInt((int) length);
    }

    /** The next message; the data of a simple reply to a READ is the caller's to read. */
    Chunk chunk() throws IOException {
        int magic = read(4).getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
            ByteBuffer b = read(12);
            int error = b.getInt();
            return new Chunk(-1, error, b.getLong(), ByteBuffer.allocate(0));
        }
        assertEquals(Nbd.STRUCTURED_REPLY_MAGIC, magic);
        ByteBuffer b = read(16);
        int flags = b.getShort();
        int type = Short.toUnsignedInt(b.getShort());
        long cookie = b.getLong();
        return new Chunk(type, flags, cookie, read(b.getInt()));
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
