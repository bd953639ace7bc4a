package serai.storage.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/**
 * The directory of persistent bitmaps ("Bitmaps"), each at a multiple of 8:
 *
 * <pre>
 *  0 bitmap_table_offset (8)   8 bitmap_table_size, entries (4)   12 flags (4): 1 in use, 2 auto, 4 extra data may be ignored
 * 16 type: 1 dirty tracking (1)   17 granularity_bits (1)   18 length of name (2)   20 length of extra data (4)
 * 24 extra data; name
 * table entry: 0 all ones, if there is no offset; 9–55 offset of a cluster of bits, 0 if it has none
 * </pre>
 */
final class BitmapDirectory {
    static final int IN_USE = 1, AUTO = 2, EXTRA_COMPATIBLE = 4;
    static final int DIRTY_TRACKING = 1;
    static final long ALL_ONES = 1;
    private static final int FIXED = 24, MAX_NAME = 1023;
    /** As QEMU bounds them. */
    static final int MAX_BITMAPS = 65535;

    private static final long MAX_BYTES = 64L << 20;
    static final int MAX_TABLE = 0x8000000;

    /** A bitmap. */
    record Entry(long table, int tableEntries, int flags, int type, int granularityBits, String name, byte[] extra) {
        boolean inUse() {
            return (flags & IN_USE) != 0;
        }

        Entry with(int newFlags) {
            return new Entry(table, tableEntries, newFlags, type, granularityBits, name, extra);
        }
    }

    private BitmapDirectory() {}

    /**
     * Reads it.
     *
     * @throws DiskException if it is damaged
     */
    static List<Entry> read(Metadata m) throws IOException {
        Header.BitmapDirectory d = m.header.bitmaps;
        List<Entry> all = new ArrayList<>();
        if (d == null) {
            return all;
        }
        if (d.count() < 0 || d.count() > MAX_BITMAPS || d.size() < 0 || d.size() > MAX_BYTES || d.offset() < 0) {
            throw damaged(
                    m,
                    "its bitmap directory has " + (d.count() & 0xffffffffL) + " bitmaps in "
                            + Long.toUnsignedString(d.size()) + " bytes");
        }
        if (d.count() > 0
                && (d.offset() < m.g.cluster()
                        || d.offset() > L2Entry.OFFSET
                        || (d.offset() & m.g.cluster() - 1) != 0)) {
            throw damaged(m, "its bitmap directory is at " + d.offset() + ", which is no cluster of it");
        }
        ByteBuffer b = ByteBuffer.allocate((int) d.size());
        try (NativeBuffer n = NativeBuffer.confined(Math.max(1, d.size()))) {
            m.file.read(d.offset(), n.address(), d.size());
            b.put(0, n.segment().asByteBuffer(), 0, b.capacity());
        }
        for (int i = 0; i < d.count(); i++) {
            if (b.remaining() < FIXED) {
                throw damaged(m, "its bitmap directory ends in bitmap " + i);
            }
            int at = b.position();
            int name = b.getShort(at + 18) & 0xffff;
            long extra = b.getInt(at + 20) & 0xffffffffL;
            int entries = b.getInt(at + 8);
            int bits = b.get(at + 17) & 0xff;
            if (FIXED + extra + name > b.remaining() || name == 0 || name > MAX_NAME) {
                throw damaged(m, "bitmap " + i + " has a name of " + name + " and " + extra + " bytes of extra data");
            }
            if (entries < 0 || entries > MAX_TABLE || bits < 9 || bits > 31) {
                throw damaged(
                        m,
                        "bitmap " + i + " has a table of " + (entries & 0xffffffffL)
                                + " entries and a granularity of 2^" + bits);
            }
            if ((b.getLong(at) & m.g.cluster() - 1) != 0 || Long.compareUnsigned(b.getLong(at), L2Entry.OFFSET) > 0) {
                throw damaged(m, "bitmap " + i + " has its table at " + Long.toUnsignedString(b.getLong(at)));
            }
            byte[] x = new byte[(int) extra];
            b.get(at + FIXED, x);
            byte[] s = new byte[name];
            b.get(at + FIXED + x.length, s);
            all.add(new Entry(
                    b.getLong(at),
                    entries,
                    b.getInt(at + 12),
                    b.get(at + 16) & 0xff,
                    bits,
                    new String(s, StandardCharsets.UTF_8),
                    x));
            b.position(Math.min(b.limit(), at + FIXED + x.length + name + 7 & -8));
        }
        return all;
    }

    static byte[] encode(List<Entry> entries) {
        ByteBuffer b = ByteBuffer.allocate(entries.stream()
                .mapToInt(e -> FIXED + e.extra.length + e.name.getBytes(StandardCharsets.UTF_8).length + 7 & -8)
                .sum());
        for (Entry e : entries) {
            byte[] name = e.name.getBytes(StandardCharsets.UTF_8);
            b.putLong(e.table).putInt(e.tableEntries).putInt(e.flags);
            b.put((byte) e.type)
                    .put((byte) e.granularityBits)
                    .putShort((short) name.length)
                    .putInt(e.extra.length);
            b.put(e.extra).put(name);
            b.position(b.position() + 7 & -8);
        }
        return b.array();
    }

    static DiskException damaged(Metadata m, String what) {
        return new DiskException(m.file.path() + " is damaged: " + what);
    }
}
