package serai.storage.vpc;

import java.io.IOException;
import java.nio.ByteOrder;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.Opening;
import serai.storage.imported.ImportedImage;
import serai.storage.imported.TableReader;

/**
 * A VHD, read-only. Where a block is, is looked up in the BAT when it is read, so a BAT of any size costs no memory; a block that would lie
 * outside the file or over its tables is refused then.
 */
public final class VpcDisk extends ImportedImage {
    private static final long UNUSED = 0xffff_ffffL;

    private final Footer footer;
    /** None of a fixed disk. */
    private final @Nullable DynamicHeader header;

    private final TableReader tables;
    private final long fileSize;
    private final boolean differencing;

    private VpcDisk(
            ImageFile file,
            Footer footer,
            @Nullable DynamicHeader header,
            long fileSize,
            long size,
            @Nullable BlockDevice parent) {
        super(file, "VHD", size, parent);
        this.footer = footer;
        this.header = header;
        this.fileSize = fileSize;
        tables = new TableReader(file, ByteOrder.BIG_ENDIAN);
        differencing = footer.type() == Footer.Type.DIFFERENCING;
    }

    /**
     * Opens the image in a file, which is closed with the device; if it is refused, the file stays open.
     *
     * @throws DiskException in one sentence if it is refused
     */
    public static VpcDisk on(ImageFile file, Opening opening) throws IOException {
        Footer footer = Footer.of(file);
        long size = footer.diskSize(file);
        if (footer.type() == Footer.Type.FIXED) {
            if (size > file.size() - 511) {
                throw DynamicHeader.bad(file, "its disk has %d bytes, and the file %d".formatted(size, file.size()));
            }
            return new VpcDisk(file, footer, null, file.size(), size, null);
        }
        DynamicHeader header = DynamicHeader.of(file, footer.next(), size);
        BlockDevice parent = footer.type() == Footer.Type.DIFFERENCING ? Parent.of(file, header, opening) : null;
        return new VpcDisk(file, footer, header, file.size(), size, parent);
    }

    /** By which a differencing disk knows its parent. */
    public UUID id() {
        return footer.id();
    }

    @Override
    protected Extent look(long position, long length) throws IOException {
        return header == null ? Extent.data(length, position) : block(header, position, length);
    }

    @Override
    protected Extent refine(Extent found, long position) throws IOException {
        return header == null ? holes(file(), found) : found;
    }

    private Extent block(DynamicHeader h, long position, long length) throws IOException {
        long number = position / h.block();
        long inside = position % h.block();
        long n = Math.min(length, h.block() - inside);
        long sector = tables.unsigned32(h.bat() + number * 4);
        if (sector == UNUSED) {
            return Extent.nowhere(n);
        }
        long place = sector * 512;
        long data = place + h.bitmap();
        // the last block needs no more than the disk has
        long end = data + Math.min(h.block(), size() - number * h.block());
        if (end > fileSize
                || place < Footer.BYTES
                || overlaps(place, end, h.position(), DynamicHeader.BYTES)
                || overlaps(place, end, h.bat(), h.entries() * 4)) {
            throw DynamicHeader.bad(
                    file(),
                    "its block %d would be at byte %d, outside the file or over its tables".formatted(number, place));
        }
        if (!differencing) {
            // sectors whose bits are clear have to be zero in the file (VHD, Data Blocks): no need to look
            return Extent.data(n, data + inside);
        }
        long run = tables.run(place, inside / 512, n / 512, true);
        return run < 0 ? Extent.nowhere(-run * 512) : Extent.data(run * 512, data + inside);
    }

    private static boolean overlaps(long begin, long end, long other, long bytes) {
        return begin < other + bytes && other < end;
    }
}
