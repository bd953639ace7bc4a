package serai.storage.vmdk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * The header of a hosted sparse extent, and the footer of a stream-optimised one (VMDK, Hosted Sparse Extents), packed into a sector.
 *
 * <pre>
 *  0  "KDMV"      28  descriptor offset (8)       64  overhead (8)
 *  4  version     36  descriptor size (8)         72  unclean shutdown (1)
 *  8  flags       44  entries of a grain table    73  "\n \r\n"
 * 12  capacity (8)  48  redundant directory (8)   77  compression algorithm (2)
 * 20  grain size (8)  56  grain directory (8)
 * </pre>
 *
 * @param capacity sectors of the disk that this extent has; zero if the file has a descriptor alone
 * @param grain sectors of a grain, a power of two
 * @param descriptor where the descriptor is; zero if it is in another file
 * @param descriptorSize sectors
 * @param tableEntries of a grain table
 * @param redundant where the redundant grain directory is
 * @param directory where the grain directory is
 * @param overhead sectors before the first grain
 */
record SparseHeader(
        int flags,
        long capacity,
        long grain,
        long descriptor,
        long descriptorSize,
        long tableEntries,
        long redundant,
        long directory,
        long overhead,
        boolean compressed) {
    static final int MAGIC = 0x564d_444b; // "KDMV"
    static final int BYTES = 512;

    /** {@link #flags}: the line ends after it are as they were written. */
    static final int VALID_NEWLINES = 1;
    /** {@link #flags}: there is a redundant grain directory. */
    static final int REDUNDANT = 2;
    /** {@link #flags}: an entry of 1 in a grain table is a grain of zeros. */
    static final int ZEROED_GRAINS = 4;
    /** {@link #flags}: grains are compressed. */
    static final int COMPRESSED = 1 << 16;
    /** {@link #flags}: grains have a marker before them. */
    static final int MARKERS = 1 << 17;

    /** {@link #directory} of a header whose footer has it. */
    static final long AT_END = -1;

    static final int DEFLATE = 1;
    /** The type of the marker before the footer. */
    static final int MARKER_FOOTER = 3;

    private static final int COWD = 0x4457_4f43; // "COWD"
    private static final long SE_SPARSE = 0xcafe_babeL;
    /** Grains are decompressed as a whole, and QEMU's, VMware's and VirtualBox's have 128 sectors. */
    private static final long MAX_COMPRESSED_GRAIN = 16384;

    private static final long MAX_GRAIN = 1 << 21;
    private static final long MAX_TABLE = 512;
    private static final long MAX_DESCRIPTOR = 2048;
    /** Sectors of a disk: 1 PiB, sixteen times what VMware makes. */
    static final long MAX_CAPACITY = 1L << 41;

    /** What a file begins with. */
    enum Kind {
        SPARSE,
        TEXT
    }

    /**
     * Whether a file begins with such a header, or else may be a descriptor.
     *
     * @throws DiskException if it is a kind that we don't read
     */
    static Kind kind(ImageFile file) throws IOException {
        long magic = TableReader.bytes(file, 0, 8, ByteOrder.LITTLE_ENDIAN).getLong(0);
        if ((int) magic == COWD || magic == SE_SPARSE) {
            throw new DiskException(
                    "%s is a %s extent of ESX, which is not read; 'vmkfstools -i' or 'qemu-img convert' makes another of it"
                            .formatted(file.path(), magic == SE_SPARSE ? "seSparse" : "COWD (vmfsSparse)"));
        }
        return (int) magic == MAGIC ? Kind.SPARSE : Kind.TEXT;
    }

    /**
     * Reads the header, or the footer in its stead if that has the directory.
     *
     * @throws DiskException if it is not sound
     */
    static SparseHeader of(ImageFile file) throws IOException {
        SparseHeader header = at(file, 0);
        if (header.directory != AT_END) {
            return header;
        }
        // VMDK, Stream-Optimized Compressed Sparse Extents: a marker, the footer, and an empty marker that ends the
        // stream
        long end = file.size();
        long marker = end - 3 * BYTES;
        if (end % BYTES != 0 || marker < BYTES) {
            throw bad(file, "its end, where its footer should be, is missing");
        }
        ByteBuffer b = TableReader.bytes(file, marker, 3 * BYTES, ByteOrder.LITTLE_ENDIAN);
        if (b.getInt(8) != 0
                || b.getInt(12) != MARKER_FOOTER
                || b.getInt(BYTES) != MAGIC
                || b.getLong(2 * BYTES) != 0
                || b.getLong(2 * BYTES + 8) != 0) {
            throw bad(file, "there is no footer at its end, as if it had been cut off");
        }
        SparseHeader footer = at(file, marker + BYTES);
        if (footer.directory == AT_END || footer.capacity != header.capacity || footer.grain != header.grain) {
            throw bad(file, "its footer contradicts its header");
        }
        return footer;
    }

    private static SparseHeader at(ImageFile file, long position) throws IOException {
        ByteBuffer b = TableReader.bytes(file, position, BYTES, ByteOrder.LITTLE_ENDIAN);
        int version = b.getInt(4);
        if (version < 1 || version > 3) {
            throw new DiskException(
                    "%s is a VMDK of version %d, and 1 to 3 are known".formatted(file.path(), version & 0xffff_ffffL));
        }
        SparseHeader h = new SparseHeader(
                b.getInt(8),
                b.getLong(12),
                b.getLong(20),
                b.getLong(28),
                b.getLong(36),
                b.getInt(44) & 0xffff_ffffL,
                b.getLong(48),
                b.getLong(56),
                b.getLong(64),
                (b.getInt(8) & COMPRESSED) != 0);
        int algorithm = b.getShort(77) & 0xffff;
        if (h.has(VALID_NEWLINES)
                && (b.get(73) != '\n' || b.get(74) != ' ' || b.get(75) != '\r' || b.get(76) != '\n')) {
            throw bad(file, "its line ends have been changed: it was transferred as if it were text");
        }
        if ((h.flags & 0xffff_0000) != (h.flags & (COMPRESSED | MARKERS))) {
            throw new DiskException("%s has VMDK flags 0x%x, which are not all known".formatted(file.path(), h.flags));
        }
        if (h.compressed && algorithm != DEFLATE) {
            throw new DiskException(
                    "%s is compressed by algorithm %d, and 1, deflate, is known".formatted(file.path(), algorithm));
        }
        h.check(file);
        return h;
    }

    private void check(ImageFile file) throws IOException {
        if (descriptor != 0 && !inside(file, descriptor, descriptorSize, MAX_DESCRIPTOR)) {
            throw bad(
                    file,
                    "its descriptor has %s sectors at sector %s, outside the file or more than %d"
                            .formatted(
                                    Long.toUnsignedString(descriptorSize),
                                    Long.toUnsignedString(descriptor),
                                    MAX_DESCRIPTOR));
        }
        if (capacity == 0 && descriptor != 0) {
            return; // QEMU 2.0 and ESX know such files: nothing but the descriptor counts
        }
        if (capacity <= 0 || capacity > MAX_CAPACITY) {
            throw bad(file, "it claims a capacity of " + Long.toUnsignedString(capacity) + " sectors");
        }
        long most = compressed ? MAX_COMPRESSED_GRAIN : MAX_GRAIN;
        if (Long.bitCount(grain) != 1 || grain < 1 || grain > most) {
            throw bad(
                    file,
                    "its grains have %s sectors, which is no power of two up to %d"
                            .formatted(Long.toUnsignedString(grain), most));
        }
        if (tableEntries == 0 || tableEntries > MAX_TABLE) {
            throw bad(file, "its grain tables have " + tableEntries + " entries, not 1 to " + MAX_TABLE);
        }
        if (overhead < 0 || overhead > (file.size() + BYTES - 1) / BYTES) {
            throw bad(
                    file,
                    "its grains would begin at sector %s, and it has been cut off before"
                            .formatted(Long.toUnsignedString(overhead)));
        }
    }

    private static boolean inside(ImageFile file, long sector, long sectors, long most) throws IOException {
        return sector > 0 && sectors > 0 && sectors <= most && sector <= file.size() / BYTES - sectors;
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** Entries of the grain directory. */
    long directoryEntries() {
        long covered = tableEntries * grain;
        return (capacity + covered - 1) / covered;
    }

    /**
     * The byte where the grain directory is: the redundant one stands in for one that is outside the file.
     *
     * @throws DiskException if neither is in the file
     */
    long directoryAt(ImageFile file) throws IOException {
        long sectors = (directoryEntries() * 4 + BYTES - 1) / BYTES;
        if (inside(file, directory, sectors, Long.MAX_VALUE)) {
            return directory * BYTES;
        }
        if (has(REDUNDANT) && inside(file, redundant, sectors, Long.MAX_VALUE)) {
            return redundant * BYTES;
        }
        throw bad(
                file,
                "its grain directory would have %d sectors at sector %s, outside the file"
                        .formatted(sectors, Long.toUnsignedString(directory)));
    }

    static DiskException bad(ImageFile file, String why) {
        return new DiskException(file.path() + " is no sound VMDK: " + why);
    }
}
