package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * An entry of the log (VHDX 2.3.1): sectors of 4 KiB, which may go on at the log's start.
 *
 * <pre>
 *  0  "loge"        16  sequence number (8)   48  flushed file offset (8)
 *  4  checksum      24  descriptors           56  last file offset (8)
 *  8  entry length  28  reserved              64  descriptors of 32 bytes, also in further sectors
 * 12  tail          32  log GUID                  then a sector for each data descriptor
 *
 *  descriptors:  "zero", reserved, length (8),        file offset (8), sequence number (8)
 *                "desc", trailing bytes (4), leading bytes (8), file offset (8), sequence number (8)
 *  data sector:  "data", sequence number's high half, bytes 8 to 4091, its low half
 * </pre>
 *
 * @param position bytes from the log's start
 * @param length bytes
 * @param tail position of the oldest entry that has to be replayed with this one
 * @param flushed bytes that the file has at least
 * @param last bytes that the file is to have
 * @param count descriptors in it
 */
record LogEntry(long position, long length, long tail, long sequence, long flushed, long last, long count) {
    static final int SECTOR = 4096;

    private static final int HEADER = 64;
    private static final int DESCRIPTOR = 32;
    private static final int LOGE = 0x6567_6f6c;
    private static final int ZERO = 0x6f72_657a;
    private static final int DESC = 0x6373_6564;
    private static final int DATA = 0x6174_6164;

    /**
     * A change of the file.
     *
     * @param offset where, a multiple of 4 KiB
     * @param length bytes, a multiple of 4 KiB
     * @param source position in the log of the data sector that has bytes 8 to 4091 of it; -1 if they are zeros
     */
    record Descriptor(long offset, long length, long source, long leading, int trailing) {}

    /** A log, read by sectors around its end. */
    static final class Ring {
        /** How often a byte may stand in something that is an entry but for its checksum: sound entries don't overlap. */
        private static final int OVERLAPS = 4;

        private final ImageFile file;
        private final Header header;
        private long budget;

        Ring(ImageFile file, Header header) {
            this.file = file;
            this.header = header;
            budget = OVERLAPS * header.logLength();
        }

        Header header() {
            return header;
        }

        ByteBuffer sector(long position) throws IOException {
            return TableReader.bytes(
                    file, header.logOffset() + position % header.logLength(), SECTOR, ByteOrder.LITTLE_ENDIAN);
        }

        private boolean affords(long bytes) {
            budget -= bytes;
            return budget >= 0;
        }
    }

    /**
     * The one at a position, if there is one and all of it is valid.
     *
     * <p>It is looked through sector by sector before its checksum is computed: what looks like an entry and runs over other entries costs
     * little.
     */
    static @Nullable LogEntry at(Ring ring, long position) throws IOException {
        ByteBuffer b = ring.sector(position);
        if (b.getInt(0) != LOGE) {
            return null;
        }
        long length = b.getInt(8) & 0xffff_ffffL;
        long tail = b.getInt(12) & 0xffff_ffffL;
        long sequence = b.getLong(16);
        long count = b.getInt(24) & 0xffff_ffffL;
        long logLength = ring.header().logLength();
        if (length == 0
                || length % SECTOR != 0
                || length > logLength
                || tail % SECTOR != 0
                || tail >= logLength
                || sequence == 0
                || !Header.guid(b, 32).equals(ring.header().log())) {
            return null;
        }
        LogEntry e = new LogEntry(position, length, tail, sequence, b.getLong(48), b.getLong(56), count);
        int checksum = b.getInt(4);
        boolean sound = e.head() <= length / SECTOR
                && e.each(ring, d -> {})
                && ring.affords(length)
                && checksum == e.checksum(ring);
        return sound ? e : null;
    }

    /** Sectors with descriptors. */
    private long head() {
        return (HEADER + count * DESCRIPTOR + SECTOR - 1) / SECTOR;
    }

    /**
     * Gives the changes in their order.
     *
     * @return whether all of them are sound; the rest is not given if one isn't
     */
    boolean each(Ring ring, Consumer<Descriptor> to) throws IOException {
        long data = head();
        ByteBuffer b = ring.sector(position);
        for (long i = 0; i < count; i++) {
            long at = HEADER + i * DESCRIPTOR;
            if (at % SECTOR == 0) {
                b = ring.sector(position + at);
            }
            Descriptor d = descriptor(b, (int) (at % SECTOR), sequence, position + data * SECTOR);
            if (d == null) {
                return false;
            }
            if (d.source >= 0) {
                if (data == length / SECTOR || !isData(ring.sector(d.source))) {
                    return false;
                }
                data++;
            }
            to.accept(d);
        }
        return true;
    }

    private boolean isData(ByteBuffer b) {
        return b.getInt(0) == DATA && b.getInt(4) == (int) (sequence >>> 32) && b.getInt(SECTOR - 4) == (int) sequence;
    }

    private static @Nullable Descriptor descriptor(ByteBuffer b, int at, long sequence, long source) {
        int kind = b.getInt(at);
        long offset = b.getLong(at + 16);
        long length = kind == ZERO ? b.getLong(at + 8) : SECTOR;
        if (kind != ZERO && kind != DESC
                || b.getLong(at + 24) != sequence
                || offset < 0
                || offset % SECTOR != 0
                || length < 0
                || length % SECTOR != 0
                || offset > Long.MAX_VALUE / 4
                || length > Long.MAX_VALUE / 4) {
            return null;
        }
        return kind == ZERO
                ? new Descriptor(offset, length, -1, 0, 0)
                : new Descriptor(offset, length, source, b.getLong(at + 8), b.getInt(at + 4));
    }

    private int checksum(Ring ring) throws IOException {
        CRC32C crc = new CRC32C();
        for (long at = 0; at < length; at += SECTOR) {
            ByteBuffer b = ring.sector(position + at);
            if (at == 0) {
                b.putInt(4, 0);
            }
            crc.update(b);
        }
        return (int) crc.getValue();
    }
}
