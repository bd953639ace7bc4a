package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteOrder;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.Opening;
import serai.storage.imported.ImportedImage;
import serai.storage.imported.TableReader;

/**
 * A VHDX, read-only. Where a block is, is looked up in the BAT when it is read, so a BAT of any size costs no memory; a block that would lie
 * outside the file or over its tables is refused then.
 */
public final class VhdxDisk extends ImportedImage {
    /** Bits of a sector bitmap block, each for a sector: what it covers is a chunk (VHDX 2.4). */
    private static final long CHUNK_SECTORS = 1 << 23;

    private static final long BITMAP_BLOCK = 1 << 20;

    // VHDX 2.5.1.1
    private static final int NOT_PRESENT = 0;
    private static final int UNDEFINED = 1;
    private static final int ZERO = 2;
    private static final int UNMAPPED = 3;
    private static final int FULLY_PRESENT = 6;
    private static final int PARTIALLY_PRESENT = 7;
    /** VHDX 2.5.1.2. */
    private static final int BITMAP_PRESENT = 6;

    private final Header header;
    private final Regions regions;
    private final Metadata metadata;
    private final TableReader tables;
    private final long bat;
    private final long fileSize;
    /** Payload blocks in a chunk. */
    private final long ratio;

    private VhdxDisk(ImageFile file, Header header, Regions regions, Metadata metadata, @Nullable VhdxDisk parent)
            throws IOException {
        super(file, "VHDX", metadata.size(), parent);
        this.header = header;
        this.regions = regions;
        this.metadata = metadata;
        tables = new TableReader(file, ByteOrder.LITTLE_ENDIAN);
        bat = regions.bat().offset();
        fileSize = file.size();
        ratio = ratio(metadata);
    }

    /**
     * Opens the image in a file, which is closed with the device; if it is refused, the file stays open.
     *
     * @throws DiskException in one sentence if it is refused
     */
    public static VhdxDisk on(ImageFile raw, Opening opening) throws IOException {
        Header header = Header.of(raw);
        ImageFile file = Log.replay(raw, header);
        Regions regions = Regions.of(file, header);
        Metadata metadata = Metadata.of(file, regions.metadata());
        // VHDX 2.5: a bitmap's entry follows those of its chunk; the last one may be missing if there are no bitmaps
        long blocks = (metadata.size() + metadata.block() - 1) / metadata.block();
        long ratio = ratio(metadata);
        long entries =
                metadata.differencing() ? (blocks + ratio - 1) / ratio * (ratio + 1) : blocks + (blocks - 1) / ratio;
        if (entries * 8 > regions.bat().length()) {
            throw Header.bad(
                    file,
                    "its BAT has %d bytes, and its disk needs %d entries of 8"
                            .formatted(regions.bat().length(), entries));
        }
        return new VhdxDisk(
                file, header, regions, metadata, metadata.differencing() ? Parent.of(file, metadata, opening) : null);
    }

    private static long ratio(Metadata m) {
        return CHUNK_SECTORS * m.sector() / m.block();
    }

    /** Bytes of a sector as the guest saw it, 512 or 4096: a partition table counts in them. */
    public int sector() {
        return metadata.sector();
    }

    /** By which a differencing disk knows the content of its parent. */
    UUID dataWrite() {
        return header.dataWrite();
    }

    @Override
    protected Extent look(long position, long length) throws IOException {
        long block = position / metadata.block();
        long inside = position % metadata.block();
        long n = Math.min(length, metadata.block() - inside);
        long entry = tables.signed64(bat + (block + block / ratio) * 8);
        return switch ((int) entry & 7) {
            case NOT_PRESENT -> Extent.nowhere(n);
            // the first and the last may be anything that was there once, or zeros
            case UNDEFINED, ZERO, UNMAPPED -> Extent.zeros(n);
            case FULLY_PRESENT -> Extent.data(n, payload(block, entry) + inside);
            case PARTIALLY_PRESENT -> partial(block, inside, n, payload(block, entry));
            default -> throw bad(block, entry);
        };
    }

    private Extent partial(long block, long inside, long length, long payload) throws IOException {
        long chunk = block / ratio;
        long entry = tables.signed64(bat + ((chunk + 1) * ratio + chunk) * 8);
        if (!metadata.differencing() || (entry & 7) != BITMAP_PRESENT) {
            throw Header.bad(file(), "its block %d is present in part, and no bitmap says which".formatted(block));
        }
        int sector = metadata.sector();
        long first = block % ratio * (metadata.block() / sector) + inside / sector;
        long within = inside % sector;
        long run = tables.run(place(block, entry, BITMAP_BLOCK), first, (within + length + sector - 1) / sector, false);
        long n = Math.min(length, Math.abs(run) * sector - within);
        return run < 0 ? Extent.nowhere(n) : Extent.data(n, payload + inside);
    }

    private long payload(long block, long entry) throws DiskException {
        // the last block needs no more than the disk has
        return place(block, entry, Math.min(metadata.block(), size() - block * metadata.block()));
    }

    /** The byte that an entry names, if there are that many which belong to nobody else. */
    private long place(long block, long entry, long length) throws DiskException {
        long megabyte = entry >>> 20;
        if ((entry >>> 3 & 0x1ffff) != 0
                || megabyte > fileSize >> 20
                || (megabyte << 20) > fileSize - length
                || !regions.free(megabyte << 20, length)) {
            throw bad(block, entry);
        }
        return megabyte << 20;
    }

    private DiskException bad(long block, long entry) {
        return Header.bad(
                file(),
                "its block %d has state %d at megabyte %d, which is not known, outside the file or over its tables"
                        .formatted(block, entry & 7, entry >>> 20));
    }
}
