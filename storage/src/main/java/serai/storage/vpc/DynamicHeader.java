package serai.storage.vpc;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.imported.TableReader;

/**
 * The dynamic disk header (VHD, Dynamic Disk Header Format), 1024 bytes.
 *
 * <pre>
 *   0  cookie, "cxsparse"      32  block size           64  parent's name, 256 characters UTF-16
 *   8  next header, unused     36  checksum            576  8 parent locators: platform, space, length, reserved, offset (8)
 *  16  offset of the BAT       40  parent's unique id  768  reserved
 *  24  header version          56  parent's time stamp
 *  28  entries of the BAT      60  reserved
 * </pre>
 *
 * @param position where it is
 * @param bat where the BAT is, a multiple of 512
 * @param entries of the BAT
 * @param block bytes of a block without its bitmap
 */
record DynamicHeader(
        long position, long bat, long entries, long block, UUID parent, String parentName, List<Locator> locators) {
    static final int BYTES = 1024;

    /** One way to name the parent. */
    record Locator(int platform, long length, long offset) {}

    private static final long COOKIE = 0x6378_7370_6172_7365L; // "cxsparse"
    private static final int CHECKSUM = 36;
    private static final int LOCATORS = 8;
    /** The specification has 2 MiB, and images of others have blocks of up to some MiB. */
    private static final long MAX_BLOCK = 256 << 20;

    /**
     * Reads it.
     *
     * @param size bytes of the disk, which the BAT has to cover
     * @throws DiskException if it is not sound
     */
    static DynamicHeader of(ImageFile file, long position, long size) throws IOException {
        long end = file.size();
        if (position < 0 || position % 512 != 0 || position > end - BYTES) {
            throw bad(
                    file,
                    "its dynamic disk header would be at byte " + Long.toUnsignedString(position)
                            + ", which is no sector in the file");
        }
        ByteBuffer b = TableReader.bytes(file, position, BYTES, ByteOrder.BIG_ENDIAN);
        if (b.getLong(0) != COOKIE || b.getInt(24) >>> 16 != 1 || b.getInt(CHECKSUM) != Footer.checksum(b, CHECKSUM)) {
            throw bad(file, "at byte " + position + " is no dynamic disk header of version 1 with the right checksum");
        }
        long bat = b.getLong(16);
        long entries = b.getInt(28) & 0xffff_ffffL;
        long block = b.getInt(32) & 0xffff_ffffL;
        if (Long.bitCount(block) != 1 || block < 512 || block > MAX_BLOCK) {
            throw bad(file, "its blocks have " + block + " bytes, which is no power of two from 512 to " + MAX_BLOCK);
        }
        long needed = (size + block - 1) / block;
        if (entries < needed) {
            throw bad(file, "its BAT has " + entries + " entries, and its disk has " + needed + " blocks");
        }
        if (bat < 0 || bat % 512 != 0 || bat > end - needed * 4) {
            throw bad(
                    file,
                    "its BAT would be at byte " + Long.toUnsignedString(bat)
                            + ", where no sector in the file has room for it");
        }
        StringBuilder name = new StringBuilder();
        for (int i = 0; i < 256 && b.getChar(64 + 2 * i) != 0; i++) {
            name.append(b.getChar(64 + 2 * i));
        }
        List<Locator> locators = new ArrayList<>();
        for (int i = 0; i < LOCATORS; i++) {
            int at = 576 + 24 * i;
            if (b.getInt(at) != 0) {
                locators.add(new Locator(b.getInt(at), b.getInt(at + 8) & 0xffff_ffffL, b.getLong(at + 16)));
            }
        }
        return new DynamicHeader(
                position,
                bat,
                needed,
                block,
                new UUID(b.getLong(40), b.getLong(48)),
                name.toString(),
                List.copyOf(locators));
    }

    static DiskException bad(ImageFile file, String why) {
        return new DiskException(file.path() + " is no sound VHD: " + why);
    }

    /** Bytes of a block's bitmap: a bit for each sector, whole sectors (VHD, Data Blocks). */
    long bitmap() {
        return (block / 512 + 4095) / 4096 * 512;
    }
}
