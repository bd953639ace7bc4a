package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * The metadata (VHDX 2.6): a table of 64 KiB, and items after it.
 *
 * <pre>
 *  0  "metadata"                    32  entries of 32 bytes:
 * 10  number of entries (2)             GUID, offset (4), length (4), bits: user, virtual disk, required
 * </pre>
 *
 * @param block bytes of a payload block, a power of two from 1 to 256 MiB
 * @param differencing whether it has a parent
 * @param size bytes of the disk
 * @param sector bytes of a logical sector, 512 or 4096
 * @param locator the parent locator item; empty if the disk has no parent
 */
record Metadata(long block, boolean differencing, long size, int sector, ByteBuffer locator) {
    private static final UUID FILE_PARAMETERS = UUID.fromString("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static final UUID VIRTUAL_DISK_SIZE = UUID.fromString("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static final UUID VIRTUAL_DISK_ID = UUID.fromString("BECA12AB-B2E6-4523-93EF-C309E000C746");
    private static final UUID LOGICAL_SECTOR_SIZE = UUID.fromString("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    private static final UUID PHYSICAL_SECTOR_SIZE = UUID.fromString("CDA348C7-445D-4471-9CC9-E9885251C556");
    private static final UUID PARENT_LOCATOR = UUID.fromString("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

    private static final int TABLE = 64 << 10;
    private static final int MAX_ENTRIES = 2047;
    private static final long MAX_ITEM = 1 << 20;
    private static final long SIGNATURE = 0x6174_6164_6174_656dL; // "metadata"
    private static final long MAX_SIZE = 64L << 40;

    /** An item, by its place in the region. */
    private record Item(long offset, long length) {}

    /**
     * Reads it.
     *
     * @throws DiskException if something is missing, wrong or unknown and required
     */
    static Metadata of(ImageFile file, Regions.Region region) throws IOException {
        Map<UUID, Item> items = items(file, region);
        ByteBuffer parameters = item(file, region, items, FILE_PARAMETERS, 8);
        long size = item(file, region, items, VIRTUAL_DISK_SIZE, 8).getLong(0);
        int sector = item(file, region, items, LOGICAL_SECTOR_SIZE, 4).getInt(0);
        long block = parameters.getInt(0) & 0xffff_ffffL;
        boolean differencing = (parameters.getInt(4) & 2) != 0;
        if (Long.bitCount(block) != 1 || block < 1 << 20 || block > 256 << 20) {
            throw Header.bad(file, "its blocks have " + block + " bytes, which is no power of two from 1 to 256 MiB");
        }
        if (sector != 512 && sector != 4096) {
            throw Header.bad(file, "its sectors have " + (sector & 0xffff_ffffL) + " bytes, not 512 or 4096");
        }
        if (size <= 0 || size > MAX_SIZE || size % sector != 0) {
            throw Header.bad(
                    file,
                    "its disk has %s bytes, which are not sectors of %d up to 64 TiB"
                            .formatted(Long.toUnsignedString(size), sector));
        }
        ByteBuffer locator = ByteBuffer.allocate(0);
        if (differencing) {
            Item i = items.get(PARENT_LOCATOR);
            if (i == null) {
                throw Header.bad(file, "it has a parent and no parent locator");
            }
            locator = TableReader.bytes(file, region.offset() + i.offset, (int) i.length, ByteOrder.LITTLE_ENDIAN);
        }
        return new Metadata(block, differencing, size, sector, locator);
    }

    private static Map<UUID, Item> items(ImageFile file, Regions.Region region) throws IOException {
        ByteBuffer b = TableReader.bytes(file, region.offset(), TABLE, ByteOrder.LITTLE_ENDIAN);
        int count = b.getShort(10) & 0xffff;
        if (b.getLong(0) != SIGNATURE || count > MAX_ENTRIES) {
            throw Header.bad(file, "its metadata table does not begin with 'metadata' and at most 2047 entries");
        }
        Map<UUID, Item> items = new HashMap<>();
        NavigableMap<Long, Item> taken = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            int at = 32 + 32 * i;
            UUID id = Header.guid(b, at);
            Item item = new Item(b.getInt(at + 16) & 0xffff_ffffL, b.getInt(at + 20) & 0xffff_ffffL);
            int bits = b.getInt(at + 24);
            check(file, region, id, item, taken);
            boolean user = (bits & 1) != 0;
            if (!user && known(id)) {
                if (items.put(id, item) != null) {
                    throw Header.bad(file, "it has metadata item " + id + " twice");
                }
            } else if ((bits & 4) != 0) {
                throw new DiskException(
                        "%s needs metadata item %s to be understood, which we don't know".formatted(file.path(), id));
            }
        }
        return items;
    }

    private static void check(ImageFile file, Regions.Region region, UUID id, Item item, NavigableMap<Long, Item> taken)
            throws DiskException {
        if (item.length == 0 && item.offset == 0) {
            return;
        }
        Map.@Nullable Entry<Long, Item> before = taken.lowerEntry(item.offset + item.length);
        if (item.length == 0
                || item.length > MAX_ITEM
                || item.offset < TABLE
                || item.offset > region.length() - item.length
                || before != null && before.getValue().offset + before.getValue().length > item.offset) {
            throw Header.bad(
                    file,
                    "its metadata item %s has %d bytes at byte %d, outside its region or over another"
                            .formatted(id, item.length, item.offset));
        }
        taken.put(item.offset, item);
    }

    private static boolean known(UUID id) {
        return id.equals(FILE_PARAMETERS)
                || id.equals(VIRTUAL_DISK_SIZE)
                || id.equals(VIRTUAL_DISK_ID)
                || id.equals(LOGICAL_SECTOR_SIZE)
                || id.equals(PHYSICAL_SECTOR_SIZE)
                || id.equals(PARENT_LOCATOR);
    }

    private static ByteBuffer item(ImageFile file, Regions.Region region, Map<UUID, Item> items, UUID id, int length)
            throws IOException {
        Item i = items.get(id);
        if (i == null || i.length < length) {
            throw Header.bad(file, "its metadata has no item %s of %d bytes".formatted(id, length));
        }
        return TableReader.bytes(file, region.offset() + i.offset, length, ByteOrder.LITTLE_ENDIAN);
    }
}
