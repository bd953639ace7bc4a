package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import serai.storage.Extent;

/**
 * Does a READ (proto, "Request types"). Data is in the buffer before its chunk's head goes out, so that a chunk, once begun, is never one of an
 * error.
 */
final class Reading {
    /** Bytes of zeros that are worth a chunk. */
    private static final int MIN_HOLE = 4096;

    private final Worker worker;
    private final Replies replies;
    private final Agreement agreement;
    private final Request request;

    Reading(Worker worker, Replies replies, Agreement agreement, Request request) {
        this.worker = worker;
        this.replies = replies;
        this.agreement = agreement;
        this.request = request;
    }

    void run() throws IOException {
        if (!agreement.structured()) {
            simple();
        } else if (request.length() == 0) {
            replies.none(request);
        } else if (request.has(Nbd.CMD_FLAG_DF)) {
            whole();
        } else {
            chunks();
        }
    }

    /** The first part is read before the head goes out, which says whether there is an error; for one later there is no way to say it. */
    private void simple() throws IOException {
        long end = request.offset() + request.length();
        int n = part(end - request.offset());
        RequestError e = read(request.offset(), n);
        if (e != RequestError.NONE || n == request.length()) {
            if (e == RequestError.NONE) {
                worker.connection().send(replies.simple(request, e), data(n));
            } else {
                worker.connection().send(replies.simple(request, e));
            }
            return;
        }
        worker.connection().writing().lock();
        try {
            worker.wire().write(replies.simple(request, e), data(n));
            for (long at = request.offset() + n; at < end; at += n) {
                n = part(end - at);
                e = read(at, n);
                if (e != RequestError.NONE) {
                    throw new IOException("a read fails when half of the reply is out: " + e.message());
                }
                worker.wire().write(data(n));
            }
        } finally {
            worker.connection().writing().unlock();
        }
    }

    /** In one chunk, zeros and all. */
    private void whole() throws IOException {
        int n = part(request.length());
        if (n < request.length()) {
            replies.failed(request, new RequestError(Nbd.EOVERFLOW, "that much is not read in one chunk"));
            return;
        }
        RequestError e = read(request.offset(), n);
        if (e == RequestError.NONE) {
            replies.data(request, true, request.offset(), data(n));
        } else {
            replies.failed(request, e);
        }
    }

    /** Zeros by name, and the rest in parts. */
    private void chunks() throws IOException {
        long end = request.offset() + request.length();
        Extent[] extent = {Extent.data(1, Extent.NOWHERE)};
        for (long at = request.offset(); at < end; ) {
            long from = at;
            RequestError e = agreement.export().use(d -> extent[0] = d.status(from, end - from));
            int n = (int) Math.min(extent[0].length(), end - at);
            boolean hole = extent[0].zero() && (n >= MIN_HOLE || at + n == end);
            if (e == RequestError.NONE && !hole) {
                n = part(Math.min(Math.max(n, MIN_HOLE), end - at));
                e = read(at, n);
            }
            if (e != RequestError.NONE) {
                replies.failed(request, e);
                return;
            }
            if (hole) {
                replies.hole(request, at + n == end, at, n);
            } else {
                replies.data(request, at + n == end, at, data(n));
            }
            at += n;
        }
    }

    /** As much of a length as has room in the buffer. */
    private int part(long length) {
        return (int) Math.min(length, worker.buffer(length).capacity());
    }

    private RequestError read(long position, int length) {
        return length == 0
                ? RequestError.NONE
                : agreement.export().use(d -> d.read(position, worker.address(), length));
    }

    private ByteBuffer data(int length) {
        return worker.buffer(0).limit(length);
    }
}
