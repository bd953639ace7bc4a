package serai.storage.vhdx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.zip.CRC32C;

/** Makes VHDXs by the specification, small ones for tests: blocks of 1 MiB, the tables in one megabyte each. */
final class VhdxImage {
    static final int MIB = 1 << 20;
    static final int HEADER_1 = 64 << 10;
    static final int HEADER_2 = 128 << 10;
    static final int REGIONS = 192 << 10;
    static final int REGIONS_COPY = 256 << 10;
    static final int LOG = MIB;
    static final int METADATA = 2 * MIB;
    static final int BAT = 3 * MIB;
    static final int DATA = 4 * MIB;
    static final UUID LOG_ID = new UUID(77, 78);
    static final UUID DATA_WRITE = UUID.fromString("11223344-5566-7788-99aa-bbccddeeff00");

    /** Where items are in the metadata region. */
    static final int ITEMS = 64 << 10;

    /** A parent: key and value. */
    private final Map<String, String> locator = new LinkedHashMap<>();

    private final long size;
    private final int sector;
    private final ByteBuffer b;
    private int next = DATA;

    /** Of a disk with nothing in it, in a file of so many MiB. */
    VhdxImage(long size, int sector, int megabytes) {
        this.size = size;
        this.sector = sector;
        b = ByteBuffer.allocate(megabytes * MIB).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** With a parent. */
    VhdxImage locator(String key, String value) {
        locator.put(key, value);
        return this;
    }

    /** Gives a block a state, and content if that isn't empty. */
    VhdxImage block(int number, int state, byte[] content) {
        long place = 0;
        if (content.length > 0) {
            b.put(next, content);
            place = next;
            next += MIB;
        }
        b.putLong(BAT + 8 * entry(number), place | state);
        return this;
    }

    /** Gives a chunk a sector bitmap. */
    VhdxImage bitmap(int chunk, byte[] bits) {
        int ratio = ratio();
        b.put(next, bits);
        b.putLong(BAT + 8 * ((chunk + 1) * ratio + chunk), next | 6);
        next += MIB;
        return this;
    }

    private int ratio() {
        return (1 << 23) / MIB * sector;
    }

    int entry(int number) {
        return number + number / ratio();
    }

    byte[] build() {
        b.put(0, "vhdxfile".getBytes(StandardCharsets.US_ASCII));
        header(HEADER_1, 1, new UUID(0, 0));
        header(HEADER_2, 2, new UUID(0, 0));
        for (int at : new int[] {REGIONS, REGIONS_COPY}) {
            b.put(at, "regi".getBytes(StandardCharsets.US_ASCII)).putInt(at + 8, 2);
            guid(b, at + 16, UUID.fromString("2DC27766-F623-4200-9D64-115E9BFD4A08"));
            b.putLong(at + 32, BAT).putInt(at + 40, MIB).putInt(at + 44, 1);
            guid(b, at + 48, UUID.fromString("8B7CA206-4790-4B9A-B8FE-575F050F886E"));
            b.putLong(at + 64, METADATA).putInt(at + 72, MIB).putInt(at + 76, 1);
        }
        b.put(METADATA, "metadata".getBytes(StandardCharsets.US_ASCII));
        int parameters = item("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 8);
        b.putInt(parameters, MIB).putInt(parameters + 4, locator.isEmpty() ? 0 : 2);
        b.putLong(item("2FA54224-CD1B-4876-B211-5DBED83BF4B8", 8), size);
        b.putInt(item("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 4), sector);
        b.putInt(item("CDA348C7-445D-4471-9CC9-E9885251C556", 4), sector);
        guid(b, item("BECA12AB-B2E6-4523-93EF-C309E000C746", 16), new UUID(5, 6));
        if (!locator.isEmpty()) {
            locators();
        }
        return seal(b.array());
    }

    private void locators() {
        int at = item("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", 4096);
        guid(b, at, UUID.fromString("B04AEFB7-D19E-4A81-B789-25B8E9445913"));
        b.putShort(at + 18, (short) locator.size());
        int text = 20 + 12 * locator.size();
        int entry = at + 20;
        for (Map.Entry<String, String> e : locator.entrySet()) {
            byte[] key = e.getKey().getBytes(StandardCharsets.UTF_16LE);
            byte[] value = e.getValue().getBytes(StandardCharsets.UTF_16LE);
            b.putInt(entry, text).putInt(entry + 4, text + key.length);
            b.putShort(entry + 8, (short) key.length).putShort(entry + 10, (short) value.length);
            b.put(at + text, key).put(at + text + key.length, value);
            text += key.length + value.length;
            entry += 12;
        }
    }

    /** Adds a metadata item; where its bytes are. */
    private int item(String id, int length) {
        int n = b.getShort(METADATA + 10);
        b.putShort(METADATA + 10, (short) (n + 1));
        int entry = METADATA + 32 + 32 * n;
        guid(b, entry, UUID.fromString(id));
        b.putInt(entry + 16, ITEMS + 64 * n).putInt(entry + 20, length).putInt(entry + 24, 4);
        return METADATA + ITEMS + 64 * n;
    }

    private void header(int at, long sequence, UUID log) {
        b.put(at, "head".getBytes(StandardCharsets.US_ASCII)).putLong(at + 8, sequence);
        guid(b, at + 32, DATA_WRITE);
        guid(b, at + 48, log);
        b.putShort(at + 66, (short) 1).putInt(at + 68, MIB).putLong(at + 72, LOG);
    }

    static void guid(ByteBuffer b, int at, UUID id) {
        long high = id.getMostSignificantBits();
        b.putInt(at, (int) (high >>> 32))
                .putShort(at + 4, (short) (high >>> 16))
                .putShort(at + 6, (short) high)
                .putLong(at + 8, Long.reverseBytes(id.getLeastSignificantBits()));
    }

    /** Marks the log as one to be replayed. */
    static byte[] dirty(byte[] image) {
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        guid(b, HEADER_1 + 48, LOG_ID);
        guid(b, HEADER_2 + 48, LOG_ID);
        return seal(image);
    }

    /** Makes the checksums right of what has its signature where it is in sound images. */
    static byte[] seal(byte[] image) {
        crc(image, HEADER_1, 4096, "head");
        crc(image, HEADER_2, 4096, "head");
        crc(image, REGIONS, 64 << 10, "regi");
        crc(image, REGIONS_COPY, 64 << 10, "regi");
        return image;
    }

    static void crc(byte[] image, int at, int length, String signature) {
        if (image.length >= at + length && new String(image, at, 4, StandardCharsets.ISO_8859_1).equals(signature)) {
            ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
            CRC32C crc = new CRC32C();
            b.putInt(at + 4, 0);
            crc.update(image, at, length);
            b.putInt(at + 4, (int) crc.getValue());
        }
    }

    /** Writes entries into the log of an image. */
    static final class LogWriter {
        private final ByteBuffer image;
        private int position;
        private long sequence;
        private int entry;
        private int descriptors;
        private ByteBuffer sectors = ByteBuffer.allocate(0);

        LogWriter(byte[] image, int position, long sequence) {
            this.image = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
            this.position = position;
            this.sequence = sequence;
        }

        int position() {
            return position;
        }

        /** An entry begins. */
        LogWriter begin() {
            entry = position;
            descriptors = 0;
            sectors = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
            return this;
        }

        LogWriter zeros(long offset, long length) {
            sectors.put(64 + 32 * descriptors, "zero".getBytes(StandardCharsets.US_ASCII));
            return descriptor(0, length, offset);
        }

        /** 4096 bytes. */
        LogWriter data(long offset, byte[] bytes) {
            ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            sectors.put(64 + 32 * descriptors, "desc".getBytes(StandardCharsets.US_ASCII));
            int at = 8192 + sectors.position(); // data sectors are kept behind two of descriptors
            sectors.put(at, bytes);
            sectors.put(at, "data".getBytes(StandardCharsets.US_ASCII))
                    .putInt(at + 4, (int) (sequence >>> 32))
                    .putInt(at + 4092, (int) sequence);
            sectors.position(sectors.position() + 4096);
            return descriptor(from.getInt(4092), from.getLong(0), offset);
        }

        private LogWriter descriptor(int trailing, long leading, long offset) {
            int at = 64 + 32 * descriptors;
            sectors.putInt(at + 4, trailing)
                    .putLong(at + 8, leading)
                    .putLong(at + 16, offset)
                    .putLong(at + 24, sequence);
            descriptors++;
            return this;
        }

        /**
         * The entry ends.
         *
         * @param tail bytes from the log's start
         */
        LogWriter end(int tail, long flushed, long last) {
            int head = (64 + 32 * descriptors + 4095) / 4096 * 4096;
            int length = head + sectors.position();
            byte[] bytes = new byte[length];
            sectors.get(0, bytes, 0, head);
            sectors.get(8192, bytes, head, length - head);
            ByteBuffer e = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            e.put(0, "loge".getBytes(StandardCharsets.US_ASCII))
                    .putInt(8, length)
                    .putInt(12, tail)
                    .putLong(16, sequence);
            e.putInt(24, descriptors).putLong(48, flushed).putLong(56, last);
            guid(e, 32, LOG_ID);
            crc(bytes, 0, length, "loge");
            for (int i = 0; i < length; i += 4096) { // around the end of the log
                image.put(LOG + (entry + i) % MIB, bytes, i, 4096);
            }
            position = (entry + length) % MIB;
            sequence++;
            return this;
        }
    }
}
