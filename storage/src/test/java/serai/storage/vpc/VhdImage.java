package serai.storage.vpc;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;

/** Makes VHDs by the specification, small ones for tests. */
final class VhdImage {
    static final int FOOTER = 512;
    /** Of the dynamic disk header. */
    static final int HEADER = 512;

    static final int BAT = 1536;
    private static final int BLOCKS = 2048;

    private VhdImage() {}

    static byte[] fixed(byte[] disk, UUID id) {
        ByteBuffer b = ByteBuffer.allocate(disk.length + FOOTER);
        b.put(disk);
        footer(b, disk.length, 2, -1, disk.length, id);
        return seal(b.array());
    }

    /** Blocks that are all zero are not there. */
    static byte[] dynamic(byte[] disk, int block, UUID id) {
        return blocks(disk, block, new boolean[0], 3, id);
    }

    /**
     * Of a differencing disk.
     *
     * @param present which sectors of {@code disk} it has
     */
    static byte[] differencing(byte[] disk, int block, boolean[] present, UUID id, UUID parent, String name) {
        byte[] image = blocks(disk, block, present, 4, id);
        // one locator, after everything but the footer
        byte[] path = name.getBytes(StandardCharsets.UTF_16LE);
        byte[] longer = Arrays.copyOf(image, image.length + 512);
        ByteBuffer b = ByteBuffer.wrap(longer);
        b.put(image.length - FOOTER, new byte[512]).put(image.length - FOOTER, path);
        b.put(image.length, image, image.length - FOOTER, FOOTER);
        b.putLong(HEADER + 40, parent.getMostSignificantBits()).putLong(HEADER + 48, parent.getLeastSignificantBits());
        b.put(HEADER + 64, "C:\\elsewhere\\".concat(name).getBytes(StandardCharsets.UTF_16BE));
        b.putInt(HEADER + 576, 0x57327275); // W2ru
        b.putInt(HEADER + 580, 512).putInt(HEADER + 584, path.length).putLong(HEADER + 592, image.length - FOOTER);
        return seal(longer);
    }

    private static byte[] blocks(byte[] disk, int block, boolean[] present, int type, UUID id) {
        int count = (disk.length + block - 1) / block;
        int bitmap = (block / 512 + 4095) / 4096 * 512;
        ByteBuffer b = ByteBuffer.allocate(BLOCKS + count * (bitmap + block) + FOOTER);
        int end = BLOCKS;
        for (int i = 0; i < count; i++) {
            byte[] content = Arrays.copyOf(Arrays.copyOfRange(disk, i * block, (i + 1) * block), block);
            boolean any = false;
            for (int s = 0; s < block / 512; s++) {
                int sector = i * block / 512 + s;
                boolean there = type == 4
                        ? sector < present.length && present[sector]
                        : Arrays.mismatch(content, new byte[block]) >= 0;
                if (there) {
                    any = true;
                    b.put(end + s / 8, (byte) (b.get(end + s / 8) | 0x80 >> s % 8));
                    b.put(end + bitmap + s * 512, content, s * 512, 512);
                }
            }
            b.putInt(BAT + 4 * i, any ? end / 512 : -1);
            end += any ? bitmap + block : 0;
        }
        b.put(HEADER, "cxsparse".getBytes(StandardCharsets.ISO_8859_1));
        b.putLong(HEADER + 8, -1).putLong(HEADER + 16, BAT).putInt(HEADER + 24, 0x10000);
        b.putInt(HEADER + 28, count).putInt(HEADER + 32, block);
        footer(b, 0, type, HEADER, disk.length, id);
        footer(b, end, type, HEADER, disk.length, id);
        return seal(Arrays.copyOf(b.array(), end + FOOTER));
    }

    private static void footer(ByteBuffer b, int at, int type, long next, long size, UUID id) {
        b.put(at, "conectix".getBytes(StandardCharsets.ISO_8859_1));
        b.putInt(at + 8, 2).putInt(at + 12, 0x10000).putLong(at + 16, next);
        b.put(at + 28, "win ".getBytes(StandardCharsets.ISO_8859_1));
        b.putLong(at + 40, size).putLong(at + 48, size);
        b.putShort(at + 56, (short) 3).put(at + 58, (byte) 4).put(at + 59, (byte) 17);
        b.putInt(at + 60, type);
        b.putLong(at + 68, id.getMostSignificantBits()).putLong(at + 76, id.getLeastSignificantBits());
    }

    /** Makes the checksums right, of footers and header where they are in sound images. */
    static byte[] seal(byte[] image) {
        ByteBuffer b = ByteBuffer.wrap(image);
        if (image.length >= HEADER + 1024) {
            sum(b, HEADER, 1024, 36);
            sum(b, 0, FOOTER, 64);
        }
        if (image.length >= FOOTER) {
            sum(b, image.length - FOOTER, FOOTER, 64);
        }
        return image;
    }

    private static void sum(ByteBuffer b, int at, int length, int own) {
        long cookie = b.getLong(at);
        if (cookie == 0x636f6e6563746978L || cookie == 0x6378737061727365L) {
            int sum = 0;
            for (int i = 0; i < length; i++) {
                sum += i >= own && i < own + 4 ? 0 : b.get(at + i) & 0xff;
            }
            b.putInt(at + own, ~sum);
        }
    }
}
