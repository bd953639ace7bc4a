package serai.storage.imported;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicReferenceArray;
import serai.storage.ImageFile;

/**
 * Reads the tables of an image that nobody writes to. What was read stays in memory by aligned slices, each of which has one slot where it
 * can be: at most {@value #SLOTS} slices of {@value #SLICE} bytes, whatever sizes the image claims. For any number of threads.
 */
public final class TableReader {
    private static final int SLICE = 8 << 10;
    private static final int SLOTS = 64;

    private record Slice(ImageFile file, long number, ByteBuffer bytes) {}

    private final ImageFile file;
    private final ByteOrder order;
    /** Two threads may read the same slice at once; either's will do. */
    private final AtomicReferenceArray<Slice> slots;

    /** Of a file, which stays its owner's. */
    public TableReader(ImageFile file, ByteOrder order) {
        this(file, order, new AtomicReferenceArray<>(SLOTS));
    }

    private TableReader(ImageFile file, ByteOrder order, AtomicReferenceArray<Slice> slots) {
        this.file = file;
        this.order = order;
        this.slots = slots;
    }

    /** For another file of the same image: both share the slots. */
    public TableReader of(ImageFile other) {
        return new TableReader(other, order, slots);
    }

    /** Bytes of a file in a buffer of their own, zeros past the end of the file. */
    public static ByteBuffer bytes(ImageFile file, long position, int length, ByteOrder order) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(Math.max(1, length), 8);
            file.read(position, m.address(), length);
            return ByteBuffer.wrap(m.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE))
                    .order(order);
        }
    }

    /** Likewise of this reader's file, not kept. */
    public ByteBuffer bytes(long position, int length) throws IOException {
        return bytes(file, position, length, order);
    }

    /** An entry of 32 bits; its position is a multiple of 4. */
    public long unsigned32(long position) throws IOException {
        return slice(position).getInt((int) (position % SLICE)) & 0xffff_ffffL;
    }

    /** An entry of 64 bits; its position is a multiple of 8. */
    public long signed64(long position) throws IOException {
        return slice(position).getLong((int) (position % SLICE));
    }

    /**
     * How many bits of a bitmap, beginning with one of them, are the same as that.
     *
     * @param bitmap where the bitmap begins
     * @param bit the number of the first
     * @param most where to stop, at least 1
     * @param mostSignificantFirst whether bit 0 is the most significant of its byte, or else the least
     * @return their number, or minus their number if they are clear
     */
    public long run(long bitmap, long bit, long most, boolean mostSignificantFirst) throws IOException {
        boolean set = bit(bitmap, bit, mostSignificantFirst);
        int whole = set ? 0xff : 0;
        long n = 1;
        while (n < most) {
            long at = bit + n;
            if (at % 8 == 0 && most - n >= 8 && octet(bitmap + at / 8) == whole) {
                n += 8;
            } else if (bit(bitmap, at, mostSignificantFirst) == set) {
                n++;
            } else {
                break;
            }
        }
        return set ? n : -n;
    }

    private boolean bit(long bitmap, long bit, boolean mostSignificantFirst) throws IOException {
        int shift = (int) (mostSignificantFirst ? 7 - bit % 8 : bit % 8);
        return (octet(bitmap + bit / 8) >> shift & 1) != 0;
    }

    private int octet(long position) throws IOException {
        return slice(position).get((int) (position % SLICE)) & 0xff;
    }

    private ByteBuffer slice(long position) throws IOException {
        long number = position / SLICE;
        int slot = (int) Math.floorMod(number + System.identityHashCode(file), (long) SLOTS);
        Slice s = slots.get(slot);
        if (s == null || s.number != number || s.file != file) {
            s = new Slice(file, number, bytes(number * SLICE, SLICE));
            slots.set(slot, s);
        }
        return s.bytes;
    }
}
