package serai.storage.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/**
 * The internal snapshots ("Snapshots"), each at a multiple of 8:
 *
 * <pre>
 *  0 l1_table_offset (8)   8 l1_size, entries (4)   12 length of id (2)   14 length of name (2)
 * 16 seconds since 1970 (4)   20 and nanoseconds (4)   24 guest's clock in ns (8)   32 bytes of VM state (4)
 * 36 length of extra data (4)
 * 40 extra: VM state in bytes (8), size of the disk (8), instructions (8); id; name
 * </pre>
 */
final class SnapshotTable {
    private static final int FIXED = 40, EXTRA = 24;
    private static final int MAX_EXTRA = 1024;
    /** As QEMU bounds it. */
    private static final long MAX_BYTES = 64L << 20;

    /**
     * A snapshot.
     *
     * @param diskSize its size, in bytes
     * @param vmState bytes of VM state
     */
    record Entry(
            long l1Offset,
            int l1Entries,
            String id,
            String name,
            int seconds,
            int nanos,
            long guestNanos,
            long vmState,
            long diskSize,
            byte[] extra) {
        Entry at(long offset, int entries) {
            return new Entry(offset, entries, id, name, seconds, nanos, guestNanos, vmState, diskSize, extra);
        }
    }

    private SnapshotTable() {}

    /**
     * Reads them.
     *
     * @throws DiskException if the table is damaged
     */
    static List<Entry> read(Metadata m) throws IOException {
        List<Entry> all = new ArrayList<>();
        long at = m.header.snapshotOffset;
        long total = 0;
        for (int i = 0; i < m.header.snapshotCount; i++) {
            ByteBuffer f = bytes(m, at, FIXED);
            int idLength = f.getShort(12) & 0xffff;
            int nameLength = f.getShort(14) & 0xffff;
            long extraLength = f.getInt(36) & 0xffffffffL;
            if (extraLength > MAX_EXTRA) {
                throw new DiskException(
                        m.file.path() + " is damaged: snapshot " + i + " has " + extraLength + " bytes of extra data");
            }
            byte[] extra = bytes(m, at + FIXED, (int) extraLength).array();
            ByteBuffer e = ByteBuffer.wrap(extra);
            int entries = f.getInt(8);
            if (entries < 0
                    || entries > Header.MAX_L1_BYTES / 8
                    || (f.getLong(0) & m.g.cluster() - 1) != 0
                    || Long.compareUnsigned(f.getLong(0), L2Entry.OFFSET) > 0) {
                throw new DiskException(m.file.path() + " is damaged: snapshot " + i + " has an L1 table of "
                        + (entries & 0xffffffffL) + " entries at " + Long.toUnsignedString(f.getLong(0)));
            }
            byte[] names =
                    bytes(m, at + FIXED + extraLength, idLength + nameLength).array();
            all.add(new Entry(
                    f.getLong(0),
                    entries,
                    new String(names, 0, idLength, StandardCharsets.UTF_8),
                    new String(names, idLength, nameLength, StandardCharsets.UTF_8),
                    f.getInt(16),
                    f.getInt(20),
                    f.getLong(24),
                    extra.length >= 8 ? e.getLong(0) : f.getInt(32) & 0xffffffffL,
                    extra.length >= 16 ? e.getLong(8) : m.header.size,
                    extra));
            long bytes = FIXED + extraLength + idLength + nameLength + 7 & -8;
            at += bytes;
            total += bytes;
            if (total > MAX_BYTES) {
                throw new DiskException(m.file.path() + " has a snapshot table of more than " + MAX_BYTES + " bytes");
            }
        }
        return all;
    }

    /** Writes them to a new place. */
    static long write(Metadata m, List<Entry> entries) throws IOException {
        byte[] b = encode(entries);
        int clusters = (int) m.g.clusters(b.length);
        if (clusters == 0) {
            return 0;
        }
        long at = m.allocateTable(clusters);
        byte[] whole = Arrays.copyOf(b, clusters << m.g.clusterBits());
        try (NativeBuffer n = NativeBuffer.confined(whole.length)) {
            n.segment().asByteBuffer().put(whole);
            m.file.write(at, n.address(), whole.length);
        }
        return at;
    }

    /** Bytes of the table in the file. */
    static long size(List<Entry> entries) {
        return encode(entries).length;
    }

    static byte[] encode(List<Entry> entries) {
        ByteBuffer b = ByteBuffer.allocate(entries.stream()
                .mapToInt(e -> FIXED + Math.max(EXTRA, e.extra.length) + utf(e.id).length + utf(e.name).length + 7 & -8)
                .sum());
        for (Entry e : entries) {
            ByteBuffer extra = ByteBuffer.allocate(Math.max(EXTRA, e.extra.length));
            if (e.extra.length < EXTRA) {
                extra.putLong(16, -1); // no count of instructions
            }
            extra.put(0, e.extra).putLong(0, e.vmState).putLong(8, e.diskSize);
            byte[] id = utf(e.id);
            byte[] name = utf(e.name);
            b.putLong(e.l1Offset)
                    .putInt(e.l1Entries)
                    .putShort((short) id.length)
                    .putShort((short) name.length);
            b.putInt(e.seconds).putInt(e.nanos).putLong(e.guestNanos);
            b.putInt((int) Math.min(e.vmState, 0xffffffffL)).putInt(extra.capacity());
            b.put(extra.array()).put(id).put(name);
            b.position(b.position() + 7 & -8);
        }
        return b.array();
    }

    private static byte[] utf(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static ByteBuffer bytes(Metadata m, long at, int n) throws IOException {
        try (NativeBuffer b = NativeBuffer.confined(Math.max(1, n))) {
            m.file.read(at, b.address(), n);
            ByteBuffer copy = ByteBuffer.allocate(n);
            copy.put(0, b.segment().asByteBuffer(), 0, n);
            return copy;
        }
    }
}
