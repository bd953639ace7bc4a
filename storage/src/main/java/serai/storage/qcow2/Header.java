package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.References;

/**
 * The header of a qcow2 image ("The QCOW2 image format", Header), big-endian:
 *
 * <pre>
 *   0 magic "QFI\xfb" (4)          4 version: 2 or 3 (4)         8 backing_file_offset (8)
 *  16 backing_file_size (4)       20 cluster_bits (4)           24 size, virtual (8)
 *  32 crypt_method (4)            36 l1_size, entries (4)       40 l1_table_offset (8)
 *  48 refcount_table_offset (8)   56 refcount_table_clusters (4)
 *  60 nb_snapshots (4)            64 snapshots_offset (8)
 *  version 3:
 *  72 incompatible_features (8)   80 compatible_features (8)    88 autoclear_features (8)
 *  96 refcount_order (4)         100 header_length (4)         104 compression_type (1)
 *  header_length (version 2: 72): extensions: type (4), length (4), data, padded to 8; type 0 ends them
 *  then the name of the backing file
 * </pre>
 *
 * All of it lies in the first cluster. What changes together stands in its first 512 bytes, which reach the file whole or not at all:
 * the fields, and of the extensions the bitmaps' is written first.
 */
final class Header {
    static final int MAGIC = 0x514649fb;
    static final int V2_LENGTH = 72, V3_LENGTH = 112, V3_LEAST = 104;
    static final long DIRTY = 1, CORRUPT = 2, DATA_FILE = 4, COMPRESSION = 8, EXTENDED_L2 = 16;
    static final long LAZY_REFCOUNTS = 1;
    static final long BITMAPS = 1, RAW_DATA = 2;
    static final int NO_CRYPT = 0, AES = 1, LUKS = 2;

    private static final long KNOWN_INCOMPATIBLE = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2;
    private static final long KNOWN_AUTOCLEAR = BITMAPS | RAW_DATA;

    private static final int EXT_END = 0, EXT_BACKING_FORMAT = 0xe2792aca, EXT_FEATURES = 0x6803f857;
    private static final int EXT_BITMAPS = 0x23852875, EXT_CRYPTO = 0x0537be77, EXT_DATA_FILE = 0x44415441;
    private static final int MAX_EXTENSIONS = 64, MAX_NAME = 1023, FEATURE_ENTRY = 48;

    /** As QEMU bounds them: 32 MiB of L1 table, 8 MiB of refcount table, 65,536 snapshots. */
    static final long MAX_L1_BYTES = 32 << 20, MAX_REFTABLE_BYTES = 8 << 20;

    static final int MAX_SNAPSHOTS = 65536;

    /** An extension that is kept as it is. */
    private record Unknown(int type, byte[] data) {}

    /** Where an extension's structures are: the crypto header, the bitmap directory. */
    record Place(long offset, long length) {}

    /** The bitmaps extension. */
    record BitmapDirectory(int count, long size, long offset) {}

    /** Bits of the features that have names in the image's own table: QEMU shows them in its messages. */
    private static final List<Object[]> FEATURE_NAMES = List.of(
            new Object[] {0, 0, "dirty bit"},
            new Object[] {0, 1, "corrupt bit"},
            new Object[] {0, 2, "external data file"},
            new Object[] {0, 3, "compression type"},
            new Object[] {0, 4, "extended L2 entries"},
            new Object[] {1, 0, "lazy refcounts"},
            new Object[] {2, 0, "bitmaps"},
            new Object[] {2, 1, "raw external data"});

    int version = 3;
    int clusterBits = 16;
    long size;
    int cryptMethod;
    int l1Entries;
    long l1Offset;
    long refcountTableOffset;
    int refcountTableClusters;
    int snapshotCount;
    long snapshotOffset;
    long incompatible;
    long compatible;
    long autoclear;
    int refcountOrder = 4;
    int compressionType;

    @Nullable
    String backingFile;

    @Nullable
    String backingFormat;

    @Nullable
    String dataFile;

    @Nullable
    Place crypto;

    @Nullable
    BitmapDirectory bitmaps;

    private final List<Unknown> unknown = new ArrayList<>();

    boolean has(long incompatibleBit) {
        return (incompatible & incompatibleBit) != 0;
    }

    /** What puts all back to what it is now. */
    Runnable saved() {
        long theSize = size;
        int entries = l1Entries;
        long l1 = l1Offset;
        long table = refcountTableOffset;
        int tableClusters = refcountTableClusters;
        int count = snapshotCount;
        long snapshots = snapshotOffset;
        long bits = incompatible;
        long cleared = autoclear;
        String name = backingFile;
        String format = backingFormat;
        BitmapDirectory directory = bitmaps;
        return () -> {
            size = theSize;
            l1Entries = entries;
            l1Offset = l1;
            refcountTableOffset = table;
            refcountTableClusters = tableClusters;
            snapshotCount = count;
            snapshotOffset = snapshots;
            incompatible = bits;
            autoclear = cleared;
            backingFile = name;
            backingFormat = format;
            bitmaps = directory;
        };
    }

    /** The recorded format of the backing file. */
    Optional<ImageFormat> backingFormat() throws DiskException {
        return backingFormat == null ? Optional.empty() : Optional.of(ImageFormat.named(backingFormat));
    }

    /**
     * Reads and checks one.
     *
     * @throws DiskException if it is no header, or one of an image that must not be opened
     */
    static Header read(ImageFile file) throws IOException {
        Reader r = new Reader(file);
        return r.read();
    }

    /** Reading, with the file's name for messages. */
    private static final class Reader {
        private final ImageFile file;
        private final Header h = new Header();

        Reader(ImageFile file) {
            this.file = file;
        }

        private DiskException bad(String what, Object... arguments) {
            return new DiskException(file.path() + " " + what.formatted(arguments));
        }

        Header read() throws IOException {
            ByteBuffer b = ByteBuffer.wrap(bytes(0, V3_LENGTH));
            if (b.getInt(0) != MAGIC) {
                throw bad("is no qcow2 image");
            }
            h.version = b.getInt(4);
            if (h.version != 2 && h.version != 3) {
                throw bad("is of version %d of qcow2, and there are 2 and 3", h.version & 0xffffffffL);
            }
            h.clusterBits = b.getInt(20);
            if (h.clusterBits < 9 || h.clusterBits > 21) {
                throw bad("has clusters of 2^%d bytes, and they have 2^9 to 2^21", h.clusterBits & 0xffffffffL);
            }
            long cluster = 1L << h.clusterBits;
            h.size = b.getLong(24);
            h.cryptMethod = b.getInt(32);
            h.l1Entries = b.getInt(36);
            h.l1Offset = b.getLong(40);
            h.refcountTableOffset = b.getLong(48);
            h.refcountTableClusters = b.getInt(56);
            h.snapshotCount = b.getInt(60);
            h.snapshotOffset = b.getLong(64);
            int length = V2_LENGTH;
            if (h.version == 3) {
                h.incompatible = b.getLong(72);
                h.compatible = b.getLong(80);
                h.autoclear = b.getLong(88);
                h.refcountOrder = b.getInt(96);
                length = b.getInt(100);
                if (length < V3_LEAST || length % 8 != 0 || length > cluster) {
                    throw bad("has a header of %d bytes, and one has 104 to a cluster's", length & 0xffffffffL);
                }
                h.compressionType = length > V3_LEAST ? b.get(104) & 0xff : 0;
            }
            checkFields(cluster);
            long namesAt = b.getLong(8);
            long namesLength = b.getInt(16) & 0xffffffffL;
            if (namesAt != 0) {
                if (namesLength > MAX_NAME || namesAt < length || namesAt > cluster - namesLength) {
                    throw bad(
                            "has the name of its backing file at %d+%d, outside of its first cluster",
                            namesAt, namesLength);
                }
                h.backingFile = text(bytes(namesAt, (int) namesLength));
                if (h.backingFile.isEmpty()) {
                    h.backingFile = null;
                }
            }
            byte[] features = extensions(length, namesAt == 0 ? cluster : namesAt);
            long strange = h.incompatible & ~KNOWN_INCOMPATIBLE;
            if (strange != 0) {
                throw bad("needs %s, which Serai doesn't have", feature(features, Long.numberOfTrailingZeros(strange)));
            }
            if ((h.incompatible & COMPRESSION) != 0 != (h.compressionType != 0) || h.compressionType > 1) {
                throw bad(
                        "has compression type %d, and there are 0 (deflate) and 1 (zstd), told by a feature bit",
                        h.compressionType);
            }
            if (h.has(DATA_FILE) && h.dataFile == null) {
                throw bad("has an external data file that it doesn't name");
            }
            if ((h.autoclear & BITMAPS) == 0) {
                h.bitmaps = null; // they have gone stale under a writer that didn't know of them
            }
            if ((h.autoclear & ~KNOWN_AUTOCLEAR) != 0) {
                h.autoclear &= KNOWN_AUTOCLEAR;
            }
            return h;
        }

        private void checkFields(long cluster) throws IOException {
            if (h.refcountOrder < 0 || h.refcountOrder > 6) {
                throw bad("has refcounts of 2^%d bits, and they have 1 to 64", h.refcountOrder & 0xffffffffL);
            }
            if (h.cryptMethod == AES) {
                throw bad("is encrypted by qcow2's old AES scheme, which is not safe and no longer written by anyone; "
                        + "convert it with qemu-img");
            }
            if (h.cryptMethod != NO_CRYPT && h.cryptMethod != LUKS) {
                throw bad("has encryption method %d, and there are 0 (none) and 2 (LUKS)", h.cryptMethod & 0xffffffffL);
            }
            if (h.size < 0 || h.size > Long.MAX_VALUE - (2L << 20)) {
                throw bad("has an absurd size of %s bytes", Long.toUnsignedString(h.size));
            }
            int l2Bits = h.clusterBits - (h.has(EXTENDED_L2) ? 4 : 3);
            if (h.has(EXTENDED_L2) && h.clusterBits < 14) {
                throw bad("has extended L2 entries, which clusters of less than 16 KiB can't have");
            }
            long entries = h.l1Entries & 0xffffffffL;
            if (entries > MAX_L1_BYTES / 8) {
                throw bad("has an L1 table of %d entries, and one has at most %d", entries, MAX_L1_BYTES / 8);
            }
            long covered = 1L << l2Bits + h.clusterBits;
            if (h.size / covered + (h.size % covered == 0 ? 0 : 1) > entries) {
                throw bad("has an L1 table of %d entries, too small for its size of %d bytes", entries, h.size);
            }
            long size = file.size();
            table("L1 table", h.l1Offset, entries * 8, size, cluster);
            long clusters = h.refcountTableClusters & 0xffffffffL;
            if (clusters == 0 || clusters > Math.max(1, MAX_REFTABLE_BYTES / cluster)) {
                throw bad("has a refcount table of %d clusters", clusters);
            }
            table("refcount table", h.refcountTableOffset, clusters * cluster, size, cluster);
            if (h.snapshotCount < 0 || h.snapshotCount > MAX_SNAPSHOTS) {
                throw bad("has %d snapshots, and there are at most %d", h.snapshotCount & 0xffffffffL, MAX_SNAPSHOTS);
            }
            if (h.snapshotCount > 0) {
                table("snapshot table", h.snapshotOffset, 40L * h.snapshotCount, size, cluster);
            }
        }

        private void table(String what, long offset, long bytes, long size, long cluster) throws DiskException {
            if (bytes == 0) {
                return;
            }
            if (offset < cluster || offset % cluster != 0 || offset > size) {
                throw bad("has its %s at %s, which is no cluster of it", what, Long.toUnsignedString(offset));
            }
        }

        /** Takes the extensions; gives the table of feature names. */
        private byte[] extensions(int from, long end) throws IOException {
            byte[] features = {};
            byte[] all = bytes(from, (int) (Math.min(end, 1 << h.clusterBits) - from));
            ByteBuffer b = ByteBuffer.wrap(all);
            for (int n = 0; b.remaining() >= 8; n++) {
                int type = b.getInt();
                long length = b.getInt() & 0xffffffffL;
                if (type == EXT_END) {
                    return features;
                }
                if (n == MAX_EXTENSIONS || length > b.remaining()) {
                    throw bad("has header extensions that don't end in its first cluster");
                }
                byte[] data = new byte[(int) length];
                b.get(data);
                b.position(Math.min(b.limit(), b.position() + 7 & -8)); // all begin at multiples of 8
                ByteBuffer d = ByteBuffer.wrap(data);
                switch (type) {
                    case EXT_BACKING_FORMAT -> h.backingFormat = text(data);
                    case EXT_FEATURES -> features = data;
                    case EXT_DATA_FILE -> h.dataFile = text(data);
                    case EXT_CRYPTO -> {
                        if (length < 16) {
                            throw bad("has an encryption extension of %d bytes", length);
                        }
                        h.crypto = new Place(d.getLong(0), d.getLong(8));
                    }
                    case EXT_BITMAPS -> {
                        if (length != 24) {
                            throw bad("has a bitmaps extension of %d bytes", length);
                        }
                        h.bitmaps = new BitmapDirectory(d.getInt(0), d.getLong(8), d.getLong(16));
                    }
                    default -> h.unknown.add(new Unknown(type, data));
                }
            }
            return features;
        }

        private String feature(byte[] table, int bit) {
            for (int at = 0; at + FEATURE_ENTRY <= table.length; at += FEATURE_ENTRY) {
                if (table[at] == 0 && table[at + 1] == bit) {
                    int end = at + 2;
                    while (end < at + FEATURE_ENTRY && table[end] != 0) {
                        end++;
                    }
                    return "'" + References.printable(new String(table, at + 2, end - at - 2, StandardCharsets.UTF_8))
                            + "'";
                }
            }
            return "feature " + bit;
        }

        private byte[] bytes(long position, int length) throws IOException {
            try (NativeBuffer n = NativeBuffer.confined(Math.max(1, length))) {
                file.read(position, n.address(), length);
                byte[] b = new byte[length];
                MemorySegment.copy(n.segment(), ValueLayout.JAVA_BYTE, 0, b, 0, length);
                return b;
            }
        }
    }

    private static String text(byte[] b) {
        int n = 0;
        while (n < b.length && b[n] != 0) {
            n++;
        }
        return new String(b, 0, n, StandardCharsets.UTF_8);
    }

    /**
     * Its bytes, at most a cluster.
     *
     * @throws DiskException if the names are too long for the first cluster
     */
    byte[] encode() throws DiskException {
        ByteBuffer b = ByteBuffer.allocate(1 << clusterBits);
        b.putInt(0, MAGIC).putInt(4, version).putInt(20, clusterBits).putLong(24, size);
        b.putInt(32, cryptMethod).putInt(36, l1Entries).putLong(40, l1Offset);
        b.putLong(48, refcountTableOffset).putInt(56, refcountTableClusters);
        b.putInt(60, snapshotCount).putLong(64, snapshotOffset);
        if (version == 3) {
            b.putLong(72, incompatible).putLong(80, compatible).putLong(88, autoclear);
            b.putInt(96, refcountOrder).putInt(100, V3_LENGTH).put(104, (byte) compressionType);
        }
        b.position(version == 3 ? V3_LENGTH : V2_LENGTH);
        try {
            if (bitmaps != null) {
                ByteBuffer d = ByteBuffer.allocate(24);
                d.putInt(0, bitmaps.count).putLong(8, bitmaps.size).putLong(16, bitmaps.offset);
                extension(b, EXT_BITMAPS, d.array());
            }
            if (crypto != null) {
                extension(
                        b,
                        EXT_CRYPTO,
                        ByteBuffer.allocate(16)
                                .putLong(crypto.offset)
                                .putLong(crypto.length)
                                .array());
            }
            if (backingFormat != null) {
                extension(b, EXT_BACKING_FORMAT, backingFormat.getBytes(StandardCharsets.UTF_8));
            }
            if (dataFile != null) {
                extension(b, EXT_DATA_FILE, dataFile.getBytes(StandardCharsets.UTF_8));
            }
            for (Unknown u : unknown) {
                extension(b, u.type, u.data);
            }
            byte[] name = backingFile == null ? new byte[0] : backingFile.getBytes(StandardCharsets.UTF_8);
            if (name.length > MAX_NAME) {
                throw new DiskException("the name of the backing file has more than " + MAX_NAME + " bytes");
            }
            if (version == 3 && b.remaining() >= 8 + FEATURE_NAMES.size() * FEATURE_ENTRY + 8 + name.length) {
                extension(b, EXT_FEATURES, featureNames());
            }
            b.putInt(EXT_END).putInt(0);
            if (name.length > 0) {
                b.putLong(8, b.position()).putInt(16, name.length);
                b.put(name);
            }
        } catch (java.nio.BufferOverflowException e) {
            throw new DiskException(
                    "the names in the image's header don't fit into a cluster of " + b.capacity() + " bytes", e);
        }
        return b.array();
    }

    private static void extension(ByteBuffer b, int type, byte[] data) {
        b.putInt(type).putInt(data.length).put(data);
        while (b.position() % 8 != 0) {
            b.put((byte) 0);
        }
    }

    private static byte[] featureNames() {
        ByteBuffer b = ByteBuffer.allocate(FEATURE_NAMES.size() * FEATURE_ENTRY);
        for (int i = 0; i < FEATURE_NAMES.size(); i++) {
            Object[] f = FEATURE_NAMES.get(i);
            b.put(i * FEATURE_ENTRY, ((Integer) f[0]).byteValue());
            b.put(i * FEATURE_ENTRY + 1, ((Integer) f[1]).byteValue());
            b.put(i * FEATURE_ENTRY + 2, ((String) f[2]).getBytes(StandardCharsets.US_ASCII));
        }
        return b.array();
    }
}
