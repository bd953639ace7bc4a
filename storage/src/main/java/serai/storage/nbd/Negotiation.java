package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import serai.storage.BlockDevice;

/**
 * The handshake as a server has it: fixed newstyle, without TLS (proto, "Handshake").
 *
 * <p>What a client can make us hold is one option's data, at most {@link #MAX_DATA} bytes; the options of one handshake are counted, and how
 * long it may take is for the server to watch.
 */
final class Negotiation {
    /** Bytes of an option's data: names and queries. More is no option that anybody has. */
    private static final int MAX_DATA = 64 << 10;

    private static final int MAX_OPTIONS = 4096;
    /** Bytes that are efficient to write: the page of the host, and what guests' file systems have as a block. */
    private static final int PREFERRED_BLOCK = 4096;

    private final Wire wire;
    private final Exports exports;
    private boolean structured;
    private boolean noZeroes;
    /** What SET_META_CONTEXT has chosen, and of which export. */
    private List<MetaContext> contexts = List.of();

    private Optional<ServedExport> contextsOf = Optional.empty();

    Negotiation(Wire wire, Exports exports) {
        this.wire = wire;
        this.exports = exports;
    }

    /**
     * Negotiates.
     *
     * @return empty if the client has ended the session, or wants what there is not
     * @throws Violation if the client breaks the protocol
     */
    Optional<Agreement> run() throws IOException {
        wire.write(ByteBuffer.allocate(Nbd.GREETING_BYTES)
                .putLong(Nbd.MAGIC)
                .putLong(Nbd.OPTION_MAGIC)
                .putShort((short) (Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES))
                .flip());
        ByteBuffer flags = ByteBuffer.allocate(4);
        if (!wire.begin(flags)) {
            return Optional.empty();
        }
        int client = flags.flip().getInt();
        if ((client & ~(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)) != 0) {
            throw new Violation("unknown client flags 0x%x".formatted(client));
        }
        noZeroes = (client & Nbd.FLAG_NO_ZEROES) != 0;
        ByteBuffer header = ByteBuffer.allocate(Nbd.OPTION_BYTES);
        for (int n = 0; n < MAX_OPTIONS; n++) {
            if (!wire.begin(header.clear())) {
                return Optional.empty();
            }
            header.flip();
            if (header.getLong() != Nbd.OPTION_MAGIC) {
                throw new Violation("an option without its magic number");
            }
            int option = header.getInt();
            int length = header.getInt();
            if (length < 0 || length > MAX_DATA) {
                throw new Violation("an option with %d bytes of data".formatted(Integer.toUnsignedLong(length)));
            }
            ByteBuffer data = ByteBuffer.allocate(length);
            wire.read(data);
            data.flip();
            switch (option) {
                case Nbd.OPT_EXPORT_NAME -> {
                    return exportName(data);
                }
                case Nbd.OPT_ABORT -> {
                    reply(option, Nbd.REP_ACK);
                    return Optional.empty();
                }
                case Nbd.OPT_GO -> {
                    Optional<Agreement> a = answered(option, data);
                    if (a.isPresent()) {
                        return a;
                    }
                }
                default -> answered(option, data);
            }
        }
        throw new Violation("more than " + MAX_OPTIONS + " options");
    }

    /** Does an option that has an answer; the agreement if that is GO and it succeeds. */
    private Optional<Agreement> answered(int option, ByteBuffer bytes) throws IOException {
        OptionData data = new OptionData(bytes);
        try {
            switch (option) {
                case Nbd.OPT_LIST -> {
                    data.end();
                    list();
                }
                case Nbd.OPT_INFO, Nbd.OPT_GO -> {
                    return info(option, data);
                }
                case Nbd.OPT_STRUCTURED_REPLY -> {
                    data.end();
                    structured = true;
                    reply(option, Nbd.REP_ACK);
                }
                case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> contexts(option, data);
                case Nbd.OPT_STARTTLS -> error(option, Nbd.REP_ERR_UNSUP, "this server has no TLS");
                default -> error(option, Nbd.REP_ERR_UNSUP, "this server does not know the option");
            }
        } catch (OptionData.Malformed e) {
            error(option, Nbd.REP_ERR_INVALID, String.valueOf(e.getMessage()));
        }
        return Optional.empty();
    }

    private void list() throws IOException {
        for (NbdExport e : exports.list()) {
            byte[] name = utf8(e.name());
            reply(
                    Nbd.OPT_LIST,
                    Nbd.REP_SERVER,
                    ByteBuffer.allocate(4).putInt(name.length).flip(),
                    ByteBuffer.wrap(name),
                    ByteBuffer.wrap(utf8(e.description())));
        }
        reply(Nbd.OPT_LIST, Nbd.REP_ACK);
    }

    private Optional<Agreement> info(int option, OptionData data) throws IOException, OptionData.Malformed {
        String name = data.string();
        int n = data.u16();
        boolean wantsName = false;
        boolean wantsDescription = false;
        for (int i = 0; i < n; i++) {
            int wanted = data.u16();
            wantsName |= wanted == Nbd.INFO_NAME;
            wantsDescription |= wanted == Nbd.INFO_DESCRIPTION;
        }
        data.end();
        Optional<ServedExport> found = exports.find(name);
        if (found.isEmpty()) {
            error(option, Nbd.REP_ERR_UNKNOWN, "there is no export of that name");
            return Optional.empty();
        }
        ServedExport served = found.get();
        long size = served.size();
        if (served.isShut()) {
            error(option, Nbd.REP_ERR_SHUTDOWN, "the export is being removed");
            return Optional.empty();
        }
        reply(
                option,
                Nbd.REP_INFO,
                ByteBuffer.allocate(12)
                        .putShort((short) Nbd.INFO_EXPORT)
                        .putLong(size)
                        .putShort((short) flags(served.export()))
                        .flip());
        reply(
                option,
                Nbd.REP_INFO,
                ByteBuffer.allocate(14)
                        .putShort((short) Nbd.INFO_BLOCK_SIZE)
                        .putInt(BlockDevice.SECTOR)
                        .putInt(PREFERRED_BLOCK)
                        .putInt(Nbd.MAX_PAYLOAD)
                        .flip());
        if (wantsName) {
            text(option, Nbd.INFO_NAME, served.export().name());
        }
        if (wantsDescription && !served.export().description().isEmpty()) {
            text(option, Nbd.INFO_DESCRIPTION, served.export().description());
        }
        reply(option, Nbd.REP_ACK);
        return Optional.of(agreement(served, size));
    }

    private void text(int option, int information, String text) throws IOException {
        reply(
                option,
                Nbd.REP_INFO,
                ByteBuffer.allocate(2).putShort((short) information).flip(),
                ByteBuffer.wrap(utf8(text)));
    }

    /** The old way in, which has no answer but the export itself. */
    private Optional<Agreement> exportName(ByteBuffer data) throws IOException {
        Optional<ServedExport> found;
        try {
            found = exports.find(new OptionData(data).rest());
        } catch (OptionData.Malformed e) {
            throw new Violation("the name of an export that is none: " + e.getMessage());
        }
        if (found.isEmpty()) {
            return Optional.empty();
        }
        ServedExport served = found.get();
        long size = served.size();
        if (served.isShut()) {
            return Optional.empty();
        }
        wire.write(ByteBuffer.allocate(10 + (noZeroes ? 0 : Nbd.EXPORT_NAME_ZEROES))
                .putLong(size)
                .putShort((short) flags(served.export()))
                .rewind());
        return Optional.of(agreement(served, size));
    }

    private Agreement agreement(ServedExport served, long size) {
        // contexts count for the export that they were asked of
        boolean same = contextsOf.isPresent() && contextsOf.get() == served;
        return new Agreement(served, size, structured, same ? contexts : List.of());
    }

    private int flags(NbdExport export) {
        int flags = Nbd.FLAG_HAS_FLAGS
                | Nbd.FLAG_SEND_FLUSH
                | Nbd.FLAG_SEND_FUA
                | Nbd.FLAG_SEND_CACHE
                | Nbd.FLAG_CAN_MULTI_CONN // a flush is the disk's, whoever wrote
                | (structured ? Nbd.FLAG_SEND_DF : 0);
        return flags
                | (export.writable()
                        ? Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO
                        : Nbd.FLAG_READ_ONLY);
    }

    private void contexts(int option, OptionData data) throws IOException, OptionData.Malformed {
        boolean set = option == Nbd.OPT_SET_META_CONTEXT;
        if (set) { // also if it fails
            contexts = List.of();
            contextsOf = Optional.empty();
        }
        if (!structured) {
            throw new OptionData.Malformed("meta contexts need structured replies");
        }
        String name = data.string();
        int n = data.u32();
        Set<String> queries = new HashSet<>();
        for (int i = 0; i != n; i++) { // ends at the latest with the data
            queries.add(data.string());
        }
        data.end();
        Optional<ServedExport> served = exports.find(name);
        if (served.isEmpty()) {
            error(option, Nbd.REP_ERR_UNKNOWN, "there is no export of that name");
            return;
        }
        NbdExport export = served.get().export();
        List<MetaContext> found = MetaContext.of(export);
        if (set) {
            found.removeIf(c -> !queries.contains(c.name()));
            contexts = List.copyOf(found);
            contextsOf = served;
        } else if (n != 0) {
            found.removeIf(c -> queries.stream().noneMatch(q -> MetaContext.finds(q, c.name())));
        }
        for (int id = 0; id < found.size(); id++) {
            reply(
                    option,
                    Nbd.REP_META_CONTEXT,
                    ByteBuffer.allocate(4).putInt(set ? id : 0).flip(),
                    ByteBuffer.wrap(utf8(found.get(id).name())));
        }
        reply(option, Nbd.REP_ACK);
    }

    private void error(int option, int type, String message) throws IOException {
        reply(option, type, ByteBuffer.wrap(utf8(message)));
    }

    private void reply(int option, int type, ByteBuffer... data) throws IOException {
        int length = 0;
        ByteBuffer[] all = new ByteBuffer[data.length + 1];
        for (int i = 0; i < data.length; i++) {
            all[i + 1] = data[i];
            length += data[i].remaining();
        }
        all[0] = ByteBuffer.allocate(Nbd.OPTION_REPLY_BYTES)
                .putLong(Nbd.OPTION_REPLY_MAGIC)
                .putInt(option)
                .putInt(type)
                .putInt(length)
                .flip();
        wire.write(all);
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }
}
