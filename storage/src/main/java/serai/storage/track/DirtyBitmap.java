package serai.storage.track;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;

/**
 * Which parts of a disk have been written: a bit for each granule. For any number of threads.
 *
 * <p>Memory is taken by pages of 4 KiB for 32768 granules each, where there are clean and dirty ones among them: pages that are all
 * clean or all dirty cost a reference. A disk of 64 TiB in granules of 64 KiB takes 256 KiB to begin with, and 128 MiB at most.
 *
 * <p>As a stream of bytes, bit n % 8 of byte n / 8 is granule n, as in the bitmaps that qcow2 keeps ("Dirty bitmaps" in QEMU's
 * docs/interop/qcow2.rst); so words are little-endian.
 */
public final class DirtyBitmap {
    /** Bytes in a granule at least. */
    public static final long MIN_GRANULARITY = 512;
    /** Bytes in a granule at most. */
    public static final long MAX_GRANULARITY = 1L << 31;
    /** Granules at most: 512 MiB of bits, as for a bitmap in qcow2. */
    public static final long MAX_GRANULES = 1L << 32;
    /** Characters in a name at most, as in qcow2. */
    public static final int MAX_NAME = 1023;

    private static final int PAGE_BITS = 1 << 15;
    private static final int PAGE_WORDS = PAGE_BITS / 64;
    /** In place of a page whose granules are all dirty; {@code null} stands for one with none. */
    private static final long[] FULL = new long[0];

    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final AtomicLong SERIALS = new AtomicLong();

    private final String name;
    private final int shift;
    /** Who locks two bitmaps takes the one with the lower number first. */
    private final long serial = SERIALS.getAndIncrement();

    private long size;
    private long granules;
    private @Nullable long[][] pages;
    /** Dirty granules of each page. */
    private int[] counts;

    private long dirty;
    private boolean enabled = true;

    /**
     * All clean, and enabled.
     *
     * @param size of the disk, in bytes
     * @param granularity bytes that a bit stands for: a power of two from 512 to 2 GiB
     * @throws IllegalArgumentException if it is another, the name is empty or longer than 1023 characters, or there were more than 2³²
     *     granules
     */
    public DirtyBitmap(String name, long size, long granularity) {
        if (name.isEmpty() || name.length() > MAX_NAME) {
            throw new IllegalArgumentException("the name of a bitmap has 1 to " + MAX_NAME + " characters");
        }
        if (granularity < MIN_GRANULARITY || granularity > MAX_GRANULARITY || Long.bitCount(granularity) != 1) {
            throw new IllegalArgumentException(
                    "the granularity of a bitmap is a power of two from 512 bytes to 2 GiB, not " + granularity);
        }
        this.name = name;
        shift = Long.numberOfTrailingZeros(granularity);
        check(size);
        this.size = size;
        granules = granules(size);
        pages = new long[pagesOf(granules)][];
        counts = new int[pages.length];
    }

    private void check(long bytes) {
        if (bytes < 0 || granules(bytes) > MAX_GRANULES) {
            throw new IllegalArgumentException(
                    "a bitmap of %d bytes a bit is too fine for a disk of %d bytes".formatted(granularity(), bytes));
        }
    }

    private long granules(long bytes) {
        return (bytes >> shift) + ((bytes & granularity() - 1) == 0 ? 0 : 1);
    }

    private static int pagesOf(long granules) {
        return (int) ((granules + PAGE_BITS - 1) / PAGE_BITS);
    }

    /** What it is called. */
    public String name() {
        return name;
    }

    /** Bytes that a bit stands for. */
    public long granularity() {
        return 1L << shift;
    }

    /** Bytes of the disk. */
    public synchronized long size() {
        return size;
    }

    /** Whether what is written to the disk is marked in it. */
    public synchronized boolean enabled() {
        return enabled;
    }

    /** Writes are marked from now on. */
    public synchronized void enable() {
        enabled = true;
    }

    /** Writes are marked no more. */
    public synchronized void disable() {
        enabled = false;
    }

    /**
     * Whether there may be a disk of that size.
     *
     * @throws DiskException if there were too many granules
     */
    void checkFits(long bytes) throws DiskException {
        if (granules(bytes) > MAX_GRANULES) {
            throw new DiskException("%s has a bit for each %d bytes, too fine for a disk of %d bytes"
                    .formatted(this, granularity(), bytes));
        }
    }

    /** What a write does: marks the granules that the range touches, if the bitmap is enabled. */
    synchronized void record(long position, long length) {
        if (enabled) {
            set(position, length);
        }
    }

    /** Marks the granules that a range inside the disk touches. */
    public synchronized void set(long position, long length) {
        Objects.checkFromIndexSize(position, length, size);
        if (length > 0) {
            put(position >> shift, (position + length - 1 >> shift) + 1, true);
        }
    }

    /** Makes the granules clean that lie in a range as a whole; what the disk's last granule lacks does not matter. */
    public synchronized void clear(long position, long length) {
        Objects.checkFromIndexSize(position, length, size);
        long from = granules(position);
        long to = position + length == size ? granules : position + length >> shift;
        if (from < to) {
            put(from, to, false);
        }
    }

    /** Makes all of it clean. */
    public synchronized void clearAll() {
        Arrays.fill(pages, null);
        Arrays.fill(counts, 0);
        dirty = 0;
    }

    /** Bytes of the disk that are dirty. */
    public synchronized long count() {
        long overhang = (granules << shift) - size;
        return (dirty << shift) - (overhang > 0 && get(granules - 1) ? overhang : 0);
    }

    /** Whether the granule of a byte is dirty. */
    public synchronized boolean dirty(long position) {
        return get(Objects.checkIndex(position, size) >> shift);
    }

    /** The first dirty byte at or after {@code from}; the disk's size if there is none. */
    public synchronized long nextDirty(long from) {
        return next(from, true);
    }

    /** The first clean byte at or after {@code from}; the disk's size if there is none. */
    public synchronized long nextClean(long from) {
        return next(from, false);
    }

    /**
     * Marks what another has marked.
     *
     * @throws IllegalArgumentException if that is for a disk of another size
     */
    public void merge(DirtyBitmap other) {
        if (other == this) {
            return;
        }
        DirtyBitmap first = serial < other.serial ? this : other;
        synchronized (first) {
            synchronized (first == this ? other : this) {
                if (size != other.size) {
                    throw new IllegalArgumentException("bitmaps '%s' and '%s' are for disks of %d and %d bytes"
                            .formatted(name, other.name, size, other.size));
                }
                if (shift == other.shift) {
                    mergePages(other);
                } else {
                    for (long at = other.nextDirty(0); at < size; at = other.nextDirty(at)) {
                        long end = other.nextClean(at);
                        set(at, end - at);
                        at = end;
                    }
                }
            }
        }
    }

    private void mergePages(DirtyBitmap other) {
        for (int p = 0; p < pages.length; p++) {
            long[] from = other.pages[p];
            if (from == FULL) {
                put((long) p * PAGE_BITS, (long) p * PAGE_BITS + bitsOf(p), true);
            } else if (from != null && pages[p] != FULL) {
                long[] to = own(p);
                for (int w = 0; w < PAGE_WORDS; w++) {
                    word(p, to, w, to[w] | from[w]);
                }
                settle(p);
            }
        }
    }

    /** Another of the same content, granularity and state. */
    public synchronized DirtyBitmap copy(String as) {
        DirtyBitmap b = new DirtyBitmap(as, size, granularity());
        for (int p = 0; p < pages.length; p++) {
            long[] page = pages[p];
            b.pages[p] = page == null || page == FULL ? page : page.clone();
        }
        b.counts = counts.clone();
        b.dirty = dirty;
        b.enabled = enabled;
        return b;
    }

    /**
     * Follows the disk to another size; what is added is clean.
     *
     * @throws IllegalArgumentException if there were too many granules
     */
    public synchronized void resize(long bytes) {
        check(bytes);
        long to = granules(bytes);
        if (to < granules) {
            put(to, granules, false);
        } else if (pages.length > 0 && pages[pages.length - 1] == FULL) {
            own(pages.length - 1); // full is more than it was from now on
        }
        pages = Arrays.copyOf(pages, pagesOf(to));
        counts = Arrays.copyOf(counts, pages.length);
        granules = to;
        size = bytes;
        if (pages.length > 0) {
            settle(pages.length - 1);
        }
    }

    /** Bytes of the stream of bits: the last one's upper bits may stand for nothing and are zero. */
    public synchronized long bytes() {
        return (granules + 7) / 8;
    }

    /**
     * Takes the bits of a piece of the stream in place of its own.
     *
     * @param firstByte where the piece is in the stream, a multiple of 8
     * @param bits the piece; what of it lies past the end of the stream is ignored
     */
    public synchronized void load(long firstByte, MemorySegment bits) {
        long left = piece(firstByte, bits);
        for (long done = 0; done < left; done += 8) {
            int n = (int) Math.min(8, left - done);
            long value = 0;
            if (n == 8) {
                value = bits.get(WORD, done);
            } else {
                for (int i = 0; i < n; i++) {
                    value |= (bits.get(ValueLayout.JAVA_BYTE, done + i) & 0xffL) << 8 * i;
                }
            }
            long first = (firstByte + done) * 8;
            long valid = Math.min(granules - first, 8 * n);
            long mask = valid == 64 ? -1 : (1L << valid) - 1;
            int p = (int) (first / PAGE_BITS);
            int w = (int) (first % PAGE_BITS) / 64;
            long old = word(p, w);
            long now = old & ~mask | value & mask;
            if (now != old) {
                word(p, own(p), w, now);
            }
            if (w == PAGE_WORDS - 1 || done + 8 >= left) {
                settle(p);
            }
        }
    }

    /**
     * Gives the bits of a piece of the stream.
     *
     * @param firstByte where the piece is in the stream, a multiple of 8
     * @param bits takes the piece; what of it lies past the end of the stream becomes zero
     */
    public synchronized void store(long firstByte, MemorySegment bits) {
        long left = piece(firstByte, bits);
        for (long done = 0; done < left; done += 8) {
            long first = (firstByte + done) * 8;
            long value = word((int) (first / PAGE_BITS), (int) (first % PAGE_BITS) / 64);
            int n = (int) Math.min(8, left - done);
            if (n == 8) {
                bits.set(WORD, done, value);
            } else {
                for (int i = 0; i < n; i++) {
                    bits.set(ValueLayout.JAVA_BYTE, done + i, (byte) (value >>> 8 * i));
                }
            }
        }
        bits.asSlice(left).fill((byte) 0);
    }

    /** Bytes of the piece that lie in the stream. */
    private long piece(long firstByte, MemorySegment bits) {
        if (firstByte < 0 || firstByte % 8 != 0) {
            throw new IllegalArgumentException("byte " + firstByte + " of a bitmap");
        }
        return Math.max(0, Math.min(bits.byteSize(), bytes() - firstByte));
    }

    // ---- pages ----

    /** Granules in a page; all but the last one's are {@link #PAGE_BITS}. */
    private int bitsOf(int p) {
        return (int) Math.min(PAGE_BITS, granules - (long) p * PAGE_BITS);
    }

    private boolean get(long granule) {
        return (word((int) (granule / PAGE_BITS), (int) (granule % PAGE_BITS) / 64) & 1L << granule) != 0;
    }

    /** A word of a page, without bits past the end. */
    private long word(int p, int w) {
        long[] page = pages[p];
        if (page == null) {
            return 0;
        }
        if (page != FULL) {
            return page[w];
        }
        return ones(bitsOf(p) - w * 64);
    }

    /** The lowest bits, up to all. */
    private static long ones(int n) {
        return n >= 64 ? -1 : n <= 0 ? 0 : (1L << n) - 1;
    }

    /** The page, of words. */
    private long[] own(int p) {
        long[] page = pages[p];
        if (page == null) {
            page = new long[PAGE_WORDS];
        } else if (page == FULL) {
            page = new long[PAGE_WORDS];
            for (int w = 0; w < PAGE_WORDS; w++) {
                page[w] = ones(bitsOf(p) - w * 64);
            }
        }
        pages[p] = page;
        return page;
    }

    private void word(int p, long[] page, int w, long value) {
        int more = Long.bitCount(value) - Long.bitCount(page[w]);
        page[w] = value;
        counts[p] += more;
        dirty += more;
    }

    /** Lets go of a page that need not be of words. */
    private void settle(int p) {
        if (counts[p] == 0) {
            pages[p] = null;
        } else if (counts[p] == bitsOf(p)) {
            pages[p] = FULL;
        }
    }

    private void put(long from, long to, boolean value) {
        for (long at = from; at < to; ) {
            int p = (int) (at / PAGE_BITS);
            int lo = (int) (at % PAGE_BITS);
            int hi = (int) Math.min(bitsOf(p), to - (long) p * PAGE_BITS);
            if (hi - lo == bitsOf(p)) {
                int now = value ? hi : 0;
                dirty += now - counts[p];
                counts[p] = now;
                pages[p] = value ? FULL : null;
            } else if (pages[p] != (value ? FULL : null)) {
                long[] page = own(p);
                for (int w = lo / 64; w <= (hi - 1) / 64; w++) {
                    long mask = ones(hi - w * 64) & ~ones(lo - w * 64);
                    word(p, page, w, value ? page[w] | mask : page[w] & ~mask);
                }
                settle(p);
            }
            at = (long) p * PAGE_BITS + hi;
        }
    }

    private long next(long from, boolean value) {
        if (from >= size) {
            return size;
        }
        long first = Math.max(0, from) >> shift;
        int w = (int) (first % PAGE_BITS) / 64;
        long mask = ~ones((int) (first % 64));
        for (int p = (int) (first / PAGE_BITS); p < pages.length; p++) {
            if (pages[p] != (value ? null : FULL)) {
                for (; w < PAGE_WORDS; w++) {
                    long word = (value ? word(p, w) : ~word(p, w)) & mask;
                    mask = -1;
                    if (word != 0) {
                        long granule = (long) p * PAGE_BITS + w * 64 + Long.numberOfTrailingZeros(word);
                        return Math.min(size, Math.max(from, granule << shift));
                    }
                }
            }
            w = 0;
            mask = -1;
        }
        return size;
    }

    @Override
    public String toString() {
        return "bitmap '" + name + "'";
    }
}
