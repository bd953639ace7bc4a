package serai.storage.vmdk;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.Deflater;

/**
 * Makes sparse extents by the specification, small ones for tests: grain tables of 4 entries, the descriptor at sector 1, the grain directory
 * at 3 and again at 4, the tables from 5 on, a sector each.
 */
final class VmdkImage {
    static final int DESCRIPTOR = 512;
    static final int DIRECTORY = 3 * 512;
    static final int REDUNDANT = 4 * 512;
    static final int TABLES = 5 * 512;

    static final int TABLE = 4;
    static final int NEWLINES = 1;
    static final int FLAG_REDUNDANT = 2;
    static final int ZEROED = 4;
    static final int COMPRESSED = 1 << 16;
    static final int MARKERS = 1 << 17;

    static final String TEXT = """
            # Disk DescriptorFile
            version=1
            CID=12345678
            parentCID=ffffffff
            createType="monolithicSparse"

            # Extent description
            RW %d SPARSE "was-called-otherwise.vmdk"

            # The Disk Data Base
            #DDB

            ddb.adapterType = "ide"
            """;

    private VmdkImage() {}

    static byte[] of(byte[] disk, int grain, int flags) {
        return of(disk, grain, flags, TEXT.formatted(disk.length / 512));
    }

    /**
     * Grains that are all zero are not there.
     *
     * @param grain sectors
     */
    static byte[] of(byte[] disk, int grain, int flags, String descriptor) {
        int sectors = disk.length / 512;
        int tables = (sectors + grain * TABLE - 1) / (grain * TABLE);
        int overhead = 5 + tables;
        ByteBuffer b = ByteBuffer.allocate((overhead + 2 * sectors + 2 * grain + 64) * 512)
                .order(ByteOrder.LITTLE_ENDIAN);
        header(b, 0, sectors, grain, flags, DIRECTORY / 512);
        b.putLong(64, overhead);
        byte[] text = descriptor.getBytes(StandardCharsets.UTF_8);
        if (text.length > 0) {
            b.putLong(28, 1).putLong(36, 2).put(DESCRIPTOR, text);
        }
        int next = overhead;
        for (int g = 0; g * grain < sectors; g++) {
            int table = 5 + g / TABLE;
            b.putInt(DIRECTORY + 4 * (g / TABLE), table);
            b.putInt(REDUNDANT + 4 * (g / TABLE), table);
            byte[] content =
                    Arrays.copyOf(Arrays.copyOfRange(disk, g * grain * 512, (g + 1) * grain * 512), grain * 512);
            if (Arrays.mismatch(content, new byte[content.length]) >= 0) {
                b.putInt(table * 512 + 4 * (g % TABLE), next);
                byte[] stored = (flags & COMPRESSED) == 0 ? content : compressed(content, g * grain, flags);
                b.put(next * 512, stored);
                next += (stored.length + 511) / 512;
            }
        }
        return Arrays.copyOf(b.array(), next * 512);
    }

    /** The same with its directory named by a footer, as if it were a stream. */
    static byte[] withFooter(byte[] image) {
        ByteBuffer b =
                ByteBuffer.wrap(Arrays.copyOf(image, image.length + 3 * 512)).order(ByteOrder.LITTLE_ENDIAN);
        b.put(image.length + 512, image, 0, 512);
        b.putLong(56, -1);
        b.putLong(image.length, 1).putInt(image.length + 12, 3);
        return b.array();
    }

    private static void header(ByteBuffer b, int at, int sectors, int grain, int flags, long directory) {
        b.put(at, "KDMV".getBytes(StandardCharsets.US_ASCII)).putInt(at + 4, 2).putInt(at + 8, flags);
        b.putLong(at + 12, sectors).putLong(at + 20, grain).putInt(at + 44, TABLE);
        b.putLong(at + 48, REDUNDANT / 512).putLong(at + 56, directory);
        b.put(at + 73, "\n \r\n".getBytes(StandardCharsets.US_ASCII));
        b.putShort(at + 77, (short) ((flags & COMPRESSED) == 0 ? 0 : 1));
    }

    private static byte[] compressed(byte[] content, long sector, int flags) {
        try (Deflater d = new Deflater()) {
            ByteBuffer b = ByteBuffer.allocate(2 * content.length + 100).order(ByteOrder.LITTLE_ENDIAN);
            if ((flags & MARKERS) != 0) {
                b.putLong(sector).putInt(0);
            }
            int start = b.position();
            d.setInput(content);
            d.finish();
            d.deflate(b);
            if (start > 0) {
                b.putInt(8, b.position() - start);
            }
            return Arrays.copyOf(b.array(), b.position());
        }
    }
}
