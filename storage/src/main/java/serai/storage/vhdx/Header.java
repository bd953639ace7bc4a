package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * The header of the two that is current (VHDX 2.2.2).
 *
 * <pre>
 *  0  "head"               16  file write GUID   64  log version (2)
 *  4  checksum, CRC-32C    32  data write GUID   66  version (2)
 *  8  sequence number (8)  48  log GUID          68  log length
 *                                                72  log offset (8)
 * </pre>
 *
 * @param dataWrite by which a child knows the content
 * @param log which entries of the log are of now; zero if there is nothing to replay
 * @param logOffset where the log begins, a multiple of 1 MiB
 * @param logLength bytes, a multiple of 1 MiB
 */
record Header(long sequence, UUID dataWrite, UUID log, long logOffset, long logLength) {
    static final UUID NO_LOG = new UUID(0, 0);
    static final long MIB = 1 << 20;

    private static final int BYTES = 4096;
    private static final long FIRST = 64 << 10;
    private static final long SECOND = 128 << 10;
    private static final long IDENTIFIER = 0x656c_6966_7864_6876L; // "vhdxfile"
    private static final int HEAD = 0x6461_6568; // "head"

    /**
     * Reads it.
     *
     * @throws DiskException if the file is no VHDX, or none of its headers is sound
     */
    static Header of(ImageFile file) throws IOException {
        if (TableReader.bytes(file, 0, 8, ByteOrder.LITTLE_ENDIAN).getLong(0) != IDENTIFIER) {
            throw new DiskException(file.path() + " is no VHDX: it does not begin with 'vhdxfile'");
        }
        @Nullable ByteBuffer a = valid(file, FIRST);
        @Nullable ByteBuffer b = valid(file, SECOND);
        @Nullable ByteBuffer current;
        if (a == null || b == null) {
            current = a == null ? b : a;
        } else {
            int order = Long.compareUnsigned(a.getLong(8), b.getLong(8));
            // of the same number neither would be current, but disk2vhd writes two that are the same
            current = order > 0 || order == 0 && a.equals(b) ? a : order < 0 ? b : null;
        }
        if (current == null) {
            throw bad(file, "neither of its headers is current with the right checksum");
        }
        return parse(file, current);
    }

    private static @Nullable ByteBuffer valid(ImageFile file, long position) throws IOException {
        ByteBuffer b = TableReader.bytes(file, position, BYTES, ByteOrder.LITTLE_ENDIAN);
        return b.getInt(0) == HEAD && b.getInt(4) == checksum(b) ? b : null;
    }

    private static Header parse(ImageFile file, ByteBuffer b) throws DiskException {
        int version = b.getShort(66) & 0xffff;
        int logVersion = b.getShort(64) & 0xffff;
        Header h = new Header(b.getLong(8), guid(b, 32), guid(b, 48), b.getLong(72), b.getInt(68) & 0xffff_ffffL);
        if (version != 1) {
            throw new DiskException("%s is a VHDX of version %d, and 1 is known".formatted(file.path(), version));
        }
        if (logVersion != 0 && h.dirty()) {
            throw new DiskException(
                    "%s has a log of version %d to replay, and 0 is known".formatted(file.path(), logVersion));
        }
        if (h.logOffset < 0 || h.logOffset % MIB != 0 || h.logLength % MIB != 0 || h.logOffset > Long.MAX_VALUE / 2) {
            throw bad(
                    file,
                    "its log has %d bytes at byte %s, and both have to be multiples of 1 MiB"
                            .formatted(h.logLength, Long.toUnsignedString(h.logOffset)));
        }
        return h;
    }

    /** Whether the log has to be replayed. */
    boolean dirty() {
        return !log.equals(NO_LOG);
    }

    /** CRC-32C of a structure with the four bytes of the checksum itself, which are its second, as zeros. */
    static int checksum(ByteBuffer b) {
        CRC32C crc = new CRC32C();
        crc.update(b.slice(0, 4));
        crc.update(new byte[4]);
        crc.update(b.slice(8, b.limit() - 8));
        return (int) crc.getValue();
    }

    /** A GUID in binary form: three numbers, little-endian as all here, and eight bytes. */
    static UUID guid(ByteBuffer b, int at) {
        return new UUID(
                (b.getInt(at) & 0xffff_ffffL) << 32
                        | (b.getShort(at + 4) & 0xffffL) << 16
                        | b.getShort(at + 6) & 0xffffL,
                Long.reverseBytes(b.getLong(at + 8)));
    }

    static DiskException bad(ImageFile file, String why) {
        return new DiskException(file.path() + " is no sound VHDX: " + why);
    }
}
