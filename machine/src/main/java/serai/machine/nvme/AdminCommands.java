package serai.machine.nvme;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import serai.machine.disk.Disk;
import serai.machine.memory.GuestMemory;

/** The admin command set: NVMe 1.4, 5. All of it is done at once. */
final class AdminCommands {
    private static final int DELETE_SUBMISSION_QUEUE = 0,
            CREATE_SUBMISSION_QUEUE = 1,
            GET_LOG_PAGE = 2,
            DELETE_COMPLETION_QUEUE = 4,
            CREATE_COMPLETION_QUEUE = 5,
            IDENTIFY = 6,
            ABORT = 8,
            SET_FEATURES = 9,
            GET_FEATURES = 0xa,
            ASYNC_EVENT_REQUEST = 0xc;
    private static final int ARBITRATION = 1,
            POWER_MANAGEMENT = 2,
            TEMPERATURE_THRESHOLD = 4,
            ERROR_RECOVERY = 5,
            VOLATILE_WRITE_CACHE = 6,
            NUMBER_OF_QUEUES = 7,
            INTERRUPT_COALESCING = 8,
            INTERRUPT_VECTOR = 9,
            WRITE_ATOMICITY = 0xa,
            ASYNC_EVENTS = 0xb;

    /** By feature id: the bits of command dword 11 that are kept; 0 for what can't be set here, or has no value to keep. */
    private static final int[] KEPT = {0, 0xffffff07, 0, 0, 0x3fffff, 0x1ffff, 1, 0, 0xffff, 0, 1, 0x1ff, 0, 0, 0, 0};

    private static final int EVERY_NAMESPACE = -1;
    private static final int NAMESPACE_EVENTS = 1 << 8;
    private static final int ROOM_TEMPERATURE = 296; // kelvins, as the health log tells
    private static final int[] LOG_BYTES = {0, 64, 512, 512, 4096};

    private final GuestMemory memory;
    private final Disk disk;
    private final Nvme nvme;
    private final AsyncEvents events;
    int[] features = new int[16];

    AdminCommands(GuestMemory memory, Disk disk, Nvme nvme, AsyncEvents events) {
        this.memory = memory;
        this.disk = disk;
        this.nvme = nvme;
        this.events = events;
        reset();
    }

    void reset() {
        Arrays.fill(features, 0);
        features[TEMPERATURE_THRESHOLD] = 343;
        features[VOLATILE_WRITE_CACHE] = 1;
    }

    boolean writeCache() {
        return (features[VOLATILE_WRITE_CACHE] & 1) != 0;
    }

    boolean namespaceEvents() {
        return (features[ASYNC_EVENTS] & NAMESPACE_EVENTS) != 0;
    }

    /**
     * Does a command.
     *
     * @return dword 0 of its completion
     */
    int execute(Command c) throws Status.Failure {
        if (c.flags() != 0) {
            throw new Status.Failure(Status.INVALID_FIELD);
        }
        switch (c.opcode()) {
            case CREATE_COMPLETION_QUEUE -> createCompletionQueue(c);
            case CREATE_SUBMISSION_QUEUE -> createSubmissionQueue(c);
            case DELETE_SUBMISSION_QUEUE -> nvme.deleteSubmissionQueue(c.cdw(10) & 0xffff);
            case DELETE_COMPLETION_QUEUE -> nvme.deleteCompletionQueue(c.cdw(10) & 0xffff);
            case IDENTIFY -> {
                byte[] data = Identify.data(disk, c);
                Prp.buffers(memory, c, data.length, true).put(data);
            }
            case GET_LOG_PAGE -> logPage(c);
            case SET_FEATURES -> {
                return setFeature(c);
            }
            case GET_FEATURES -> {
                return getFeature(c);
            }
            case ABORT -> {
                return 1; // not aborted: commands are done soon
            }
            default -> throw new Status.Failure(Status.INVALID_OPCODE);
        }
        return 0;
    }

    static boolean isEventRequest(Command c) {
        return c.opcode() == ASYNC_EVENT_REQUEST && c.flags() == 0;
    }

    // ---- queues: 5.3 to 5.6 ----

    private static int queueSize(Command c) throws Status.Failure {
        int size = (c.cdw(10) >>> 16) + 1;
        if (size < 2 || size > Nvme.MAX_QUEUE_SIZE) {
            throw new Status.Failure(Status.INVALID_QUEUE_SIZE);
        }
        if ((c.cdw(11) & 1) == 0) {
            throw new Status.Failure(Status.INVALID_FIELD); // not contiguous
        }
        if ((c.prp1() & Prp.PAGE - 1) != 0) {
            throw new Status.Failure(Status.PRP_OFFSET_INVALID);
        }
        return size;
    }

    private void createCompletionQueue(Command c) throws Status.Failure {
        int id = c.cdw(10) & 0xffff;
        if (id == 0 || id > Nvme.IO_QUEUES || nvme.completionQueue(id) != null) {
            throw new Status.Failure(Status.INVALID_QUEUE_ID);
        }
        int size = queueSize(c);
        int vector = c.cdw(11) >>> 16;
        if (vector >= Nvme.VECTORS) {
            throw new Status.Failure(Status.INVALID_INTERRUPT_VECTOR);
        }
        nvme.add(new CompletionQueue(id, c.prp1(), size, (c.cdw(11) & 2) != 0, vector));
    }

    private void createSubmissionQueue(Command c) throws Status.Failure {
        int id = c.cdw(10) & 0xffff;
        if (id == 0 || id > Nvme.IO_QUEUES || nvme.submissionQueue(id) != null) {
            throw new Status.Failure(Status.INVALID_QUEUE_ID);
        }
        int size = queueSize(c);
        int completions = c.cdw(11) >>> 16;
        if (completions == 0 || completions > Nvme.IO_QUEUES) {
            throw new Status.Failure(Status.INVALID_QUEUE_ID);
        }
        CompletionQueue cq = nvme.completionQueue(completions);
        if (cq == null) {
            throw new Status.Failure(Status.INVALID_COMPLETION_QUEUE);
        }
        nvme.add(new SubmissionQueue(id, c.prp1(), size, cq));
    }

    // ---- features: 5.14, 5.21 ----

    private int setFeature(Command c) throws Status.Failure {
        int id = c.cdw(10) & 0xff;
        int v = c.cdw(11);
        if (c.cdw(10) < 0) {
            throw new Status.Failure(Status.FEATURE_NOT_SAVEABLE);
        }
        switch (id) {
            case ARBITRATION,
                    ERROR_RECOVERY,
                    VOLATILE_WRITE_CACHE,
                    INTERRUPT_COALESCING,
                    WRITE_ATOMICITY,
                    ASYNC_EVENTS -> features[id] = v & KEPT[id];
            case TEMPERATURE_THRESHOLD -> {
                if ((v & 0x3f0000) == 0) { // the composite one, over
                    features[id] = v & 0xffff;
                }
            }
            case POWER_MANAGEMENT -> {
                if ((v & 0x1f) != 0) {
                    throw new Status.Failure(Status.INVALID_FIELD); // there is state 0 alone
                }
            }
            case NUMBER_OF_QUEUES -> {
                if ((v & 0xffff) == 0xffff || v >>> 16 == 0xffff) {
                    throw new Status.Failure(Status.INVALID_FIELD);
                }
                if (nvme.hasIoQueues()) {
                    throw new Status.Failure(Status.COMMAND_SEQUENCE_ERROR);
                }
                return queues();
            }
            case INTERRUPT_VECTOR -> vector(v);
            default -> throw new Status.Failure(Status.INVALID_FIELD);
        }
        return 0;
    }

    private int getFeature(Command c) throws Status.Failure {
        int id = c.cdw(10) & 0xff;
        if ((c.cdw(10) & 0x700) != 0) {
            throw new Status.Failure(Status.INVALID_FIELD); // Select is not offered
        }
        return switch (id) {
            case ARBITRATION,
                    POWER_MANAGEMENT,
                    TEMPERATURE_THRESHOLD,
                    ERROR_RECOVERY,
                    VOLATILE_WRITE_CACHE,
                    INTERRUPT_COALESCING,
                    WRITE_ATOMICITY,
                    ASYNC_EVENTS -> features[id];
            case NUMBER_OF_QUEUES -> queues();
            case INTERRUPT_VECTOR -> vector(c.cdw(11)) | 1 << 16; // never coalesced
            default -> throw new Status.Failure(Status.INVALID_FIELD);
        };
    }

    private static int vector(int v) throws Status.Failure {
        if ((v & 0xffff) >= Nvme.VECTORS) {
            throw new Status.Failure(Status.INVALID_FIELD);
        }
        return v & 0xffff;
    }

    /** All there are, whatever was asked for: 5.21.1.7 allows more. */
    private static int queues() {
        return Nvme.IO_QUEUES - 1 | Nvme.IO_QUEUES - 1 << 16;
    }

    // ---- log pages: 5.14.1 ----

    private void logPage(Command c) throws Status.Failure {
        int page = c.cdw(10) & 0xff;
        if (c.namespace() != EVERY_NAMESPACE && c.namespace() != 0 && c.namespace() != Nvme.NAMESPACE) {
            throw new Status.Failure(Status.INVALID_NAMESPACE);
        }
        if (page == 0 || page >= LOG_BYTES.length) {
            throw new Status.Failure(Status.INVALID_LOG_PAGE);
        }
        long bytes = ((c.cdw(10) >>> 16 | (c.cdw(11) & 0xffffL) << 16) + 1) * 4;
        long offset = c.cdw(12) & 0xffffffffL | (long) c.cdw(13) << 32;
        byte[] log = log(page);
        if (offset < 0 || offset > log.length || (offset & 3) != 0) {
            throw new Status.Failure(Status.INVALID_FIELD);
        }
        // what lies behind the page's end is not defined: at most the page is written
        byte[] part = Arrays.copyOfRange(log, (int) offset, (int) Math.min(log.length, offset + bytes));
        Prp.buffers(memory, c, part.length, true).put(part);
        if ((c.cdw(10) & 0x8000) == 0) { // not to be retained
            events.logRead(page);
        }
    }

    private byte[] log(int page) {
        ByteBuffer b = ByteBuffer.allocate(LOG_BYTES[page]).order(ByteOrder.LITTLE_ENDIAN);
        switch (page) {
            case 1 -> {
                for (long w : events.errorLog()) {
                    b.putLong(w);
                }
            }
            case 2 -> {
                long[] n = nvme.counters();
                b.putShort(1, (short) ROOM_TEMPERATURE);
                b.put(3, (byte) 100).put(4, (byte) 10); // spare left and its threshold, in per cent
                b.putLong(32, (n[0] + 999) / 1000).putLong(48, (n[1] + 999) / 1000);
                b.putLong(64, n[2]).putLong(80, n[3]);
            }
            case 3 -> {
                b.put(0, (byte) 1); // slot 1 is active
                b.put(8, "1.0     ".getBytes(StandardCharsets.US_ASCII));
            }
            default -> b.putInt(0, events.namespaceHasChanged() ? Nvme.NAMESPACE : 0);
        }
        return b.array();
    }
}
