package serai.machine.nvme;

/** A submission queue (NVMe 1.4, 4.1). */
final class SubmissionQueue {
    final int id;
    final long base;
    final int size;
    final CompletionQueue completions;
    int head;
    int tail;

    SubmissionQueue(int id, long base, int size, CompletionQueue completions) {
        this.id = id;
        this.base = base;
        this.size = size;
        this.completions = completions;
    }

    NvmeState.Submission save() {
        return new NvmeState.Submission(id, base, size, completions.id, head, tail);
    }

    static SubmissionQueue restored(NvmeState.Submission s, CompletionQueue completions) {
        SubmissionQueue q = new SubmissionQueue(s.id(), s.base(), s.size(), completions);
        q.head = s.head();
        q.tail = s.tail();
        return q;
    }
}
