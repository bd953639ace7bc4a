package serai.machine.nvme;

import serai.machine.memory.GuestMemory;

/**
 * A completion queue (NVMe 1.4, 4.6).
 *
 * <pre>
 *  0 result (4) | 4 reserved (4) | 8 submission queue head (2) | 10 submission queue id (2) | 12 command id (2)
 *  14 bit 0 phase, 8:1 status code, 11:9 its type, 14 more, 15 do not retry
 * </pre>
 *
 * Room is set aside for each command under way, so a completion never waits for the driver.
 */
final class CompletionQueue {
    static final int BYTES = 16;
    private static final int DO_NOT_RETRY = 1 << 31;

    final int id;
    final long base;
    final int size;
    final boolean interrupts;
    final int vector;
    int head;
    int tail;
    boolean phase = true;
    /** Commands under way that will complete here. */
    int reserved;

    CompletionQueue(int id, long base, int size, boolean interrupts, int vector) {
        this.id = id;
        this.base = base;
        this.size = size;
        this.interrupts = interrupts;
        this.vector = vector;
    }

    /** Entries that the driver has not taken yet. */
    int occupied() {
        return Math.floorMod(tail - head, size);
    }

    boolean hasRoom() {
        return occupied() + reserved < size - 1;
    }

    /** Puts an entry in; there is room. The phase is written last. */
    void post(GuestMemory memory, SubmissionQueue sq, int command, int result, int status) {
        long at = base + (long) tail * BYTES;
        memory.writeLong(at, result & 0xffffffffL);
        memory.writeInt(at + 8, sq.id << 16 | sq.head);
        int dnr = status == Status.SUCCESS || Status.mayRetry(status) ? 0 : DO_NOT_RETRY;
        memory.writeInt(at + 12, command | (phase ? 1 << 16 : 0) | status << 17 | dnr);
        tail = (tail + 1) % size;
        phase ^= tail == 0;
    }

    NvmeState.Completion save() {
        return new NvmeState.Completion(id, base, size, interrupts, vector, head, tail, phase);
    }

    static CompletionQueue restored(NvmeState.Completion s) {
        CompletionQueue q = new CompletionQueue(s.id(), s.base(), s.size(), s.interrupts(), s.vector());
        q.head = s.head();
        q.tail = s.tail();
        q.phase = s.phase();
        return q;
    }
}
