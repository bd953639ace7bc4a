package serai.storage.nbd;

import java.io.IOException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** A request of the client and what has come of it. The caller's thread makes it and waits; the link's reader fills it in. */
final class Exchange {
    private final Request request;
    /** Of a READ or WRITE: where its data is. */
    private final long address;

    private final Coverage coverage;
    private final Thread caller = Thread.currentThread();
    /** The error that the server has told first, 0 if none. */
    private int error;

    private String message = "";
    /** Of a BLOCK_STATUS: the first descriptor; a length of 0 if there has been none. */
    private long statusLength;

    private int status;
    /** Why there will be no reply. */
    private @Nullable IOException lost;

    private volatile boolean done;

    /** The cookie of the request is the link's to choose. */
    Exchange(Request request, long address) {
        this.request = request;
        this.address = address;
        coverage = new Coverage(request.offset(), request.command() == Nbd.CMD_READ ? request.length() : 0);
    }

    Request request() {
        return request;
    }

    long address() {
        return address;
    }

    // ---- for the reader ----

    Coverage coverage() {
        return coverage;
    }

    void failed(int number, String why) {
        if (error == 0) {
            error = number;
            message = why;
        }
    }

    void told(long length, int flags) {
        statusLength = length;
        status = flags;
    }

    boolean isTold() {
        return statusLength > 0;
    }

    boolean hasFailed() {
        return error != 0;
    }

    void done() {
        done = true;
        LockSupport.unpark(caller);
    }

    void lost(IOException why) {
        lost = why;
        done();
    }

    // ---- for the caller ----

    /**
     * Waits for the reply. An interrupt does not end it, as the reader may be writing to the caller's memory; it is kept for later.
     *
     * @throws IOException if there will be none
     */
    void await() throws IOException {
        boolean interrupted = false;
        while (!done) {
            LockSupport.park(this);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (lost != null) {
            throw lost;
        }
    }

    /** The error number, 0 if there was none. */
    int error() {
        return error;
    }

    /** What the server has said of the error, perhaps nothing. */
    String message() {
        return message;
    }

    long statusLength() {
        return statusLength;
    }

    int status() {
        return status;
    }
}
