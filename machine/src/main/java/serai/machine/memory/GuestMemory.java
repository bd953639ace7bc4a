package serai.machine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;
import jdk.internal.misc.Unsafe;
import org.jspecify.annotations.Nullable;

/**
 * Guest-physical RAM and ROM, and the one class that touches it.
 *
 * <h2>Which accessor</h2>
 *
 * The JDK's internal {@code Unsafe}, by raw host address. Measured against the alternatives on interpreter and
 * translator loops (facts of the project): equal to {@code sun.misc.Unsafe}; a bounded {@code MemorySegment} costs 11 to
 * 76 % more, {@code byte[]} with a {@code VarHandle} 20 to 68 %. The price is that bounds are ours to check: raw host
 * addresses come only from {@link #host}, which hands out pages of a region, and accesses stay within that page.
 *
 * <h2>Memory order</h2>
 *
 * A guest expects x86-TSO: loads are acquires, stores are releases, and aligned accesses of up to 8 bytes are single-copy
 * atomic. The {@code …Acquire} and {@code …Release} forms give that. They are used at any alignment on x86-64 hosts, where the
 * hardware does the rest as it does for the guest; elsewhere an unaligned access is done in plain form between fences
 * (the SDM, vol. 3, 9.1.1, promises atomicity within a cache line; we keep it only for aligned accesses there).
 * Measured within noise of plain accesses on x86-64. {@code VarHandle} can't do this: its acquire mode throws on unaligned
 * addresses.
 *
 * <p>Locked operations of up to 8 bytes inside one page are CAS loops, on x86-64 hosts at any alignment. The JDK has no 128-bit CAS, so CMPXCHG16B and
 * locked operations that cross a page need another way: the caller sees to that. (A CAS across a cache line is a split
 * lock on the host, which recent Linux kernels slow down to some ten thousand a second: right, but no way to spin.)
 *
 * <h2>Page flags</h2>
 *
 * A byte a page: {@link #CODE} says that an engine caches translations of its instructions, {@link #LOG_CLEAN} that
 * dirty logging is on and the page has not been written since. A page with any flag set must not be written past
 * {@link #beforeWrite}; writes by devices go through the checked methods here, which see to it.
 *
 * <h2>Memory that comes and goes</h2>
 *
 * One range may be a {@link PluggableRam}. Its plugged blocks are RAM as any other, its unplugged ones are not there: the CPU's accesses go to
 * the MMIO bus, where nobody answers, those of devices fail.
 */
public final class GuestMemory {
    /** Bytes in a page. */
    public static final int PAGE_SIZE = 4096;
    /** Page flag: instructions of this page are cached by an engine. */
    public static final int CODE = 1;
    /** Page flag: not written since the dirty log was collected. */
    public static final int LOG_CLEAN = 2;

    private static final Unsafe UNSAFE = Unsafe.getUnsafe();
    private static final VarHandle FLAGS = MethodHandles.arrayElementVarHandle(byte[].class);
    private static final VarHandle WRITERS = MethodHandles.arrayElementVarHandle(short[].class);
    private static final boolean TSO_HOST = System.getProperty("os.arch").equals("amd64")
            || System.getProperty("os.arch").equals("x86_64");

    /** The pluggable one, if there is one, is the last. */
    private final RamRegion[] regions;

    /** How many of them are always there. */
    private final int fixed;

    private final @Nullable PluggableRam pluggable;
    private final PluggableRam.@Nullable Discard discard;
    private final byte[][] flags;
    /** By page: a bit for each vCPU that may have it in its TLB for writing. */
    private final short[][] writers;

    private final List<CodeListener> codeListeners = new CopyOnWriteArrayList<>();
    private boolean logging;
    private LongConsumer onFirstWrite = page -> {};

    /** Is told of writes to pages whose instructions are cached. */
    @FunctionalInterface
    public interface CodeListener {
        /** Page {@code page} (guest-physical address / 4096) is about to be written; its CODE flag is cleared already. */
        void codeWritten(long page);
    }

    /**
     * Memory of the given regions.
     *
     * @throws IllegalArgumentException if two of them overlap
     */
    public GuestMemory(List<RamRegion> regions) {
        this(regions, null);
    }

    /**
     * Memory of the given regions, and of what is plugged.
     *
     * @param pluggable above all regions, or null for none
     * @throws IllegalArgumentException if two of them overlap
     */
    public GuestMemory(List<RamRegion> regions, @Nullable PluggableRam pluggable) {
        this(regions, pluggable, null);
    }

    /**
     * Memory of the given regions, whose pages can be given back to the host, and of what is plugged.
     *
     * @param discard gives back pages of the regions, by their offset in the file behind them, or null if they are only to be zeroed
     * @throws IllegalArgumentException if two of them overlap
     */
    public GuestMemory(
            List<RamRegion> regions, @Nullable PluggableRam pluggable, PluggableRam.@Nullable Discard discard) {
        this.discard = discard;
        List<RamRegion> all = new ArrayList<>(regions);
        all.sort(Comparator.comparingLong(RamRegion::base));
        fixed = all.size();
        this.pluggable = pluggable;
        if (pluggable != null) {
            all.add(pluggable.region());
            pluggable.partOf(this);
        }
        this.regions = all.toArray(RamRegion[]::new);
        flags = new byte[this.regions.length][];
        writers = new short[this.regions.length][];
        for (int i = 0; i < this.regions.length; i++) {
            RamRegion r = this.regions[i];
            if (i > 0 && this.regions[i - 1].base() + this.regions[i - 1].size() > r.base()) {
                throw new IllegalArgumentException("regions overlap at %#x".formatted(r.base()));
            }
            flags[i] = new byte[(int) (r.size() / PAGE_SIZE)];
            writers[i] = new short[flags[i].length];
        }
    }

    /** The regions that are always there, ascending by address. */
    public List<RamRegion> regions() {
        return List.of(regions).subList(0, fixed);
    }

    /** The range whose blocks come and go, or null if there is none. */
    public @Nullable PluggableRam pluggable() {
        return pluggable;
    }

    /** All that is there now, ascending by address: the regions, and each run of plugged blocks as one. */
    public List<RamRegion> present() {
        List<RamRegion> all = new ArrayList<>(regions());
        if (pluggable != null) {
            all.addAll(pluggable.runs());
        }
        return all;
    }

    /** Bytes of writable RAM, without what is plugged. */
    public long ramSize() {
        long n = 0;
        for (RamRegion r : regions()) {
            n += r.readOnly() ? 0 : r.size();
        }
        return n;
    }

    // ---- addresses ----

    private int find(long physical) {
        for (int i = 0; i < regions.length; i++) {
            long off = physical - regions[i].base();
            if (off >= 0 && off < regions[i].size()) {
                return i < fixed || present(off) ? i : -1;
            }
        }
        return -1;
    }

    private boolean present(long offset) {
        return pluggable != null && pluggable.pluggedAt(offset);
    }

    /** The host address of a guest-physical byte in RAM or ROM, or 0. Good to the end of its 4-KiB page only. */
    public long host(long physical) {
        int i = find(physical);
        return i < 0 ? 0 : regions[i].host() + (physical - regions[i].base());
    }

    /** Whether the page may be written directly by a guest: RAM, not ROM. */
    public boolean writable(long physical) {
        int i = find(physical);
        return i >= 0 && !regions[i].readOnly();
    }

    // ---- flags and dirty log ----

    /** The flags of the page that holds {@code physical}; 0 outside RAM. */
    public int pageFlags(long physical) {
        int i = find(physical);
        return i < 0 ? 0 : (byte) FLAGS.getOpaque(flags[i], (int) ((physical - regions[i].base()) / PAGE_SIZE));
    }

    /** Marks the page that holds {@code physical} as having cached instructions. */
    public void markCode(long physical) {
        int i = find(physical);
        if (i >= 0) {
            FLAGS.getAndBitwiseOr(flags[i], (int) ((physical - regions[i].base()) / PAGE_SIZE), (byte) CODE);
        }
    }

    /** One more who is told of writes to pages marked with {@link #markCode}. */
    public void addCodeListener(CodeListener listener) {
        codeListeners.add(listener);
    }

    /** The page that holds {@code physical} has been written, or may have been: its cached instructions are dropped. */
    public void codeWritten(long physical) {
        beforeWrite(physical);
    }

    /** The same for all pages. */
    public void allCodeWritten() {
        for (int i = 0; i < regions.length; i++) {
            for (int p = 0; p < flags[i].length; p++) {
                beforeWrite(i, p);
            }
        }
    }

    /**
     * Notes that a vCPU is about to write to a page or to keep permission for it; before it looks at the page's flags. Whoever sets a flag
     * and then asks for {@link #writers} finds it, or it finds the flag.
     *
     * @param cpu index of the vCPU, 0 to 15
     */
    public void writing(long physical, int cpu) {
        int i = find(physical);
        if (i >= 0) {
            int page = (int) ((physical - regions[i].base()) / PAGE_SIZE);
            if (((short) WRITERS.getVolatile(writers[i], page) >>> cpu & 1) == 0) {
                WRITERS.getAndBitwiseOr(writers[i], page, (short) (1 << cpu));
            }
        }
    }

    /** A vCPU has given up its permission. */
    public void stoppedWriting(long physical, int cpu) {
        int i = find(physical);
        if (i >= 0) {
            int page = (int) ((physical - regions[i].base()) / PAGE_SIZE);
            WRITERS.getAndBitwiseAnd(writers[i], page, (short) ~(1 << cpu));
        }
    }

    /** A bit for each vCPU that may have permission to write to the page that holds {@code physical}. */
    public int writers(long physical) {
        int i = find(physical);
        return i < 0
                ? 0
                : (short) WRITERS.getVolatile(writers[i], (int) ((physical - regions[i].base()) / PAGE_SIZE)) & 0xffff;
    }

    /** To be called before a write to the page that holds {@code physical}: logs it, drops its cached instructions. */
    public void beforeWrite(long physical) {
        int i = find(physical);
        if (i >= 0) {
            beforeWrite(i, (int) ((physical - regions[i].base()) / PAGE_SIZE));
        }
    }

    private void beforeWrite(int i, int page) {
        if ((byte) FLAGS.getOpaque(flags[i], page) != 0) {
            int old = (byte) FLAGS.getAndSet(flags[i], page, (byte) 0);
            if ((old & CODE) != 0) {
                long number = regions[i].base() / PAGE_SIZE + page;
                for (CodeListener l : codeListeners) {
                    l.codeWritten(number);
                }
            }
            if ((old & LOG_CLEAN) != 0 && (i < fixed || present((long) page * PAGE_SIZE))) {
                onFirstWrite.accept(regions[i].base() + (long) page * PAGE_SIZE);
            }
        }
    }

    /**
     * Starts dirty logging: from now on every page counts as clean. Engines that cache write permission have to drop it
     * (the caller flushes their TLBs).
     */
    public void startDirtyLog() {
        logging = true;
        for (byte[] f : flags) {
            for (int p = 0; p < f.length; p++) {
                FLAGS.getAndBitwiseOr(f, p, (byte) LOG_CLEAN);
            }
        }
    }

    /**
     * Tells of each page, by its guest-physical address, before it is first written after {@link #startDirtyLog}: what it holds then
     * is what it held when the log was started. For machines that run on one thread: with several, another may write meanwhile.
     */
    public void onFirstWrite(LongConsumer action) {
        onFirstWrite = action;
    }

    /** Ends dirty logging. */
    public void stopDirtyLog() {
        logging = false;
        for (byte[] f : flags) {
            for (int p = 0; p < f.length; p++) {
                FLAGS.getAndBitwiseAnd(f, p, (byte) ~LOG_CLEAN);
            }
        }
    }

    /** Whether the page that holds {@code physical} was written since the log was started or this page last cleaned. */
    public boolean dirty(long physical) {
        return logging && (pageFlags(physical) & LOG_CLEAN) == 0 && find(physical) >= 0;
    }

    /** Makes the page that holds {@code physical} clean again. */
    public void clean(long physical) {
        int i = find(physical);
        if (logging && i >= 0) {
            FLAGS.getAndBitwiseOr(flags[i], (int) ((physical - regions[i].base()) / PAGE_SIZE), (byte) LOG_CLEAN);
        }
    }

    // ---- checked access by guest-physical address: devices and loaders ----

    /** Bytes from an offset in a region to where it ends, or what is plugged of it; that or {@code enough} at least. */
    private long room(int i, long offset, long enough) {
        return i < fixed || pluggable == null ? regions[i].size() - offset : pluggable.room(offset, enough);
    }

    private long check(long physical, long length, boolean write) {
        int i = find(physical);
        if (i < 0
                || length < 0
                || length > room(i, physical - regions[i].base(), length)
                || (write && regions[i].readOnly())) {
            throw new GuestAddressException(physical, length);
        }
        if (write && length > 0) {
            int first = (int) ((physical - regions[i].base()) / PAGE_SIZE);
            int last = (int) ((physical - regions[i].base() + length - 1) / PAGE_SIZE);
            for (int p = first; p <= last; p++) {
                beforeWrite(i, p);
            }
        }
        return regions[i].host() + (physical - regions[i].base());
    }

    /**
     * Copies out of guest memory.
     *
     * @throws GuestAddressException if a byte of it is not RAM or ROM of one region
     */
    public void read(long physical, byte[] into, int offset, int length) {
        long host = check(physical, length, false);
        Objects.checkFromIndexSize(offset, length, into.length);
        UNSAFE.copyMemory(null, host, into, Unsafe.ARRAY_BYTE_BASE_OFFSET + offset, length);
    }

    /** Copies out of guest memory. */
    public byte[] read(long physical, int length) {
        byte[] b = new byte[length];
        read(physical, b, 0, length);
        return b;
    }

    /**
     * Copies into guest RAM.
     *
     * @throws GuestAddressException if a byte of it is not RAM of one region
     */
    public void write(long physical, byte[] from, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, from.length);
        long host = check(physical, length, true);
        UNSAFE.copyMemory(from, Unsafe.ARRAY_BYTE_BASE_OFFSET + offset, null, host, length);
    }

    /** Copies into guest RAM. */
    public void write(long physical, byte[] from) {
        write(physical, from, 0, from.length);
    }

    /**
     * Copies out of guest memory into a buffer that is not read-only, whose position stays.
     *
     * @param at bytes past the buffer's position
     * @throws GuestAddressException if a byte of it is not RAM or ROM of one region
     */
    public void read(long physical, ByteBuffer into, int at, int length) {
        long host = check(physical, length, false);
        Objects.checkFromIndexSize(at, length, into.remaining());
        if (into.isDirect()) {
            try {
                UNSAFE.copyMemory(host, MemorySegment.ofBuffer(into).address() + at, length);
            } finally {
                Reference.reachabilityFence(into);
            }
        } else {
            long offset = Unsafe.ARRAY_BYTE_BASE_OFFSET + into.arrayOffset() + into.position() + at;
            UNSAFE.copyMemory(null, host, into.array(), offset, length);
        }
    }

    /**
     * Copies from a buffer, whose position stays, into guest RAM.
     *
     * @param at bytes past the buffer's position
     * @throws GuestAddressException if a byte of it is not RAM of one region
     */
    public void write(long physical, ByteBuffer from, int at, int length) {
        Objects.checkFromIndexSize(at, length, from.remaining());
        if (from.isDirect()) {
            long host = check(physical, length, true);
            try {
                UNSAFE.copyMemory(MemorySegment.ofBuffer(from).address() + at, host, length);
            } finally {
                Reference.reachabilityFence(from);
            }
        } else if (from.hasArray()) {
            write(physical, from.array(), from.arrayOffset() + from.position() + at, length);
        } else {
            byte[] b = new byte[length];
            from.get(from.position() + at, b);
            write(physical, b);
        }
    }

    /** Fills guest RAM with zeros. */
    public void zero(long physical, long length) {
        UNSAFE.setMemory(check(physical, length, true), length, (byte) 0);
    }

    /**
     * Gives pages back to the host: they read as zeros, and take memory again once they are touched. Host addresses of them stay good, so
     * no engine has to hear of it but for the instructions that it may have cached: those count as written before and after, as a vCPU may
     * look at the old ones meanwhile.
     *
     * @param physical a multiple of 4 KiB
     * @param length a multiple of 4 KiB
     * @throws GuestAddressException if a byte of it is not RAM of one region
     */
    public void discard(long physical, long length) {
        if (((physical | length) & PAGE_SIZE - 1) != 0) {
            throw new IllegalArgumentException("%#x+%#x is not of whole pages".formatted(physical, length));
        }
        long host = check(physical, length, true);
        int i = find(physical);
        long offset = physical - regions[i].base();
        if (i >= fixed && pluggable != null) {
            pluggable.discardPages(offset, length);
        } else if (discard != null) {
            discard.discard(regions[i].fileOffset() + offset, length);
        } else {
            UNSAFE.setMemory(host, length, (byte) 0);
        }
        written(physical, length);
    }

    /**
     * The host address of a range for a transfer by a device (a read or write of a disk straight into guest memory).
     *
     * @param write whether the device will write to it; the pages count as written now
     * @throws GuestAddressException if a byte of it is not RAM of one region
     */
    public long hostRange(long physical, long length, boolean write) {
        return check(physical, length, write);
    }

    /** A device has written to a range that it got by {@link #hostRange}, whatever has become of it since. */
    public void written(long physical, long length) {
        for (long at = physical & -PAGE_SIZE; at < physical + length; at += PAGE_SIZE) {
            beforeWrite(at);
        }
    }

    /** A byte, zero-extended. */
    public int readByte(long physical) {
        return getByte(check(physical, 1, false)) & 0xff;
    }

    /** Two bytes, zero-extended. */
    public int readShort(long physical) {
        return getShort(check(physical, 2, false)) & 0xffff;
    }

    /** Four bytes. */
    public int readInt(long physical) {
        return getInt(check(physical, 4, false));
    }

    /** Eight bytes. */
    public long readLong(long physical) {
        return getLong(check(physical, 8, false));
    }

    /** Stores one byte. */
    public void writeByte(long physical, int value) {
        putByte(check(physical, 1, true), (byte) value);
    }

    /** Stores two bytes. */
    public void writeShort(long physical, int value) {
        putShort(check(physical, 2, true), (short) value);
    }

    /** Stores four bytes. */
    public void writeInt(long physical, int value) {
        putInt(check(physical, 4, true), value);
    }

    /** Stores eight bytes. */
    public void writeLong(long physical, long value) {
        putLong(check(physical, 8, true), value);
    }

    // ---- raw access by host address: engines; the address comes from host() and stays within its page ----

    /** A load with acquire order. */
    public static byte getByte(long host) {
        return UNSAFE.getByteAcquire(null, host);
    }

    /** A load with acquire order, at any alignment. */
    public static short getShort(long host) {
        if (TSO_HOST || (host & 1) == 0) {
            return UNSAFE.getShortAcquire(null, host);
        }
        short v = UNSAFE.getShortUnaligned(null, host);
        UNSAFE.loadFence();
        return v;
    }

    /** A load with acquire order, at any alignment. */
    public static int getInt(long host) {
        if (TSO_HOST || (host & 3) == 0) {
            return UNSAFE.getIntAcquire(null, host);
        }
        int v = UNSAFE.getIntUnaligned(null, host);
        UNSAFE.loadFence();
        return v;
    }

    /** A load with acquire order, at any alignment. */
    public static long getLong(long host) {
        if (TSO_HOST || (host & 7) == 0) {
            return UNSAFE.getLongAcquire(null, host);
        }
        long v = UNSAFE.getLongUnaligned(null, host);
        UNSAFE.loadFence();
        return v;
    }

    /** A store with release order. */
    public static void putByte(long host, byte value) {
        UNSAFE.putByteRelease(null, host, value);
    }

    /** A store with release order, at any alignment. */
    public static void putShort(long host, short value) {
        if (TSO_HOST || (host & 1) == 0) {
            UNSAFE.putShortRelease(null, host, value);
        } else {
            UNSAFE.storeFence();
            UNSAFE.putShortUnaligned(null, host, value);
        }
    }

    /** A store with release order, at any alignment. */
    public static void putInt(long host, int value) {
        if (TSO_HOST || (host & 3) == 0) {
            UNSAFE.putIntRelease(null, host, value);
        } else {
            UNSAFE.storeFence();
            UNSAFE.putIntUnaligned(null, host, value);
        }
    }

    /** A store with release order, at any alignment. */
    public static void putLong(long host, long value) {
        if (TSO_HOST || (host & 7) == 0) {
            UNSAFE.putLongRelease(null, host, value);
        } else {
            UNSAFE.storeFence();
            UNSAFE.putLongUnaligned(null, host, value);
        }
    }

    /** A load with no order, at 8-byte alignment: of what no other thread writes, a vCPU's own tables. */
    public static long getPlainLong(long host) {
        return UNSAFE.getLong(host);
    }

    /** A store with no order, at 8-byte alignment: of what no other thread looks at. */
    public static void putPlainLong(long host, long value) {
        UNSAFE.putLong(host, value);
    }

    /** Compare and set, a full barrier. */
    public static boolean casByte(long host, byte expected, byte value) {
        return UNSAFE.compareAndSetByte(null, host, expected, value);
    }

    /** Whether the host can compare and set {@code size} bytes at an address: x86-64 at any, others at aligned ones. */
    public static boolean casPossible(long host, int size) {
        return TSO_HOST || (host & size - 1) == 0;
    }

    /** Compare and set, a full barrier; within one page. */
    public static boolean casShort(long host, short expected, short value) {
        if ((host & 3) != 3) {
            return UNSAFE.compareAndSetShort(null, host, expected, value);
        }
        // HotSpot does some 16-bit ones by a 32-bit one and throws when that would cross a word: four bytes of the page
        // at once
        long at = (host & PAGE_SIZE - 1) <= PAGE_SIZE - 4 ? host : host - 2;
        int shift = (int) (host - at) * 8;
        int mask = 0xffff << shift;
        while (true) {
            int old = UNSAFE.getIntUnaligned(null, at);
            if ((short) (old >>> shift) != expected) {
                UNSAFE.fullFence();
                return false;
            }
            if (UNSAFE.compareAndSetInt(null, at, old, old & ~mask | (value & 0xffff) << shift)) {
                return true;
            }
        }
    }

    /** Compare and set, a full barrier; within one page. */
    public static boolean casInt(long host, int expected, int value) {
        return UNSAFE.compareAndSetInt(null, host, expected, value);
    }

    /** Compare and set, a full barrier; within one page. */
    public static boolean casLong(long host, long expected, long value) {
        return UNSAFE.compareAndSetLong(null, host, expected, value);
    }

    /** Copies between host addresses; each range stays within a page. */
    public static void copy(long from, long to, int bytes) {
        UNSAFE.copyMemory(from, to, bytes);
    }

    /** Fills at a host address; the range stays within a page. */
    public static void fill(long host, int bytes, byte value) {
        UNSAFE.setMemory(host, bytes, value);
    }

    /** A full barrier: MFENCE, locked and serializing instructions. */
    public static void fence() {
        UNSAFE.fullFence();
    }
}
