package serai.storage.qcow2;

import java.io.IOException;
import serai.storage.DiskException;

/** Looks up and changes what clusters of the disk are mapped to. All of it with the image's lock. */
final class Clusters {
    private final Metadata m;
    private final Geometry g;
    private final L2Tables l2;

    Clusters(Metadata m) {
        this.m = m;
        g = m.g;
        l2 = m.l2;
    }

    /** What {@code length} bytes at a position are mapped to, or as many of them as are alike; at least one granule. */
    Mapping at(long position, long length) throws IOException {
        long table = l2.table(position);
        if (table == 0) {
            long reach = g.l2Reach();
            return new Mapping(Mapping.Kind.UNALLOCATED, 0, 0, Math.min(length, reach - (position & reach - 1)), false);
        }
        SliceCache.Slice s = l2.slice(table, position);
        int index = l2.inSlice(position);
        long entry = l2.entry(s, index);
        long bitmap = l2.bitmap(s, index);
        Mapping.Kind kind = kind(entry, bitmap, position);
        boolean own = (entry & L2Entry.COPIED) != 0 && l2.tableIsOwn(position);
        long granule = 1L << g.granuleBits();
        long in = position & g.cluster() - 1;
        long host = kind == Mapping.Kind.DATA
                ? (entry & L2Entry.OFFSET) + in
                : kind.hasCluster() ? entry & L2Entry.OFFSET : 0;
        long end = (position & -granule) + granule;
        if (kind == Mapping.Kind.COMPRESSED) {
            return new Mapping(kind, entry, 0, Math.min(length, g.cluster() - in), own);
        }
        long last = position + length;
        int left = l2.leftInSlice(position);
        long clusterEnd = g.down(position) + g.cluster();
        long first = entry;
        while (end < last) {
            if (end == clusterEnd) {
                if (--left == 0 || kind == Mapping.Kind.ZERO_ALLOCATED || kind == Mapping.Kind.UNALLOCATED_ALLOCATED) {
                    break;
                }
                index++;
                long next = l2.entry(s, index);
                if (kind == Mapping.Kind.DATA && (next & L2Entry.OFFSET) != (entry & L2Entry.OFFSET) + g.cluster()
                        || ((next ^ entry) & L2Entry.COPIED) != 0) {
                    break;
                }
                entry = next;
                bitmap = l2.bitmap(s, index);
                clusterEnd += g.cluster();
            }
            if (kind(entry, bitmap, end) != kind) {
                break;
            }
            end += granule;
        }
        return new Mapping(kind, first, host, Math.min(end, last) - position, own);
    }

    /** Whether {@link #at} need not read. */
    boolean inMemory(long position) throws DiskException {
        long table = l2.table(position);
        return table == 0 || l2.hasSlice(table, position);
    }

    private Mapping.Kind kind(long entry, long bitmap, long position) throws DiskException {
        if ((entry & L2Entry.COMPRESSED) != 0) {
            return Mapping.Kind.COMPRESSED;
        }
        long offset = entry & L2Entry.OFFSET;
        // an external data file has a cluster at 0, too; its entries tell by COPIED
        boolean allocated = offset != 0 || m.external() && (entry & L2Entry.COPIED) != 0;
        if (allocated && (offset & g.cluster() - 1) != 0) {
            throw damaged("data at %d is not at a cluster's start".formatted(offset));
        }
        if (g.extended()) {
            int sub = (int) (position >>> g.granuleBits()) & Geometry.SUBCLUSTERS - 1;
            boolean data = (bitmap >>> sub & 1) != 0;
            boolean zero = (bitmap >>> sub + 32 & 1) != 0;
            if (data && (zero || !allocated)) {
                throw damaged("a subcluster of the cluster at %d is in two states".formatted(offset));
            }
            return data
                    ? Mapping.Kind.DATA
                    : zero
                            ? allocated ? Mapping.Kind.ZERO_ALLOCATED : Mapping.Kind.ZERO
                            : allocated ? Mapping.Kind.UNALLOCATED_ALLOCATED : Mapping.Kind.UNALLOCATED;
        }
        if ((entry & L2Entry.ZERO) != 0 && m.header.version == 3) {
            return allocated ? Mapping.Kind.ZERO_ALLOCATED : Mapping.Kind.ZERO;
        }
        return allocated ? Mapping.Kind.DATA : Mapping.Kind.UNALLOCATED;
    }

    DiskException damaged(String what) {
        return new DiskException(
                "%s is damaged: %s; 'serai image check -r all' may mend it".formatted(m.file.path(), what));
    }

    /** Makes sure that the L2 table of a position is there and this disk's own. */
    private long ownTable(long position) throws IOException {
        long table = l2.table(position);
        if (table != 0 && l2.tableIsOwn(position)) {
            return table;
        }
        long made = m.allocateTable(1);
        if (table == 0) {
            l2.newTable(position, made);
        } else {
            l2.copyTable(position, table, made);
            m.free(table, 1, false);
        }
        return made;
    }

    /** How many clusters from that of a position on, at most {@code wanted}, need a new one to be written; in one slice. */
    int needNew(long position, int wanted) throws IOException {
        long table = ownTable(position);
        SliceCache.Slice s = l2.slice(table, position);
        int index = l2.inSlice(position);
        int n = 1;
        int most = Math.min(wanted, l2.leftInSlice(position));
        while (n < most && !isOwn(l2.entry(s, index + n))) {
            n++;
        }
        return n;
    }

    private boolean isOwn(long entry) {
        return (entry & L2Entry.COPIED) != 0
                && (entry & L2Entry.COMPRESSED) == 0
                && ((entry & L2Entry.OFFSET) != 0 || m.external());
    }

    /**
     * Clusters of the disk get clusters of the file; what they had is freed.
     *
     * @param position a cluster's start
     * @param from bytes of it from here on are in the file
     * @param to up to here
     * @param whole whether all of the first and last cluster is in the file: what was there has been copied
     */
    void link(long position, int clusters, long host, long from, long to, boolean whole) throws IOException {
        long table = ownTable(position);
        for (int i = 0; i < clusters; i++) {
            long at = position + ((long) i << g.clusterBits());
            SliceCache.Slice s = l2.slice(table, at);
            int index = l2.inSlice(at);
            long old = l2.entry(s, index);
            checkData(old);
            long entry = host + ((long) i << g.clusterBits()) | L2Entry.COPIED;
            long bitmap = 0;
            if (g.extended()) {
                long a = Math.max(0, from - at) >>> g.granuleBits();
                long b = Math.min(g.cluster(), to - at) + (1L << g.granuleBits()) - 1 >>> g.granuleBits();
                long written = whole ? 0xffffffffL : (1L << b) - (1L << a);
                bitmap = whole ? written : l2.bitmap(s, index) & ~(written << 32) | written;
            }
            boolean same = isOwn(old) && (old & L2Entry.OFFSET) == (entry & L2Entry.OFFSET);
            l2.set(s, index, entry, bitmap);
            if (!same) {
                freeData(old, false);
            }
        }
    }

    /** A cluster gets compressed data, which is already counted; what it had is freed. */
    void linkCompressed(long position, long entry) throws IOException {
        long table = ownTable(position);
        SliceCache.Slice s = l2.slice(table, position);
        int index = l2.inSlice(position);
        long old = l2.entry(s, index);
        checkData(old);
        l2.set(s, index, entry, 0);
        freeData(old, false);
    }

    /** Makes sure that an entry refers to no table, before it changes: giving it up would give up the table. */
    private void checkData(long entry) throws DiskException {
        if ((entry & L2Entry.COMPRESSED) != 0) {
            m.checkData(
                    L2Entry.compressedOffset(entry, g.clusterBits()), L2Entry.compressedBytes(entry, g.clusterBits()));
        } else if ((entry & L2Entry.OFFSET) != 0) {
            m.checkData(entry & L2Entry.OFFSET, 1);
        }
    }

    /** Gives up the data that an entry referred to. */
    void freeData(long entry, boolean punch) throws IOException {
        if ((entry & L2Entry.COMPRESSED) != 0) {
            long offset = L2Entry.compressedOffset(entry, g.clusterBits());
            long bytes = L2Entry.compressedBytes(entry, g.clusterBits());
            long first = g.down(offset);
            m.free(first, (int) (g.up(offset + bytes) - first >>> g.clusterBits()), punch);
        } else if ((entry & L2Entry.OFFSET) != 0 && !m.external()) {
            m.free(entry & L2Entry.OFFSET & -g.cluster(), 1, punch);
        }
    }

    /**
     * Makes whole clusters read as zeros, or as what the backing file has.
     *
     * @param position a cluster's start
     * @param zero whether they are to read as zeros; else they become unallocated
     * @param mayFree whether clusters may be given up; else those that are allocated stay
     * @return how many were done: all, or those up to the end of a slice
     */
    int clear(long position, int clusters, boolean zero, boolean mayFree) throws IOException {
        if (l2.table(position) == 0 && !zero) {
            long reach = g.l2Reach();
            return (int) Math.min(clusters, reach - (position & reach - 1) >>> g.clusterBits());
        }
        long table = ownTable(position);
        SliceCache.Slice s = l2.slice(table, position);
        int first = l2.inSlice(position);
        int n = Math.min(clusters, l2.leftInSlice(position));
        for (int i = 0; i < n; i++) {
            long old = l2.entry(s, first + i);
            checkData(old);
            boolean keep = !mayFree && isOwn(old);
            long entry = keep ? old & (L2Entry.OFFSET | L2Entry.COPIED) : 0;
            if (g.extended()) {
                l2.set(s, first + i, entry, zero ? 0xffffffffL << 32 : 0);
            } else {
                long made = zero ? entry | L2Entry.ZERO : entry;
                if (made != old) {
                    l2.set(s, first + i, made, 0);
                }
            }
            if (!keep) {
                freeData(old, true);
            }
        }
        return n;
    }

    /** Makes subclusters of one cluster read as zeros. */
    void zeroSubclusters(long position, long length) throws IOException {
        long table = ownTable(position);
        SliceCache.Slice s = l2.slice(table, position);
        int index = l2.inSlice(position);
        int a = (int) (position & g.cluster() - 1) >>> g.granuleBits();
        long bits = (1L << a + (length >>> g.granuleBits())) - (1L << a);
        l2.set(s, index, l2.entry(s, index), l2.bitmap(s, index) & ~bits | bits << 32);
    }
}
