package serai.machine.nvme;

/** Status of a completed command: status code type in bits 10:8, status code in bits 7:0 (NVMe 1.4, 4.6.1). */
final class Status {
    static final int SUCCESS = 0;
    static final int INVALID_OPCODE = 1;
    static final int INVALID_FIELD = 2;
    static final int COMMAND_ID_CONFLICT = 3;
    static final int DATA_TRANSFER_ERROR = 4;
    static final int INTERNAL_ERROR = 6;
    static final int ABORTED_BY_SQ_DELETION = 8;
    static final int INVALID_NAMESPACE = 0xb;
    static final int COMMAND_SEQUENCE_ERROR = 0xc;
    static final int PRP_OFFSET_INVALID = 0x13;
    static final int WRITE_PROTECTED = 0x20;
    static final int LBA_OUT_OF_RANGE = 0x80;

    static final int INVALID_COMPLETION_QUEUE = 0x100;
    static final int INVALID_QUEUE_ID = 0x101;
    static final int INVALID_QUEUE_SIZE = 0x102;
    static final int TOO_MANY_EVENT_REQUESTS = 0x105;
    static final int INVALID_INTERRUPT_VECTOR = 0x108;
    static final int INVALID_LOG_PAGE = 0x109;
    static final int INVALID_QUEUE_DELETION = 0x10c;
    static final int FEATURE_NOT_SAVEABLE = 0x10d;

    static final int WRITE_FAULT = 0x280;
    static final int UNRECOVERED_READ_ERROR = 0x281;

    private Status() {}

    /** Whether the same command may succeed if it is sent again. */
    static boolean mayRetry(int status) {
        return status >>> 8 == 2 || status == INTERNAL_ERROR || status == ABORTED_BY_SQ_DELETION;
    }

    /** Ends a command with a status. */
    static final class Failure extends Exception {
        private static final long serialVersionUID = 1L;

        final int status;

        Failure(int status) {
            super("status " + Integer.toHexString(status), null, false, false);
            this.status = status;
        }
    }
}
