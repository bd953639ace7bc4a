package serai.storage.vmdk;

import java.io.IOException;
import java.nio.ByteOrder;
import java.util.Optional;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * Grains of a file, found by grain directory and grain tables. Both are read when they are needed, so their size costs no memory; a table or
 * grain that would lie outside the file is refused then.
 */
final class SparseExtent implements VmdkExtent {
    private static final int BYTES = SparseHeader.BYTES;
    /** Bytes of decompressed grains that stay in memory. */
    private static final int KEPT = 2 << 20;

    private final ImageFile file;
    private final SparseHeader header;
    private final TableReader tables;
    private final long fileSize;
    private final long bytes;
    private final long grain;
    /** Bytes of the disk that a grain table covers. */
    private final long covered;

    private final long directory;
    private final Optional<CompressedGrains> compressed;

    private SparseExtent(ImageFile file, SparseHeader header, long bytes, TableReader tables, int keep)
            throws IOException {
        this.file = file;
        this.header = header;
        this.bytes = bytes;
        this.tables = tables;
        fileSize = file.size();
        grain = header.grain() * BYTES;
        covered = header.tableEntries() * grain;
        directory = header.directoryAt(file);
        compressed = header.compressed()
                ? Optional.of(new CompressedGrains(file, (int) grain, header.has(SparseHeader.MARKERS), keep))
                : Optional.empty();
    }

    /** The whole disk. */
    static SparseExtent of(ImageFile file, SparseHeader header) throws IOException {
        return new SparseExtent(
                file, header, header.capacity() * BYTES, new TableReader(file, ByteOrder.LITTLE_ENDIAN), KEPT);
    }

    /**
     * By its line in the descriptor. As there may be thousands, it has no memory of its own.
     *
     * @param tables of the disk
     * @throws DiskException if the file is no sparse extent, or has less
     */
    static SparseExtent of(ImageFile file, Descriptor.Line line, TableReader tables) throws IOException {
        if (SparseHeader.kind(file) != SparseHeader.Kind.SPARSE) {
            throw SparseHeader.bad(file, "this extent is to be sparse and has no header");
        }
        SparseHeader header = SparseHeader.of(file);
        if (header.capacity() < line.sectors()) {
            throw SparseHeader.bad(
                    file, "this extent is to have %d sectors and has %d".formatted(line.sectors(), header.capacity()));
        }
        return new SparseExtent(file, header, line.sectors() * BYTES, tables.of(file), 0);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public Extent look(long position, long length) throws IOException {
        long table = tables.unsigned32(directory + position / covered * 4);
        if (table == 0 || isZeros(table)) {
            return empty(table, Math.min(length, covered - position % covered));
        }
        long entries = table * BYTES;
        if (table < 1 || entries > fileSize - header.tableEntries() * 4) {
            throw SparseHeader.bad(
                    file,
                    "the grain table for byte %d would be at sector %d, outside the file".formatted(position, table));
        }
        long n = Math.min(length, grain - position % grain);
        long sector = sector(entries, position);
        if (sector == 0 || isZeros(sector)) {
            return empty(sector, n);
        }
        long start = position - position % grain;
        // a compressed grain has at least a byte, another as much as the disk needs of it
        long end = sector * BYTES + (header.compressed() ? 1 : Math.min(grain, bytes - start));
        if (sector < header.overhead() || end > fileSize) {
            throw SparseHeader.bad(
                    file,
                    "the grain for byte %d would be at sector %d, outside the file or over its tables"
                            .formatted(position, sector));
        }
        return header.compressed()
                ? new Extent(n, false, true, true, 0, Extent.NOWHERE)
                : Extent.data(n, sector * BYTES + position % grain);
    }

    private long sector(long entries, long position) throws IOException {
        return tables.unsigned32(entries + position % covered / grain * 4);
    }

    /** VMDK 5.0, Zeroed-Grain Table Entry: 1 is no place, but zeros. */
    private boolean isZeros(long entry) {
        return entry == 1 && header.has(SparseHeader.ZEROED_GRAINS);
    }

    private static Extent empty(long entry, long length) {
        return entry == 0 ? Extent.nowhere(length) : Extent.zeros(length);
    }

    @Override
    public void fetch(Extent found, long position, long hostAddress, long length) throws IOException {
        if (compressed.isEmpty()) {
            file.read(found.offset(), hostAddress, length);
            return;
        }
        long start = position - position % grain;
        long table = tables.unsigned32(directory + position / covered * 4) * BYTES;
        int needed = (int) Math.min(grain, bytes - start);
        compressed
                .get()
                .read(
                        sector(table, position) * BYTES,
                        start / BYTES,
                        needed,
                        (int) (position - start),
                        hostAddress,
                        (int) length);
    }

    @Override
    public Extent refine(Extent found) {
        return found;
    }

    @Override
    public void close() throws IOException {
        compressed.ifPresent(CompressedGrains::close);
        file.close();
    }
}
