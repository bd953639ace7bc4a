package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * The memory balloon: virtio 1.2, 5.5. The host says how many pages it wants back, the driver takes them from its guest and names them;
 * what it reports as free goes back to the host, too, until the guest touches it again.
 *
 * <pre>
 * configuration: 0 pages wanted (4) | 4 pages in the balloon (4), written by the driver | 8 command id of free page hints (4), 0
 *                12 what the driver fills free pages with (4), written by it
 * inflate, deflate: page numbers (4 each), of 4 KiB whatever the guest's page size
 * statistics:    tag (2), value (8), …
 * reporting:     the free pages themselves, as buffers to write to
 * </pre>
 *
 * Queue 2 has the statistics and queue 4 the reports (5.5.2). Linux counts only the queues that it uses: it reports on queue 3, as free page
 * hints are not offered, and without statistics on queue 2. So whatever is neither of the others is taken for reports.
 *
 * <p>A page in the balloon is RAM like any other, and comes back, zeroed, when it is touched: so deflating takes no work, and a driver may use
 * a page before it has said so. The statistics' one buffer waits here until the host wants new ones.
 */
public final class VirtioBalloon extends VirtioDevice {
    /** Statistics that have a tag. */
    public static final int STATISTICS = 16;

    private static final long F_STATISTICS = 1 << 1, F_DEFLATE_ON_OOM = 1 << 2, F_POISON = 1 << 4, F_REPORTING = 1 << 5;
    private static final int INFLATE = 0, DEFLATE = 1, STATS = 2, QUEUES = 5;
    private static final int PAGE_SHIFT = 12;
    private static final int CONFIG = 16, ACTUAL = 4, POISON = 12;
    /** Bytes of page numbers in one chain at most: Linux sends 1 KiB. */
    private static final int MAX_NUMBERS = 64 << 10;

    private static final int STATISTIC = 10;
    private static final int VERSION = 1;

    /** Whoever is told of what the driver does, with the machine lock held. */
    public interface Listener {
        /** The driver says that there are so many pages of 4 KiB in the balloon. */
        void actual(long pages);

        /** The driver has sent statistics: by tag, -1 for those that it did not give. */
        void statistics(long[] values);
    }

    private Listener listener = new Listener() {
        @Override
        public void actual(long pages) {}

        @Override
        public void statistics(long[] values) {}
    };

    private int wanted;
    private int actual;
    private int poison;
    private long negotiated;
    private @Nullable Chain statistics;

    /** A balloon with nothing in it. */
    public VirtioBalloon() {
        super(5, 0xff0000, QUEUES);
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        return new VirtioPci(name, this, guestMemory, sink);
    }

    // ---- the host's side, with the machine lock held ----

    /** Who is told. */
    public void listener(Listener l) {
        listener = l;
    }

    /** Pages of 4 KiB that the host wants in the balloon. */
    public long wanted() {
        return wanted & 0xffffffffL;
    }

    /** Pages of 4 KiB that the driver says are in it. */
    public long actual() {
        return actual & 0xffffffffL;
    }

    /**
     * Has the guest inflate or deflate until so many pages are in the balloon; how far it comes is its affair.
     *
     * @param pages of 4 KiB, less than 2^32
     */
    public void want(long pages) {
        if (pages < 0 || pages > 0xffffffffL) {
            throw new IllegalArgumentException(pages + " pages can't be wanted");
        }
        if (pages != wanted()) {
            wanted = (int) pages;
            transport.configChanged();
        }
    }

    /**
     * Asks the guest for statistics, if its driver has any (5.5.6.3). Linux gives its buffer before DRIVER_OK and tells of it only then, when
     * no device listens: so it is looked for here, and what is in it is too old to be told.
     */
    public void requestStatistics() {
        if (!transport.runs() || !has(F_STATISTICS)) {
            return;
        }
        try {
            Chain c = statistics == null ? queue[STATS].pop() : statistics;
            if (c != null) {
                statistics = null;
                queue[STATS].push(c, 0);
                transport.usedBuffers(queue[STATS]);
            }
        } catch (Virtqueue.Malformed | GuestAddressException e) {
            transport.broken(String.valueOf(e.getMessage()));
        }
    }

    // ---- the driver's side ----

    @Override
    long features() {
        return F_STATISTICS | F_DEFLATE_ON_OOM | F_POISON | F_REPORTING;
    }

    @Override
    void negotiated(long features) {
        negotiated = features;
    }

    private boolean has(long feature) {
        return (negotiated & feature) != 0;
    }

    @Override
    int configByte(int offset) {
        int field =
                switch (offset >>> 2) {
                    case 0 -> wanted;
                    case 1 -> actual;
                    case 3 -> poison;
                    default -> 0;
                };
        return field >>> (offset & 3) * 8 & 0xff;
    }

    @Override
    void configWritten(int offset, int size, long value) {
        int before = actual;
        for (int i = 0; i < size && offset + i < CONFIG; i++) {
            int shift = (offset + i & 3) * 8;
            int bits = (int) (value >>> i * 8 & 0xff) << shift;
            switch (offset + i & ~3) {
                case ACTUAL -> actual = actual & ~(0xff << shift) | bits;
                case POISON -> poison = poison & ~(0xff << shift) | bits;
                default -> {}
            }
        }
        if (actual != before) {
            listener.actual(actual());
        }
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        if (q.index == INFLATE || q.index == DEFLATE) {
            drain(q, c -> {
                if (c.readableBytes() > MAX_NUMBERS) {
                    throw new Virtqueue.Malformed("%d bytes of page numbers at once".formatted(c.readableBytes()));
                }
                if (q.index == INFLATE) {
                    inflate(c.read(memory, MAX_NUMBERS));
                }
                q.push(c, 0);
            });
        } else if (q.index == STATS && has(F_STATISTICS)) {
            drain(q, this::statistics);
        } else if (has(F_REPORTING)) {
            drain(q, c -> {
                report(c);
                q.push(c, 0);
            });
        }
    }

    /** Neighbours go together: a driver takes its pages from larger blocks, whose order it turns round. */
    private void inflate(byte[] numbers) {
        ByteBuffer b = ByteBuffer.wrap(numbers).order(ByteOrder.LITTLE_ENDIAN);
        long[] pages = new long[numbers.length / 4];
        int n = 0;
        for (int i = 0; i < pages.length; i++) {
            long page = b.getInt(i * 4) & 0xffffffffL;
            if (memory.writable(page << PAGE_SHIFT)) { // 5.5.6: what is not RAM nobody gets
                pages[n++] = page;
            }
        }
        Arrays.sort(pages, 0, n);
        int from = 0;
        for (int i = 1; i <= n; i++) {
            if (i == n || pages[i] - pages[i - 1] > 1) {
                discard(pages[from], pages[i - 1] + 1);
                from = i;
            }
        }
    }

    private void discard(long first, long end) {
        try {
            memory.discard(first << PAGE_SHIFT, end - first << PAGE_SHIFT);
        } catch (GuestAddressException e) { // they are RAM, but of neighbouring regions
            for (long p = first; p < end; p++) {
                memory.discard(p << PAGE_SHIFT, 1L << PAGE_SHIFT);
            }
        }
    }

    private void statistics(Chain c) {
        if (statistics != null) {
            queue[STATS].push(statistics, 0); // more than the one there should be
        }
        statistics = c;
        byte[] bytes = c.read(memory, 64 * STATISTIC);
        ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long[] values = new long[STATISTICS];
        Arrays.fill(values, -1);
        for (int at = 0; at + STATISTIC <= bytes.length; at += STATISTIC) {
            int tag = b.getShort(at) & 0xffff;
            if (tag < STATISTICS) {
                values[tag] = b.getLong(at + 2);
            }
        }
        listener.statistics(values);
    }

    /** Whole pages of what lies in the buffers; not what the guest wants to find filled otherwise than with zeros (5.5.6.7.2). */
    private void report(Chain c) throws Virtqueue.Malformed {
        long most = 0;
        for (RamRegion r : memory.present()) {
            most += r.size();
        }
        if (c.writableBytes() > most) {
            throw new Virtqueue.Malformed("%d bytes of free memory".formatted(c.writableBytes()));
        }
        if (has(F_POISON) && poison != 0) {
            return;
        }
        for (Chain.Buffer b : c.writable()) {
            long page = 1L << PAGE_SHIFT;
            long from = b.address() + page - 1 & -page;
            long to = b.address() + b.length() & -page;
            if (from < to) {
                memory.discard(from, to - from);
            }
        }
    }

    @Override
    void reset() {
        actual = 0; // 5.5.6: a driver that comes back has forgotten what it gave
        poison = 0;
        statistics = null;
    }

    @Override
    void reset(Virtqueue q) {
        if (q.index == STATS) {
            statistics = null;
        }
    }

    // ---- state: version, pages wanted and there, the poison, whether the buffer of the statistics is here, and it
    // ----

    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder();
        w.add(VERSION).add(wanted()).add(actual()).add(poison);
        w.add(statistics == null ? 0 : 1);
        if (statistics != null) {
            statistics.save(w);
        }
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) {
        if (work.length < 5 || work[0] != VERSION) {
            throw new IllegalArgumentException("balloon state of another version");
        }
        wanted = (int) work[1];
        actual = (int) work[2];
        poison = (int) work[3];
        statistics = null;
        if (work[4] != 0) {
            PrimitiveIterator.OfLong from = Arrays.stream(work).skip(5).iterator();
            statistics = Chain.restore(from);
        }
    }
}
