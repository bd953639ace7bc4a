package serai.storage.qcow2;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.luks.LuksOptions;

/**
 * How a new image is to be; the names are qemu-img's.
 *
 * @param size bytes of the disk, a multiple of 512
 * @param version 2 ({@code compat=0.10}) or 3 ({@code compat=1.1})
 * @param clusterSize 512 bytes to 2 MiB, a power of two
 * @param refcountBits 1 to 64, a power of two
 * @param extendedL2 whether clusters have subclusters
 * @param zstd whether compressed clusters are zstd and not deflate
 * @param lazyRefcounts whether the bit is set; Serai keeps refcounts exact all the same
 * @param backingFile its name as the image is to have it, or null
 * @param backingFormat its format, or null if there is none
 * @param dataFile name of the external data file, or null
 * @param rawData whether the data file is a raw image by itself
 * @param preallocate whether all clusters are allocated at once, their space not yet
 * @param encryption how the LUKS header inside the image is made, or null if it is not encrypted
 */
public record Qcow2Options(
        long size,
        int version,
        int clusterSize,
        int refcountBits,
        boolean extendedL2,
        boolean zstd,
        boolean lazyRefcounts,
        @Nullable String backingFile,
        @Nullable ImageFormat backingFormat,
        @Nullable String dataFile,
        boolean rawData,
        boolean preallocate,
        @Nullable LuksOptions encryption) {
    /** What qemu-img makes unless asked otherwise. */
    public static Qcow2Options ofSize(long size) {
        return new Qcow2Options(size, 3, 65536, 16, false, false, false, null, null, null, false, false, null);
    }

    /** The same of another size. */
    public Qcow2Options withSize(long bytes) {
        return new Qcow2Options(
                bytes,
                version,
                clusterSize,
                refcountBits,
                extendedL2,
                zstd,
                lazyRefcounts,
                backingFile,
                backingFormat,
                dataFile,
                rawData,
                preallocate,
                encryption);
    }

    /** The same upon a backing file. */
    public Qcow2Options withBacking(String file, ImageFormat format) {
        return new Qcow2Options(
                size,
                version,
                clusterSize,
                refcountBits,
                extendedL2,
                zstd,
                lazyRefcounts,
                file,
                format,
                dataFile,
                rawData,
                preallocate,
                encryption);
    }

    /** The same with an option by its name for {@code -o}. */
    public Qcow2Options with(String key, String value) throws DiskException {
        int v = version;
        int cluster = clusterSize;
        int bits = refcountBits;
        boolean extended = extendedL2;
        boolean z = zstd;
        boolean lazy = lazyRefcounts;
        String backing = backingFile;
        ImageFormat format = backingFormat;
        String data = dataFile;
        boolean raw = rawData;
        boolean allocate = preallocate;
        LuksOptions luks = encryption;
        switch (key) {
            case "compat" ->
                v = switch (value) {
                    case "0.10", "v2" -> 2;
                    case "1.1", "v3" -> 3;
                    default -> throw wrong(key, value, "0.10 and 1.1");
                };
            case "cluster_size" -> cluster = (int) Math.min(Integer.MAX_VALUE, Sizes.parse(key, value));
            case "refcount_bits" -> bits = (int) Math.min(1000, Sizes.parse(key, value));
            case "extended_l2" -> extended = onOff(key, value);
            case "compression_type" ->
                z = switch (value) {
                    case "zlib" -> false;
                    case "zstd" -> true;
                    default -> throw wrong(key, value, "zlib and zstd");
                };
            case "lazy_refcounts" -> lazy = onOff(key, value);
            case "backing_file" -> backing = value;
            case "backing_fmt" -> format = ImageFormat.named(value);
            case "data_file" -> data = value;
            case "data_file_raw" -> raw = onOff(key, value);
            case "preallocation" ->
                allocate = switch (value) {
                    case "off" -> false;
                    case "metadata" -> true;
                    default -> throw wrong(key, value, "off and metadata");
                };
            case "encrypt.format" ->
                luks = switch (value) {
                    case "luks" -> luks == null ? LuksOptions.luks1() : luks;
                    default -> throw wrong(key, value, "luks");
                };
            case "size" -> {
                return withSize(Sizes.parse(key, value) + 511 & -512);
            }
            default -> {
                if (!key.startsWith("encrypt.")) {
                    throw new DiskException(
                            "qcow2 has no option '" + key + "'; there are compat, cluster_size, refcount_bits, "
                                    + "extended_l2, compression_type, lazy_refcounts, backing_file, backing_fmt, data_file, data_file_raw, "
                                    + "preallocation, encrypt.format and the other encrypt. options, and size");
                }
                luks = (luks == null ? LuksOptions.luks1() : luks).with(key.substring(8), value);
            }
        }
        return new Qcow2Options(size, v, cluster, bits, extended, z, lazy, backing, format, data, raw, allocate, luks);
    }

    private static boolean onOff(String key, String value) throws DiskException {
        return switch (value) {
            case "on", "true", "yes" -> true;
            case "off", "false", "no" -> false;
            default -> throw wrong(key, value, "on and off");
        };
    }

    private static DiskException wrong(String key, String value, String there) {
        return new DiskException("option " + key + " can't be '" + value + "'; there are " + there);
    }

    /** The backing file's name. */
    Optional<String> backing() {
        return Optional.ofNullable(backingFile);
    }

    /**
     * Checks that they go together.
     *
     * @throws DiskException if not
     */
    void check() throws DiskException {
        if (size < 0 || size % 512 != 0) {
            throw new DiskException("a disk has a multiple of 512 bytes, and not " + size);
        }
        if (clusterSize < 512 || clusterSize > 2 << 20 || Integer.bitCount(clusterSize) != 1) {
            throw new DiskException("clusters have 512 bytes to 2 MiB, a power of two, and not " + clusterSize);
        }
        if (refcountBits < 1 || refcountBits > 64 || Integer.bitCount(refcountBits) != 1) {
            throw new DiskException("refcounts have 1 to 64 bits, a power of two, and not " + refcountBits);
        }
        if (version == 2 && (refcountBits != 16 || extendedL2 || zstd || lazyRefcounts || dataFile != null)) {
            throw new DiskException("version 2 (compat=0.10) has refcounts of 16 bits and none of extended_l2, zstd, "
                    + "lazy_refcounts and data_file");
        }
        if (extendedL2 && clusterSize < 16 << 10) {
            throw new DiskException("extended_l2 needs clusters of at least 16 KiB");
        }
        if (rawData && dataFile == null) {
            throw new DiskException("data_file_raw needs data_file");
        }
        if (rawData && backingFile != null) {
            throw new DiskException("a raw data file has all of the disk and can't have a backing file");
        }
        if (backingFile != null && backingFormat == null) {
            throw new DiskException("a backing file needs its format told (backing_fmt)");
        }
        if (encryption != null && encryption.version() != 1) {
            throw new DiskException("a qcow2 image has LUKS1 inside, and not LUKS" + encryption.version());
        }
        if (backingFile != null && preallocate) {
            throw new DiskException("with clusters allocated in advance nothing of a backing file would be seen");
        }
    }
}
