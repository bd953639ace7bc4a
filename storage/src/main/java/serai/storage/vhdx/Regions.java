package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * What the region table says (VHDX 2.2.3): where the BAT and the metadata are, and what else in the file is taken.
 *
 * <pre>
 *  0  "regi"               16  entries of 32 bytes: GUID, file offset (8), length (4), required (4)
 *  4  checksum, CRC-32C
 *  8  number of entries
 * </pre>
 */
final class Regions {
    /**
     * A part of the file.
     *
     * @param offset a multiple of 1 MiB
     * @param length bytes
     */
    record Region(long offset, long length) {}

    private static final UUID BAT = UUID.fromString("2DC27766-F623-4200-9D64-115E9BFD4A08");
    private static final UUID METADATA = UUID.fromString("8B7CA206-4790-4B9A-B8FE-575F050F886E");
    private static final int BYTES = 64 << 10;
    private static final long FIRST = 192 << 10;
    private static final long SECOND = 256 << 10;
    private static final int REGI = 0x6967_6572;
    private static final int MAX_ENTRIES = 2047;

    private final ImageFile file;
    /** All that blocks must not lie in, by where it begins. */
    private final NavigableMap<Long, Region> taken = new TreeMap<>();

    private @Nullable Region bat;
    private @Nullable Region metadata;

    private Regions(ImageFile file) {
        this.file = file;
    }

    /**
     * Reads it.
     *
     * @throws DiskException if neither copy is sound, or what they name overlaps or is unknown and required
     */
    static Regions of(ImageFile file, Header header) throws IOException {
        Regions r = new Regions(file);
        r.take(new Region(0, Header.MIB));
        if (header.logLength() > 0) {
            r.take(new Region(header.logOffset(), header.logLength()));
        }
        ByteBuffer b = valid(file, FIRST);
        if (b == null) {
            b = valid(file, SECOND);
        }
        if (b == null) {
            throw Header.bad(file, "neither copy of its region table has the right checksum");
        }
        for (int i = 0; i < b.getInt(8); i++) {
            r.entry(b, 16 + 32 * i);
        }
        return r;
    }

    private static @Nullable ByteBuffer valid(ImageFile file, long position) throws IOException {
        ByteBuffer b = TableReader.bytes(file, position, BYTES, ByteOrder.LITTLE_ENDIAN);
        boolean sound = b.getInt(0) == REGI
                && b.getInt(4) == Header.checksum(b)
                && Integer.compareUnsigned(b.getInt(8), MAX_ENTRIES) <= 0;
        return sound ? b : null;
    }

    private void entry(ByteBuffer b, int at) throws IOException {
        UUID id = Header.guid(b, at);
        Region region = new Region(b.getLong(at + 16), b.getInt(at + 24) & 0xffff_ffffL);
        if (region.offset < Header.MIB
                || region.offset % Header.MIB != 0
                || region.length == 0
                || region.length % Header.MIB != 0
                || region.offset > file.size() - region.length) {
            throw Header.bad(
                    file,
                    "its region %s has %d bytes at byte %s, where the file has no such megabytes"
                            .formatted(id, region.length, Long.toUnsignedString(region.offset)));
        }
        take(region);
        if (id.equals(BAT)) {
            bat = once(id, bat, region);
        } else if (id.equals(METADATA)) {
            metadata = once(id, metadata, region);
        } else if ((b.getInt(at + 28) & 1) != 0) {
            throw new DiskException(
                    "%s needs region %s to be understood, which we don't know".formatted(file.path(), id));
        }
    }

    private Region once(UUID id, @Nullable Region known, Region region) throws DiskException {
        if (known != null) {
            throw Header.bad(file, "it has region " + id + " twice");
        }
        return region;
    }

    private void take(Region r) throws DiskException {
        if (!free(r.offset, r.length)) {
            throw Header.bad(file, "its %d bytes at byte %d overlap another part of it".formatted(r.length, r.offset));
        }
        taken.put(r.offset, r);
    }

    /** Whether a range lies over none of the header section, the log and the regions. */
    boolean free(long offset, long length) {
        Map.Entry<Long, Region> e = taken.lowerEntry(offset + length);
        return e == null || e.getValue().offset + e.getValue().length <= offset;
    }

    Region bat() throws DiskException {
        return found(bat, "BAT");
    }

    Region metadata() throws DiskException {
        return found(metadata, "metadata region");
    }

    private Region found(@Nullable Region r, String what) throws DiskException {
        if (r == null) {
            throw Header.bad(file, "it has no " + what);
        }
        return r;
    }
}
