package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import serai.storage.BlockDevice;
import serai.storage.DiskException;

/** The handshake as a client has it: asks for structured replies, for base:allocation, for the sizes, and goes (proto, "Handshake"). */
final class ClientNegotiation {
    /** The second number of the handshake that there was before options. */
    private static final long OLDSTYLE_MAGIC = 0x00420281861253L;

    /** Bytes of a reply's data. */
    private static final int MAX_DATA = 64 << 10;
    /** Replies to one option. */
    private static final int MAX_REPLIES = 1000;

    /** A reply to an option. */
    private record Reply(int type, ByteBuffer data) {
        boolean isError() {
            return type < 0;
        }

        /** What it is, or says, for a message. */
        String message() {
            String s = new String(data.array(), 0, Math.min(200, data.limit()), StandardCharsets.UTF_8)
                    .replaceAll("\\p{Cntrl}", "?");
            return s.isEmpty() ? "error %d".formatted(type & ~Nbd.REP_ERR) : s;
        }
    }

    private final Wire wire;
    private final String server;
    private final String export;

    private boolean noZeroes;
    private long size = -1;
    private int flags;
    private boolean tellsAllocation;
    private int allocation;
    private int minBlock = 1;
    private int maxPayload = Nbd.MAX_PAYLOAD;

    /**
     * For an export.
     *
     * @param server as messages call it
     */
    ClientNegotiation(Wire wire, String server, String export) {
        this.wire = wire;
        this.server = server;
        this.export = export;
    }

    /**
     * Negotiates.
     *
     * @throws DiskException if the server refuses, or offers what is no disk for us
     * @throws Violation if it breaks the protocol
     */
    ServerFacts run() throws IOException {
        try {
            greeting();
            boolean structured = structured();
            if (structured) {
                context();
            }
            if (!go()) {
                exportName();
            }
            return facts(structured);
        } catch (OptionData.Malformed e) {
            throw new Violation("a reply to an option is malformed: " + e.getMessage());
        }
    }

    private void greeting() throws IOException {
        ByteBuffer b = ByteBuffer.allocate(Nbd.GREETING_BYTES - 2);
        wire.read(b);
        b.flip();
        if (b.getLong() != Nbd.MAGIC) {
            throw new DiskException(server + " is no NBD server");
        }
        long magic = b.getLong();
        if (magic == OLDSTYLE_MAGIC) {
            throw new DiskException(server + " has the oldstyle handshake, which is not supported");
        }
        if (magic != Nbd.OPTION_MAGIC) {
            throw new DiskException(server + " has a handshake that is not known");
        }
        ByteBuffer offered = ByteBuffer.allocate(2);
        wire.read(offered);
        int server = offered.flip().getShort();
        if ((server & Nbd.FLAG_FIXED_NEWSTYLE) == 0) {
            throw new DiskException(
                    this.server + " has the newstyle handshake that is not fixed, which is not supported");
        }
        wire.write(ByteBuffer.allocate(4)
                .putInt(server & (Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES))
                .flip());
        noZeroes = (server & Nbd.FLAG_NO_ZEROES) != 0;
    }

    private boolean structured() throws IOException {
        send(Nbd.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0));
        return last(reply(Nbd.OPT_STRUCTURED_REPLY));
    }

    private void context() throws IOException, OptionData.Malformed {
        byte[] name = utf8(export);
        byte[] query = utf8(MetaContext.ALLOCATION);
        send(
                Nbd.OPT_SET_META_CONTEXT,
                ByteBuffer.allocate(12 + name.length + query.length)
                        .putInt(name.length)
                        .put(name)
                        .putInt(1)
                        .putInt(query.length)
                        .put(query)
                        .flip());
        boolean found = false;
        for (int n = 0; n < MAX_REPLIES; n++) {
            Reply r = reply(Nbd.OPT_SET_META_CONTEXT);
            if (r.type != Nbd.REP_META_CONTEXT) {
                tellsAllocation = last(r) && found;
                return;
            }
            OptionData data = new OptionData(r.data);
            int id = data.u32();
            if (data.rest().equals(MetaContext.ALLOCATION)) {
                allocation = id;
                found = true;
            }
        }
        throw endless();
    }

    /** Chooses the export; false if the server does not have GO. */
    private boolean go() throws IOException, OptionData.Malformed {
        byte[] name = utf8(export);
        send(
                Nbd.OPT_GO,
                ByteBuffer.allocate(8 + name.length)
                        .putInt(name.length)
                        .put(name)
                        .putShort((short) 1)
                        .putShort((short) Nbd.INFO_BLOCK_SIZE)
                        .flip());
        for (int n = 0; n < MAX_REPLIES; n++) {
            Reply r = reply(Nbd.OPT_GO);
            if (r.type == Nbd.REP_INFO) {
                information(new OptionData(r.data));
            } else if (r.type == Nbd.REP_ERR_UNSUP) {
                return false;
            } else if (r.type == Nbd.REP_ERR_UNKNOWN) {
                throw abort(server + " has no export '" + export + "'");
            } else if (r.isError()) {
                throw abort(server + " refuses export '" + export + "': " + r.message());
            } else {
                last(r);
                if (size < 0) {
                    throw new Violation("an export without its size");
                }
                return true;
            }
        }
        throw endless();
    }

    private void information(OptionData data) throws OptionData.Malformed {
        switch (data.u16()) {
            case Nbd.INFO_EXPORT -> {
                size = data.u64();
                flags = data.u16();
                data.end();
            }
            case Nbd.INFO_BLOCK_SIZE -> {
                minBlock = data.u32();
                data.u32(); // what is efficient
                maxPayload = data.u32();
                data.end();
            }
            default -> {} // "the client MUST ignore information replies it does not understand"
        }
    }

    private void exportName() throws IOException {
        send(Nbd.OPT_EXPORT_NAME, ByteBuffer.wrap(utf8(export)));
        ByteBuffer b = ByteBuffer.allocate(10 + (noZeroes ? 0 : Nbd.EXPORT_NAME_ZEROES));
        if (!wire.begin(b)) {
            throw new DiskException(server + " has no export '" + export + "'");
        }
        b.flip();
        size = b.getLong();
        flags = Short.toUnsignedInt(b.getShort());
    }

    private ServerFacts facts(boolean structured) throws IOException {
        String what = server + " offers a disk ";
        if (size < 0 || size > Long.MAX_VALUE - Nbd.MAX_PAYLOAD) {
            throw new DiskException(
                    what + "of " + Long.toUnsignedString(size) + " bytes, which is more than there can be");
        }
        if (size % BlockDevice.SECTOR != 0) {
            throw new DiskException(what + "of " + size + " bytes, and a disk has a multiple of " + BlockDevice.SECTOR);
        }
        if (minBlock < 1 || Integer.bitCount(minBlock) != 1) {
            throw new Violation("a minimum block size of " + Integer.toUnsignedString(minBlock));
        }
        if (minBlock > BlockDevice.SECTOR) {
            throw new DiskException(
                    what + "with blocks of " + minBlock + " bytes, and sectors have " + BlockDevice.SECTOR);
        }
        if (maxPayload >= 0 && maxPayload < BlockDevice.SECTOR) {
            throw new Violation("a maximum payload of " + maxPayload);
        }
        // 0xffffffff is no bound at all
        int payload = maxPayload < 0 ? Nbd.MAX_PAYLOAD : Math.min(maxPayload, Nbd.MAX_PAYLOAD) & -BlockDevice.SECTOR;
        if ((flags & Nbd.FLAG_HAS_FLAGS) == 0) {
            flags = 0; // "MUST always be 1"; the rest is not to be trusted then
        }
        return new ServerFacts(size, flags, structured, tellsAllocation, allocation, minBlock, payload);
    }

    private void send(int option, ByteBuffer data) throws IOException {
        wire.write(
                ByteBuffer.allocate(Nbd.OPTION_BYTES)
                        .putLong(Nbd.OPTION_MAGIC)
                        .putInt(option)
                        .putInt(data.remaining())
                        .flip(),
                data);
    }

    private Reply reply(int option) throws IOException {
        ByteBuffer b = ByteBuffer.allocate(Nbd.OPTION_REPLY_BYTES);
        wire.read(b);
        b.flip();
        if (b.getLong() != Nbd.OPTION_REPLY_MAGIC || b.getInt() != option) {
            throw new Violation("a reply to an option that is none, or to another");
        }
        int type = b.getInt();
        int length = b.getInt();
        if (length < 0 || length > MAX_DATA) {
            throw new Violation("a reply to an option with %d bytes".formatted(Integer.toUnsignedLong(length)));
        }
        ByteBuffer data = ByteBuffer.allocate(length);
        wire.read(data);
        return new Reply(type, data.flip());
    }

    /** Whether the last reply to an option is not an error. */
    private static boolean last(Reply r) throws Violation {
        if (!r.isError() && r.type != Nbd.REP_ACK) {
            throw new Violation("a reply of type " + r.type + ", which the option does not have");
        }
        return !r.isError();
    }

    private DiskException abort(String message) throws IOException {
        send(Nbd.OPT_ABORT, ByteBuffer.allocate(0)); // there need not be an answer to it
        return new DiskException(message);
    }

    private static Violation endless() {
        return new Violation("more than " + MAX_REPLIES + " replies to an option");
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }
}
