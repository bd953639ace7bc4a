package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import serai.storage.NativeBuffer;

/**
 * Reads the replies of a server. It is not trusted: data goes nowhere but to the memory of the request that it answers, each byte of that once,
 * and a request that has not got all of it has failed.
 */
final class LinkReader {
    /** Bytes of a chunk without data: descriptors that we don't want, a message. */
    private static final int MAX_CHUNK = 64 << 10;

    private final Wire wire;
    private final ServerFacts facts;
    private final ByteBuffer head = ByteBuffer.allocateDirect(Nbd.CHUNK_BYTES);
    private final ByteBuffer payload = ByteBuffer.allocate(MAX_CHUNK);
    private boolean structured;
    private int error;
    private int flags;
    private int type;
    private long cookie;
    private int length;

    LinkReader(Wire wire, ServerFacts facts) {
        this.wire = wire;
        this.facts = facts;
    }

    /** Reads the head of a message; false if the server has ended the connection. */
    boolean next() throws IOException {
        if (!wire.begin(head.clear().limit(Nbd.SIMPLE_REPLY_BYTES))) {
            return false;
        }
        int magic = head.getInt(0);
        structured = magic == Nbd.STRUCTURED_REPLY_MAGIC;
        if (structured) {
            if (!facts.structured()) {
                throw new Violation("a structured reply that was not agreed on");
            }
            wire.read(head.limit(Nbd.CHUNK_BYTES));
        } else if (magic != Nbd.SIMPLE_REPLY_MAGIC) {
            throw new Violation("a reply without its magic number");
        }
        head.flip().getInt();
        if (structured) {
            flags = head.getShort();
            type = Short.toUnsignedInt(head.getShort());
            cookie = head.getLong();
            length = head.getInt();
        } else {
            error = head.getInt();
            cookie = head.getLong();
        }
        return true;
    }

    /** Of the message: which request it answers. */
    long cookie() {
        return cookie;
    }

    /** Reads the rest of the message; whether the request is done. */
    boolean reply(Exchange x) throws IOException {
        if (structured) {
            chunk(x);
            if ((flags & Nbd.REPLY_FLAG_DONE) == 0) {
                return false;
            }
            complete(x);
        } else {
            simple(x);
        }
        return true;
    }

    private void simple(Exchange x) throws IOException {
        int command = x.request().command();
        if (facts.structured() && (command == Nbd.CMD_READ || error == 0 && command == Nbd.CMD_BLOCK_STATUS)) {
            throw new Violation("a simple reply where it has to be structured");
        }
        if (error != 0) {
            x.failed(error, "");
        } else if (command == Nbd.CMD_READ) {
            wire.read(Link.memory(x.address(), x.request().length()));
        }
    }

    /** What has come has to be all that was asked for. */
    private static void complete(Exchange x) throws Violation {
        switch (x.request().command()) {
            case Nbd.CMD_READ -> {
                if (!x.hasFailed() && !x.coverage().isComplete()) {
                    throw new Violation("a read that lacks some of its data");
                }
            }
            case Nbd.CMD_BLOCK_STATUS -> {
                if (!x.hasFailed() && !x.isTold()) {
                    throw new Violation("a status without a descriptor");
                }
            }
            default -> {}
        }
    }

    private void chunk(Exchange x) throws IOException {
        boolean read = x.request().command() == Nbd.CMD_READ;
        if (type == Nbd.REPLY_TYPE_NONE && length == 0 && (flags & Nbd.REPLY_FLAG_DONE) != 0) {
            return;
        }
        if (type == Nbd.REPLY_TYPE_OFFSET_DATA && read && length > 8) {
            long position = payload(8).getLong();
            x.coverage().add(position, length - 8);
            wire.read(Link.memory(x.address() + position - x.request().offset(), length - 8));
        } else if (type == Nbd.REPLY_TYPE_OFFSET_HOLE && read && length == 12) {
            ByteBuffer b = payload(12);
            long position = b.getLong();
            long n = Integer.toUnsignedLong(b.getInt());
            x.coverage().add(position, n);
            NativeBuffer.at(x.address() + position - x.request().offset(), n).fill((byte) 0);
        } else if (type == Nbd.REPLY_TYPE_BLOCK_STATUS && x.request().command() == Nbd.CMD_BLOCK_STATUS) {
            status(x);
        } else if ((type & Nbd.REPLY_TYPE_ERR) != 0) {
            error(x);
        } else {
            throw new Violation("a chunk of type %d with %d bytes".formatted(type, Integer.toUnsignedLong(length)));
        }
    }

    private void status(Exchange x) throws IOException {
        if (length < 12 || length > MAX_CHUNK || length % 8 != 4) {
            throw new Violation("descriptors of %d bytes".formatted(Integer.toUnsignedLong(length)));
        }
        ByteBuffer b = payload(length);
        if (b.getInt() != facts.allocation() || x.isTold()) {
            throw new Violation("the status of a meta context that was not asked for");
        }
        long n = Integer.toUnsignedLong(b.getInt());
        if (n == 0) {
            throw new Violation("a descriptor of no bytes");
        }
        x.told(n, b.getInt());
    }

    /** Also of a type that we don't know: all begin in the same way. */
    private void error(Exchange x) throws IOException {
        if (length < 6 || length > MAX_CHUNK) {
            throw new Violation("an error of %d bytes".formatted(Integer.toUnsignedLong(length)));
        }
        ByteBuffer b = payload(length);
        int number = b.getInt();
        int n = Short.toUnsignedInt(b.getShort());
        if (n > Nbd.MAX_STRING || n > b.remaining()) {
            throw new Violation("an error with a message of %d bytes".formatted(n));
        }
        String message = new String(b.array(), b.position(), n, StandardCharsets.UTF_8).replaceAll("\\p{Cntrl}", "?");
        // "error MUST be nonzero"; it is an error all the same
        x.failed(number == 0 ? Nbd.EIO : number, message);
    }

    private ByteBuffer payload(int bytes) throws IOException {
        wire.read(payload.clear().limit(bytes));
        return payload.flip();
    }
}
