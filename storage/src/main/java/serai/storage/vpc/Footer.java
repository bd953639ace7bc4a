package serai.storage.vpc;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * The footer (VHD, Hard Disk Footer Format), which is 512 bytes at the end of the file, and once more at its start if the disk isn't fixed.
 *
 * <pre>
 *   0  cookie, "conectix"          28  creator application       60  disk type
 *   8  features                    32  creator version           64  checksum
 *  12  file format version         36  creator's host system     68  unique id
 *  16  offset of the next header   40  original size             84  saved state
 *  24  time stamp                  48  current size              85  reserved
 *                                  56  geometry: cylinders (2), heads (1), sectors (1)
 * </pre>
 *
 * @param next where the dynamic disk header is
 * @param creator the application that made it, four bytes
 * @param currentSize bytes
 * @param geometrySectors cylinders times heads times sectors
 */
record Footer(Type type, long next, int creator, long currentSize, long geometrySectors, UUID id) {
    static final int BYTES = 512;

    /** VHD, Disk Type; others are reserved. */
    enum Type {
        FIXED,
        DYNAMIC,
        DIFFERENCING
    }

    private static final long COOKIE = 0x636f_6e65_6374_6978L; // "conectix"
    private static final int CREATOR_VIRTUAL_PC = 0x7670_6320; // "vpc "
    private static final int CREATOR_QEMU = 0x7165_6d75; // "qemu"
    private static final int CHECKSUM = 64;
    /** The largest geometry, of a disk of 127 GiB: what is larger has it, too. */
    private static final long MAX_GEOMETRY = 65535L * 16 * 255;
    /** What a BAT with sector numbers of 32 bits can name, which is QEMU's limit, too: 2040 GiB. */
    private static final long MAX_SECTORS = 0xff00_0000L;

    /**
     * The one that counts. The end of the file is outside the disk, and the start is inside it if the disk is fixed: there a guest may write
     * what it likes. So the end decides, and the copy at the start stands in only for a footer that is missing or damaged.
     *
     * @throws DiskException if there is none, or the two contradict each other
     */
    static Footer of(ImageFile file) throws IOException {
        long size = file.size();
        // VHD, Hard Disk Footer Format: creators before Virtual PC 2004 wrote 511 bytes
        long end = size % 512 == 511 ? size - 511 : size - BYTES;
        @Nullable Footer last = end < 0 ? null : valid(file, end);
        if (last != null && last.type == Type.FIXED) {
            return last;
        }
        @Nullable Footer first = valid(file, 0);
        if (first != null && first.type == Type.FIXED) {
            first = null; // a fixed disk has no copy
        }
        if (last != null && first != null && !last.equals(first)) {
            throw new DiskException(file.path()
                    + " is no sound VHD: its footer and the copy of that at the start contradict each other");
        }
        if (last != null) {
            return last;
        }
        if (first != null) {
            return first;
        }
        throw new DiskException(
                file.path()
                        + " is no sound VHD: neither at its end nor at its start is a footer of version 1 with the right checksum");
    }

    private static @Nullable Footer valid(ImageFile file, long position) throws IOException {
        ByteBuffer b = TableReader.bytes(file, position, BYTES, ByteOrder.BIG_ENDIAN);
        if (b.getLong(0) != COOKIE || b.getInt(12) >>> 16 != 1 || b.getInt(CHECKSUM) != checksum(b, CHECKSUM)) {
            return null;
        }
        Type type =
                switch (b.getInt(60)) {
                    case 2 -> Type.FIXED;
                    case 3 -> Type.DYNAMIC;
                    case 4 -> Type.DIFFERENCING;
                    default ->
                        throw new DiskException("%s has VHD disk type %d, and there are 2, 3 and 4"
                                .formatted(file.path(), b.getInt(60) & 0xffff_ffffL));
                };
        return new Footer(
                type,
                b.getLong(16),
                b.getInt(28),
                b.getLong(48),
                (long) (b.getShort(56) & 0xffff) * (b.get(58) & 0xff) * (b.get(59) & 0xff),
                new UUID(b.getLong(68), b.getLong(76)));
    }

    /** The complement of the sum of all bytes but its own (VHD, Hard Disk Footer Format, Checksum). */
    static int checksum(ByteBuffer b, int own) {
        int sum = 0;
        for (int i = 0; i < b.limit(); i++) {
            if (i < own || i >= own + 4) {
                sum += b.get(i) & 0xff;
            }
        }
        return ~sum;
    }

    /**
     * Bytes of the disk. Virtual PC gives a disk the size of its geometry, which is rounded down; QEMU makes such disks, too, unless it is
     * told {@code force_size}. Everybody else, Hyper-V, disk2vhd, XenServer, Azure, means the current size. A geometry of the greatest size
     * says nothing. So QEMU 10.0 and newer see it; older ones take the geometry for creators that they don't know.
     *
     * @throws DiskException if it is none or more than 2040 GiB
     */
    long diskSize(ImageFile file) throws DiskException {
        boolean byGeometry =
                (creator == CREATOR_VIRTUAL_PC || creator == CREATOR_QEMU) && geometrySectors != MAX_GEOMETRY;
        long sectors = byGeometry ? geometrySectors : currentSize >>> 9;
        if (sectors == 0 || sectors > MAX_SECTORS) {
            throw new DiskException("%s says its disk has %s sectors of 512 bytes, and a VHD has 1 to %d"
                    .formatted(file.path(), Long.toUnsignedString(sectors), MAX_SECTORS));
        }
        return sectors * 512;
    }
}
