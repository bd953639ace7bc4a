package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import serai.storage.BlockDevice;

/** The commands of a worker (proto, "Request types"): checks a request, does it on the disk, and has {@link Replies} say how it went. */
final class Requests {
    /** Bytes that the disk zeroes or discards in one go, so that an export can be removed meanwhile. */
    private static final long MAX_STEP = 1L << 28;

    private final Wire wire;
    private final Agreement agreement;
    private final Worker worker;
    private final Replies replies;

    /** The request, and what is known of it. */
    private Request request = new Request(0, 0, 0, 0, 0);

    private RequestError error = RequestError.NONE;
    /** Of a WRITE: bytes that are on the disk already; the rest is in the buffer. */
    private long written;

    Requests(Connection connection, Agreement agreement, Worker worker) {
        wire = connection.wire();
        this.agreement = agreement;
        this.worker = worker;
        replies = new Replies(connection, agreement.structured());
    }

    Agreement agreement() {
        return agreement;
    }

    /** Checks a request and takes its data. */
    void begin(Request r) throws IOException {
        request = r;
        error = check(r);
        if (r.command() == Nbd.CMD_WRITE) {
            takeData();
        }
    }

    /** What is wrong with a request in itself (proto, "Error values"). */
    private RequestError check(Request r) {
        int flags =
                switch (r.command()) {
                    case Nbd.CMD_READ -> agreement.structured() ? Nbd.CMD_FLAG_DF : 0;
                    case Nbd.CMD_WRITE_ZEROES -> Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
                    case Nbd.CMD_BLOCK_STATUS -> Nbd.CMD_FLAG_REQ_ONE;
                    case Nbd.CMD_WRITE, Nbd.CMD_FLUSH, Nbd.CMD_TRIM, Nbd.CMD_CACHE -> 0;
                    default -> -1;
                };
        if (flags < 0) {
            return new RequestError(Nbd.EINVAL, "this server does not know the command");
        }
        if ((r.flags() & ~(flags | Nbd.CMD_FLAG_FUA)) != 0) {
            return new RequestError(Nbd.EINVAL, "the command does not have that flag");
        }
        if (r.command() == Nbd.CMD_FLUSH) {
            return RequestError.NONE;
        }
        boolean writes = r.command() == Nbd.CMD_WRITE || r.command() == Nbd.CMD_WRITE_ZEROES;
        if ((writes || r.command() == Nbd.CMD_TRIM)
                && !agreement.export().export().writable()) {
            return new RequestError(Nbd.EPERM, "the export is read-only");
        }
        if (r.offset() < 0 || r.length() > agreement.size() - r.offset()) {
            return new RequestError(writes ? Nbd.ENOSPC : Nbd.EINVAL, "the range ends after the disk");
        }
        if (((r.offset() | r.length()) & BlockDevice.SECTOR - 1) != 0) {
            return new RequestError(Nbd.EINVAL, "the range is not of whole sectors of 512 bytes");
        }
        if (r.command() == Nbd.CMD_READ && r.length() > Nbd.MAX_PAYLOAD) {
            return agreement.structured()
                    ? new RequestError(Nbd.EOVERFLOW, "a read has at most 32 MiB")
                    : new RequestError(Nbd.EINVAL, "");
        }
        if (r.command() == Nbd.CMD_BLOCK_STATUS && (agreement.contexts().isEmpty() || r.length() == 0)) {
            return new RequestError(Nbd.EINVAL, "there is no meta context, or no range, to tell the status of");
        }
        return RequestError.NONE;
    }

    /** Reads the data of a WRITE, and writes what does not fit into the buffer; if there is an error, it is for nothing. */
    private void takeData() throws IOException {
        if (request.length() > Nbd.MAX_PAYLOAD) {
            throw new Violation("a write of %d bytes".formatted(request.length()));
        }
        long left = request.length();
        written = 0;
        while (left > 0) {
            ByteBuffer b = worker.buffer(left);
            int n = (int) Math.min(left, b.capacity());
            wire.read(b.limit(n));
            left -= n;
            if (left > 0) {
                write(n);
            }
        }
    }

    private void write(long n) {
        if (error == RequestError.NONE) {
            long at = request.offset() + written;
            error = agreement.export().use(d -> d.write(at, worker.address(), n));
            written += n;
        }
    }

    /** Does it and replies. */
    void finish() throws IOException {
        if (error == RequestError.NONE) {
            switch (request.command()) {
                case Nbd.CMD_READ -> {
                    new Reading(worker, replies, agreement, request).run();
                    return;
                }
                case Nbd.CMD_BLOCK_STATUS -> {
                    new Statuses(worker, replies, agreement, request).run();
                    return;
                }
                case Nbd.CMD_WRITE -> write(request.length() - written);
                case Nbd.CMD_FLUSH -> error = agreement.export().use(BlockDevice::flush);
                case Nbd.CMD_TRIM -> inSteps((d, at, n) -> d.discard(at, n));
                case Nbd.CMD_WRITE_ZEROES -> zero();
                case Nbd.CMD_CACHE -> cache();
                default -> throw new IllegalStateException("command " + request.command());
            }
            boolean changes = request.command() != Nbd.CMD_FLUSH && request.command() != Nbd.CMD_CACHE;
            if (request.has(Nbd.CMD_FLAG_FUA) && changes && error == RequestError.NONE) {
                error = agreement.export().use(BlockDevice::flush);
            }
        }
        replies.done(request, error);
    }

    private void zero() {
        boolean mayFree = !request.has(Nbd.CMD_FLAG_NO_HOLE);
        if (request.has(Nbd.CMD_FLAG_FAST_ZERO) && !mayFree) {
            // what has to be allocated may have to be written; what may be freed is quick on all that we have files on
            error = new RequestError(Nbd.ENOTSUP, "zeroing without a hole may be as slow as writing");
            return;
        }
        inSteps((d, at, n) -> d.zero(at, n, mayFree));
    }

    /** Has the disk read the range, so that it is in the caches below; no more than a read may have. */
    private void cache() {
        long end = request.offset() + Math.min(request.length(), Nbd.MAX_PAYLOAD);
        for (long at = request.offset(); at < end && error == RequestError.NONE; ) {
            int n = (int) Math.min(end - at, worker.buffer(end - at).capacity());
            long from = at;
            error = agreement.export().use(d -> d.read(from, worker.address(), n));
            at += n;
        }
    }

    /** A change of a range. */
    @FunctionalInterface
    private interface Change {
        void run(BlockDevice device, long position, long length) throws IOException;
    }

    private void inSteps(Change change) {
        long end = request.offset() + request.length();
        for (long at = request.offset(); at < end && error == RequestError.NONE; at += MAX_STEP) {
            long from = at;
            error = agreement.export().use(d -> change.run(d, from, Math.min(MAX_STEP, end - from)));
        }
    }
}
