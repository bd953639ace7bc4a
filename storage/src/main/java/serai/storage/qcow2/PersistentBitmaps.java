package serai.storage.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;
import serai.storage.track.DirtyBitmap;

/**
 * The bitmaps that an image keeps while nobody has it open. With the image open for writing they are in memory, and in the file marked as in use: a
 * writer that doesn't end leaves bitmaps that are known to tell nothing. They are written when the image is closed.
 */
final class PersistentBitmaps {
    /** A bitmap of the image: in memory, or only an entry of its directory if that is all that can be had. */
    private record Kept(@Nullable DirtyBitmap bitmap, BitmapDirectory.@Nullable Entry unknown) {
        String name() {
            return bitmap != null ? bitmap.name() : unknown == null ? "" : unknown.name();
        }
    }

    /** More is not what anybody does, and would take long to load. */
    private static final int MAX = 1024;

    private final Metadata m;
    private final Geometry g;
    private final List<Kept> all = new ArrayList<>();
    /** For the requests, without a lock. */
    private final List<DirtyBitmap> marked = new CopyOnWriteArrayList<>();

    /**
     * Those of an image.
     *
     * @param load whether they are wanted; a check does without, as they may be what is damaged
     * @throws DiskException if their directory is damaged
     */
    PersistentBitmaps(Metadata m, boolean load) throws IOException {
        this.m = m;
        g = m.g;
        if (!load) {
            return;
        }
        List<BitmapDirectory.Entry> entries = BitmapDirectory.read(m);
        if (entries.size() > MAX) {
            throw BitmapDirectory.damaged(m, "it has " + entries.size() + " bitmaps");
        }
        for (BitmapDirectory.Entry e : entries) {
            DirtyBitmap b = load(e);
            all.add(b == null ? new Kept(null, e) : new Kept(b, null));
            if (b != null) {
                marked.add(b);
            }
        }
    }

    private @Nullable DirtyBitmap load(BitmapDirectory.Entry e) throws IOException {
        boolean strange =
                (e.flags() & ~(BitmapDirectory.IN_USE | BitmapDirectory.AUTO | BitmapDirectory.EXTRA_COMPATIBLE)) != 0
                        || e.type() != BitmapDirectory.DIRTY_TRACKING
                        || e.extra().length > 0 && (e.flags() & BitmapDirectory.EXTRA_COMPATIBLE) == 0;
        long size = m.header.size + BlockDevice.SECTOR - 1 & -BlockDevice.SECTOR; // the disk's
        long granules = size >> e.granularityBits();
        if (e.inUse() || strange || granules >= DirtyBitmap.MAX_GRANULES) {
            return null;
        }
        DirtyBitmap b = new DirtyBitmap(e.name(), size, 1L << e.granularityBits());
        if (e.tableEntries() != g.clusters(b.bytes())) {
            throw BitmapDirectory.damaged(
                    m,
                    "bitmap '" + e.name() + "' has a table of " + e.tableEntries() + " entries, and its bits need "
                            + g.clusters(b.bytes()));
        }
        long[] table = L2Tables.readTable(m.file, e.table(), e.tableEntries());
        long reach = g.cluster() * 8 << e.granularityBits();
        try (NativeBuffer bits = NativeBuffer.confined(g.cluster())) {
            for (int i = 0; i < table.length; i++) {
                long offset = table[i] & L2Entry.OFFSET;
                if (offset != 0) {
                    m.file.read(offset, bits.address(), g.cluster());
                    b.load(i * g.cluster(), bits.segment());
                } else if ((table[i] & BitmapDirectory.ALL_ONES) != 0) {
                    b.set(i * reach, Math.min(reach, b.size() - i * reach));
                }
            }
        }
        if ((e.flags() & BitmapDirectory.AUTO) == 0) {
            b.disable();
        }
        return b;
    }

    /** Marks them in the file as in use: before anything is written. */
    void takeOver() throws IOException {
        List<BitmapDirectory.Entry> entries = BitmapDirectory.read(m);
        if (entries.isEmpty() || m.header.bitmaps == null) {
            return;
        }
        entries.replaceAll(e -> e.with(e.flags() | BitmapDirectory.IN_USE));
        byte[] b = BitmapDirectory.encode(entries);
        write(m.header.bitmaps.offset(), b, b.length);
        m.file.flush();
    }

    private void write(long at, byte[] b, int length) throws IOException {
        try (NativeBuffer n = NativeBuffer.confined(Math.max(1, length))) {
            n.segment().asByteBuffer().put(Arrays.copyOf(b, length));
            m.file.write(at, n.address(), length);
        }
    }

    /** A range of the disk is written. */
    void mark(long position, long length) {
        if (!marked.isEmpty()) {
            for (DirtyBitmap b : marked) {
                if (b.enabled()) {
                    b.set(position, length);
                }
            }
        }
    }

    /** The disk has another size. */
    void resize(long size) {
        for (DirtyBitmap b : marked) {
            b.resize(size);
        }
    }

    synchronized List<BitmapInfo> infos() {
        List<BitmapInfo> infos = new ArrayList<>();
        for (Kept k : all) {
            BitmapDirectory.Entry e = k.unknown;
            if (k.bitmap != null) {
                infos.add(new BitmapInfo(k.bitmap.name(), k.bitmap.granularity(), false, k.bitmap.enabled()));
            } else if (e != null) {
                infos.add(new BitmapInfo(
                        e.name(), 1L << e.granularityBits(), true, (e.flags() & BitmapDirectory.AUTO) != 0));
            }
        }
        return infos;
    }

    List<DirtyBitmap> list() {
        return List.copyOf(marked);
    }

    synchronized void add(DirtyBitmap bitmap) throws DiskException {
        if (m.header.version == 2) {
            throw new DiskException(m.file.path() + " is of version 2 of qcow2, which can't keep bitmaps");
        }
        if (all.stream().anyMatch(k -> k.name().equals(bitmap.name()))) {
            throw new DiskException(m.file.path() + " has a bitmap '" + bitmap.name() + "' already");
        }
        if (all.size() == MAX) {
            throw new DiskException(m.file.path() + " has " + MAX + " bitmaps, and can't have more");
        }
        all.add(new Kept(bitmap, null));
        marked.add(bitmap);
    }

    synchronized void remove(String name) throws DiskException {
        Kept k = all.stream()
                .filter(x -> x.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new DiskException(m.file.path() + " has no bitmap '" + name + "'"));
        all.remove(k);
        marked.remove(k.bitmap);
    }

    /** Writes them all to new places, and the directory that refers to them. */
    synchronized void store() throws IOException {
        if (m.header.bitmaps != null || !all.isEmpty()) {
            m.restructure(new Storing());
        }
    }

    private final class Storing implements Metadata.Structure {
        private final Header.@Nullable BitmapDirectory old = m.header.bitmaps;
        private List<BitmapDirectory.Entry> before = List.of();
        private List<BitmapDirectory.Entry> entries = List.of();
        private Header.@Nullable BitmapDirectory now;

        @Override
        public void build() throws IOException {
            before = BitmapDirectory.read(m);
            entries = new ArrayList<>();
            for (Kept k : all) {
                if (k.bitmap != null) {
                    entries.add(store(k.bitmap));
                } else if (k.unknown != null) {
                    entries.add(k.unknown.with(k.unknown.flags() | BitmapDirectory.IN_USE));
                }
            }
            byte[] directory = BitmapDirectory.encode(entries);
            int clusters = (int) g.clusters(directory.length);
            now = null;
            if (clusters > 0) {
                long at = m.allocateTable(clusters);
                write(at, directory, clusters << g.clusterBits());
                now = new Header.BitmapDirectory(entries.size(), directory.length, at);
            }
        }

        @Override
        public void link(Header h) {
            h.bitmaps = now;
            h.autoclear = now == null ? h.autoclear & ~Header.BITMAPS : h.autoclear | Header.BITMAPS;
        }

        @Override
        public void linked() throws IOException {
            if (old != null) {
                m.free(old.offset(), (int) g.clusters(old.size()), false);
            }
            for (BitmapDirectory.Entry e : before) {
                // those that were not loaded keep their place
                if (entries.stream().noneMatch(n -> n.table() == e.table() && n.tableEntries() > 0)) {
                    free(e);
                }
            }
        }
    }

    private BitmapDirectory.Entry store(DirtyBitmap b) throws IOException {
        long[] table = new long[(int) g.clusters(b.bytes())];
        long reach = g.cluster() * 8 * b.granularity();
        try (NativeBuffer bits = NativeBuffer.confined(g.cluster())) {
            for (int i = 0; i < table.length; i++) {
                long from = i * reach;
                long to = Math.min(b.size(), from + reach);
                if (b.nextDirty(from) >= to) {
                    continue;
                }
                if (b.nextClean(from) >= to) {
                    table[i] = BitmapDirectory.ALL_ONES;
                    continue;
                }
                table[i] = m.allocateTable(1);
                b.store(i * g.cluster(), bits.segment());
                m.file.write(table[i], bits.address(), g.cluster());
            }
        }
        long at = 0;
        if (table.length > 0) {
            int clusters = (int) g.clusters(8L * table.length);
            at = m.allocateTable(clusters);
            long[] whole = Arrays.copyOf(table, clusters << g.clusterBits() - 3);
            L2Tables.writeTable(m.file, at, whole, 0, whole.length);
        }
        return new BitmapDirectory.Entry(
                at,
                table.length,
                b.enabled() ? BitmapDirectory.AUTO : 0,
                BitmapDirectory.DIRTY_TRACKING,
                Long.numberOfTrailingZeros(b.granularity()),
                b.name(),
                new byte[0]);
    }

    private void free(BitmapDirectory.Entry e) throws IOException {
        if (e.tableEntries() == 0 || g.clusters(8L * e.tableEntries()) << g.clusterBits() > m.file.size()) {
            return; // a damaged one is left to a check
        }
        for (long entry : L2Tables.readTable(m.file, e.table(), e.tableEntries())) {
            if ((entry & L2Entry.OFFSET) != 0) {
                m.free(entry & L2Entry.OFFSET, 1, true);
            }
        }
        m.free(e.table(), (int) g.clusters(8L * e.tableEntries()), false);
    }
}
