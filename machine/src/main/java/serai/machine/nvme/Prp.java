package serai.machine.nvme;

import serai.machine.disk.GuestBuffers;
import serai.machine.memory.GuestMemory;

/**
 * Physical region pages (NVMe 1.4, 4.3), of 4 KiB as CC.MPS has to say.
 *
 * <p>The first entry may begin inside its page, the others begin pages. A list that does not end with its page goes on where its last
 * entry points. Each page of a list but the first, which may begin at its last entry, adds at least 511 pages of data, so the walk is as
 * bounded as the data are.
 */
final class Prp {
    static final int PAGE = 4096;

    private Prp() {}

    /**
     * The memory of {@code bytes} of a command's data.
     *
     * @param fill whether the controller writes to it
     */
    static GuestBuffers buffers(GuestMemory memory, Command c, long bytes, boolean fill) throws Status.Failure {
        GuestBuffers b = new GuestBuffers(memory, fill);
        long at = c.prp1();
        if ((at & 3) != 0) {
            throw new Status.Failure(Status.PRP_OFFSET_INVALID);
        }
        int first = (int) Math.min(bytes, PAGE - (at & PAGE - 1));
        b.add(at, first);
        long left = bytes - first;
        if (left == 0) {
            return b;
        }
        if (left <= PAGE) {
            b.add(page(c.prp2()), (int) left);
            return b;
        }
        long list = c.prp2();
        if ((list & 7) != 0) {
            throw new Status.Failure(Status.PRP_OFFSET_INVALID);
        }
        while (left > 0) {
            long entry = memory.readLong(list);
            if ((list & PAGE - 1) == PAGE - 8 && left > PAGE) {
                list = page(entry);
                continue;
            }
            int n = (int) Math.min(left, PAGE);
            b.add(page(entry), n);
            left -= n;
            list += 8;
        }
        return b;
    }

    private static long page(long entry) throws Status.Failure {
        if ((entry & PAGE - 1) != 0) {
            throw new Status.Failure(Status.PRP_OFFSET_INVALID);
        }
        return entry;
    }
}
