package serai.machine.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A range of guest-physical addresses whose blocks are RAM or nothing: what can be plugged into a running machine. At first none is
 * plugged. Changed with the machine lock held, looked at from any thread.
 *
 * <p>The whole range is mapped all the time, so that whoever still has a host address of a block that has just been unplugged (a vCPU in the
 * middle of an instruction, a transfer of a disk) touches memory that belongs to nobody, and no other harm is done. What it leaves there
 * is gone when the block is plugged again. Engines that keep host addresses drop them when {@link #onUnplugged} tells.
 */
public final class PluggableRam {
    private static final long PAGE = GuestMemory.PAGE_SIZE;
    private static final VarHandle PLUGGED = MethodHandles.arrayElementVarHandle(byte[].class);

    /** Gives memory back to the host. */
    @FunctionalInterface
    public interface Discard {
        /**
         * Makes these bytes read as zeros, and takes none of the host's memory for them from then on.
         *
         * @param offset from the start of the range, a multiple of 4 KiB
         * @param length a multiple of 4 KiB
         */
        void discard(long offset, long length);
    }

    private final RamRegion region;
    private final int node;
    private final Discard discard;
    private final int blockShift;
    private final byte[] plugged;
    private int pluggedBlocks;
    private final List<Runnable> unplugListeners = new CopyOnWriteArrayList<>();

    @SuppressWarnings("NullAway.Init") // set by the memory that it is given to
    private GuestMemory memory;

    /**
     * A range without a plugged block.
     *
     * @param region its place and the memory behind it; not read-only
     * @param blockSize bytes of a block, a power of two of at least 4 KiB; the region's base and size are multiples
     * @param node the NUMA node that the guest is told it is in
     */
    public PluggableRam(RamRegion region, long blockSize, int node, Discard discard) {
        if (blockSize < PAGE
                || Long.bitCount(blockSize) != 1
                || ((region.base() | region.size()) & blockSize - 1) != 0
                || region.readOnly()
                || region.size() / blockSize > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "%#x+%#x is not of whole blocks of %#x".formatted(region.base(), region.size(), blockSize));
        }
        this.region = region;
        this.node = node;
        this.discard = discard;
        blockShift = Long.numberOfTrailingZeros(blockSize);
        plugged = new byte[(int) (region.size() >>> blockShift)];
    }

    /** All of it, plugged or not. */
    public RamRegion region() {
        return region;
    }

    /** The NUMA node. */
    public int node() {
        return node;
    }

    /** Bytes of a block. */
    public long blockSize() {
        return 1L << blockShift;
    }

    /** How many blocks there are. */
    public int blocks() {
        return plugged.length;
    }

    /** Whether a block is plugged. From any thread. */
    public boolean plugged(int block) {
        return (byte) PLUGGED.getAcquire(plugged, block) != 0;
    }

    /** Bytes of the plugged blocks. With the machine lock held. */
    public long pluggedSize() {
        return (long) pluggedBlocks << blockShift;
    }

    /** The plugged blocks. */
    public BitSet plugged() {
        BitSet all = new BitSet(plugged.length);
        for (int b = 0; b < plugged.length; b++) {
            all.set(b, plugged(b));
        }
        return all;
    }

    /** How many of the blocks from {@code first} on, up to {@code count}, are plugged. */
    public int plugged(int first, int count) {
        int n = 0;
        for (int b = first; b < first + count; b++) {
            n += plugged(b) ? 1 : 0;
        }
        return n;
    }

    /** Whether the byte at an offset in the region is plugged. */
    boolean pluggedAt(long offset) {
        return plugged((int) (offset >>> blockShift));
    }

    /** Bytes from an offset in the region to the end of what is plugged there without a gap, {@code enough} or more for at least so many. */
    long room(long offset, long enough) {
        long end = offset;
        while (end - offset < enough && end < region.size() && pluggedAt(end)) {
            end = (end >>> blockShift) + 1 << blockShift;
        }
        return end - offset;
    }

    /** The plugged blocks, those that follow each other as one region. */
    List<RamRegion> runs() {
        List<RamRegion> all = new ArrayList<>();
        for (int b = 0; b < plugged.length; b++) {
            int first = b;
            while (b < plugged.length && plugged(b)) {
                b++;
            }
            if (b > first) {
                long at = (long) first << blockShift;
                all.add(new RamRegion(
                        region.base() + at,
                        (long) (b - first) << blockShift,
                        region.host() + at,
                        false,
                        region.fd(),
                        region.fileOffset() + at));
            }
        }
        return all;
    }

    void partOf(GuestMemory whole) {
        memory = whole;
    }

    // ---- changes ----

    /** Told from now on, on the thread that unplugs, that blocks are gone: host addresses from before are not for new accesses. */
    public void onUnplugged(Runnable action) {
        unplugListeners.add(action);
    }

    /** Plugs {@code count} blocks from {@code first} on, none of which is; they read as zeros. */
    public void plug(int first, int count) {
        Objects.checkFromIndexSize(first, count, plugged.length);
        discard(first, count); // what was left there by those who still had its address
        set(first, count, true);
    }

    /** Unplugs {@code count} blocks from {@code first} on, all of which are plugged: their memory goes back to the host. */
    public void unplug(int first, int count) {
        Objects.checkFromIndexSize(first, count, plugged.length);
        for (long at = (long) first << blockShift; at < (long) (first + count) << blockShift; at += PAGE) {
            memory.beforeWrite(region.base() + at); // nothing that was derived from these bytes holds any more
        }
        set(first, count, false);
        unplugListeners.forEach(Runnable::run);
        discard(first, count);
    }

    /** All blocks count as plugged, with what is in them: for whoever fills memory before {@link #become}. */
    public void plugAll() {
        set(0, plugged.length, true);
    }

    /** These blocks are plugged, with what is in them, and no others: a state that is restored. */
    public void become(BitSet now) {
        int end;
        for (int b = 0; b < plugged.length; b = end) {
            boolean on = now.get(b);
            int next = on ? now.nextClearBit(b) : now.nextSetBit(b);
            end = next < 0 ? plugged.length : Math.min(next, plugged.length);
            if (on) {
                set(b, end - b, true);
            } else {
                unplug(b, end - b);
            }
        }
    }

    private void set(int first, int count, boolean now) {
        pluggedBlocks += (now ? count : 0) - plugged(first, count);
        for (int b = first; b < first + count; b++) {
            PLUGGED.setRelease(plugged, b, (byte) (now ? 1 : 0));
        }
    }

    /** Pages of plugged blocks. */
    void discardPages(long offset, long length) {
        discard.discard(offset, length);
    }

    private void discard(int first, int count) {
        if (count > 0) {
            discard.discard((long) first << blockShift, (long) count << blockShift);
        }
    }
}
