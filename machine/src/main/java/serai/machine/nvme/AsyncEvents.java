package serai.machine.nvme;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Asynchronous events (NVMe 1.4, 5.2): a request waits until there is an event of a type whose log page has been read since the last
 * one.
 */
final class AsyncEvents {
    /** How many may wait: AERL + 1. */
    static final int MAX_REQUESTS = 4;

    /** What can happen. */
    enum Event {
        INVALID_DOORBELL(0, 0, 1),
        INVALID_DOORBELL_VALUE(0, 1, 1),
        NAMESPACE_CHANGED(2, 0, 4);

        final int type;
        private final int information;
        private final int logPage;

        Event(int type, int information, int logPage) {
            this.type = type;
            this.information = information;
            this.logPage = logPage;
        }

        int result() {
            return type | information << 8 | logPage << 16;
        }
    }

    private static final int ERROR = 0;
    private static final int MAX_TYPE = 8;

    private final Deque<Integer> requests = new ArrayDeque<>();
    private int pending;
    private int masked;
    private boolean namespaceChanged;
    private long errors;
    private long[] error = new long[8];

    void reset() {
        requests.clear();
        pending = 0;
        masked = 0;
        namespaceChanged = false;
    }

    /** The health and the errors of the device as it leaves the factory. */
    void clearLog() {
        errors = 0;
        error = new long[8];
    }

    /** Notes a request. */
    void request(int command) throws Status.Failure {
        if (requests.size() == MAX_REQUESTS) {
            throw new Status.Failure(Status.TOO_MANY_EVENT_REQUESTS);
        }
        requests.add(command);
    }

    boolean waits(int command) {
        return requests.contains(command);
    }

    void raise(Event e) {
        pending |= 1 << e.ordinal();
        if (e.type == ERROR) {
            // Figure 194: the count, and of the submission queue, the command and the place of the error only that
            // there is none
            error = new long[] {++errors, 0xffff_0000_ffff_ffffL, 0, 0, 0, 0, 0, 0};
        } else {
            namespaceChanged = true;
        }
    }

    /** An event that can be told now, or null. */
    @org.jspecify.annotations.Nullable
    Event next() {
        if (!requests.isEmpty()) {
            for (Event e : Event.values()) {
                if ((pending & 1 << e.ordinal()) != 0 && (masked & 1 << e.type) == 0) {
                    return e;
                }
            }
        }
        return null;
    }

    /** The event is told to the request whose command id is given back. */
    int told(Event e) {
        pending &= ~(1 << e.ordinal());
        masked |= 1 << e.type;
        return requests.remove();
    }

    long[] errorLog() {
        return error.clone();
    }

    /** Whether the log of changed namespaces has the namespace. */
    boolean namespaceHasChanged() {
        return namespaceChanged;
    }

    /** A log page has been read: its events may come again. */
    void logRead(int page) {
        for (Event e : Event.values()) {
            if (e.logPage == page) {
                masked &= ~(1 << e.type);
            }
        }
        namespaceChanged &= page != Event.NAMESPACE_CHANGED.logPage;
    }

    NvmeState.Events save() {
        return new NvmeState.Events(
                requests.stream().mapToInt(Integer::intValue).toArray(),
                pending,
                masked,
                namespaceChanged,
                errors,
                error.clone());
    }

    void restore(NvmeState.Events s) {
        if (s.requests().length > MAX_REQUESTS || s.error().length != 8) {
            throw new IllegalArgumentException("NVMe events of another size");
        }
        reset();
        for (int c : s.requests()) {
            requests.add(c & 0xffff);
        }
        pending = s.pending() & (1 << Event.values().length) - 1;
        masked = s.masked() & (1 << MAX_TYPE) - 1;
        namespaceChanged = s.namespaceChanged();
        errors = s.errors();
        error = s.error().clone();
    }
}
