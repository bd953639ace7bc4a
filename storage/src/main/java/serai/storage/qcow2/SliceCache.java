package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import serai.storage.ImageFile;

/**
 * Pieces of metadata tables (L2 tables, refcount blocks) in memory: 4 KiB, or a cluster where that is less, so that a random access reads
 * little. A piece that was changed stays until it has been written; others go when there are too many, those not used lately first
 * (second chance). All of it is guarded by the image's lock.
 */
final class SliceCache {
    static final int SLICE = 4096;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN);

    /** A piece of a table. */
    static final class Slice {
        /** Where it stands in the file. */
        final long offset;

        final MemorySegment bytes;
        private boolean used;
        private boolean dirty;
        /** A copy of it is being written. */
        private boolean writing;

        private Slice(long offset, MemorySegment bytes) {
            this.offset = offset;
            this.bytes = bytes;
        }

        long word(int index) {
            return bytes.get(LONG, (long) index << 3);
        }

        byte octet(int index) {
            return bytes.get(ValueLayout.JAVA_BYTE, index);
        }
    }

    /** What a slice held when a commit began. */
    record Copy(Slice slice, MemorySegment bytes) {}

    private final ImageFile file;
    private final int sliceBytes;
    private final int capacity;
    private final Map<Long, Slice> slices = new HashMap<>();
    private final ArrayDeque<Slice> ring = new ArrayDeque<>();
    private final List<Slice> dirty = new ArrayList<>();

    /**
     * Empty.
     *
     * @param bytes about how much is kept
     */
    SliceCache(ImageFile file, int clusterBits, long bytes) {
        this.file = file;
        sliceBytes = Math.min(SLICE, 1 << clusterBits);
        capacity = (int) Math.max(16, bytes / sliceBytes);
    }

    int sliceBytes() {
        return sliceBytes;
    }

    /** The slice that holds a byte of the file, from memory or read. */
    Slice get(long position) throws IOException {
        Long offset = position & -sliceBytes;
        Slice s = slices.get(offset);
        if (s == null) {
            s = make(offset);
            file.read(offset, s.bytes.address(), sliceBytes);
            put(s);
        }
        s.used = true;
        return s;
    }

    /** Whether {@link #get} need not read. */
    boolean has(long position) {
        return slices.containsKey(position & -sliceBytes);
    }

    /** Forgets what a table held, if anything, and puts zeros in its place, to be written. */
    void putZeros(long table, long bytes) {
        for (long at = table; at < table + bytes; at += sliceBytes) {
            Slice s = slices.get(at);
            if (s == null) {
                s = make(at);
                put(s);
            }
            s.bytes.fill((byte) 0);
            dirty(s);
        }
    }

    private Slice make(long offset) {
        while (slices.size() >= capacity && evict()) {}
        return new Slice(offset, Arena.ofAuto().allocate(sliceBytes, 8));
    }

    private void put(Slice s) {
        slices.put(s.offset, s);
        ring.add(s);
    }

    private boolean evict() {
        for (int n = Math.min(ring.size() * 2, 4096); n > 0; n--) {
            Slice s = ring.remove();
            if (s.used || s.dirty || s.writing) {
                s.used = false;
                ring.add(s);
            } else {
                slices.remove(s.offset);
                return true;
            }
        }
        return false; // nearly all are to be written: it grows until that is done
    }

    /** Changes a word. */
    void set(Slice s, int index, long value) {
        s.bytes.set(LONG, (long) index << 3, value);
        dirty(s);
    }

    /** Changes a byte. */
    void set(Slice s, int index, byte value) {
        s.bytes.set(ValueLayout.JAVA_BYTE, index, value);
        dirty(s);
    }

    private void dirty(Slice s) {
        if (!s.dirty) {
            s.dirty = true;
            dirty.add(s);
        }
    }

    /** Whether anything is to be written. */
    boolean isDirty() {
        return !dirty.isEmpty();
    }

    /** Whether so much is to be written that it should be done soon. */
    boolean isFull() {
        return dirty.size() > capacity * 3 / 4;
    }

    /** What is to be written now; until {@link #written} the file may hold it or not. */
    List<Copy> takeDirty() {
        List<Copy> copies = new ArrayList<>(dirty.size());
        Arena arena = Arena.ofAuto();
        for (Slice s : dirty) {
            s.dirty = false;
            s.writing = true;
            copies.add(new Copy(s, arena.allocate(sliceBytes, 8).copyFrom(s.bytes)));
        }
        dirty.clear();
        return copies;
    }

    /** That has been written, or, if not, is to be written again. */
    void written(List<Copy> copies, boolean done) {
        for (Copy c : copies) {
            c.slice.writing = false;
            if (!done) {
                dirty(c.slice);
            }
        }
    }

    /** Forgets a range of the file that holds no table any more. */
    void forget(long offset, long bytes) {
        for (long at = offset; at < offset + bytes; at += sliceBytes) {
            Slice s = slices.get(at);
            if (s != null) {
                slices.remove(at);
                ring.remove(s);
                if (s.dirty) {
                    s.dirty = false;
                    dirty.remove(s);
                }
            }
        }
    }

    /** Forgets all that needs not be written. */
    void trim() {
        ring.removeIf(s -> {
            boolean gone = !s.dirty && !s.writing;
            if (gone) {
                slices.remove(s.offset);
            }
            return gone;
        });
    }

    /** Writes copies, those that follow each other in the file together. */
    static void write(ImageFile file, List<Copy> copies) throws IOException {
        List<Copy> sorted = new ArrayList<>(copies);
        sorted.sort((a, b) -> Long.compare(a.slice.offset, b.slice.offset));
        for (Copy c : sorted) {
            file.write(c.slice.offset, c.bytes.address(), c.bytes.byteSize());
        }
    }
}
