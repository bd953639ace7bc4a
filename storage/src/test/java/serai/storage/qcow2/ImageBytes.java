package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import serai.storage.CrashFile;
import serai.storage.NativeBuffer;
import serai.storage.track.DirtyBitmap;

/** The bytes of a small qcow2 image, to be damaged. */
final class ImageBytes {
    static final int SIZE = 1 << 20;
    private static final Map<String, byte[]> SOUND = new HashMap<>();

    private byte[] bytes;

    ImageBytes(byte[] bytes) {
        this.bytes = bytes.clone();
    }

    /** A sound one, with data, compressed clusters, zeros, a snapshot and bitmaps as far as its options let it have them. */
    static ImageBytes sound(String options) throws IOException {
        byte[] known;
        synchronized (SOUND) {
            known = SOUND.get(options);
            if (known == null) {
                known = make(options);
                SOUND.put(options, known);
            }
        }
        return new ImageBytes(known);
    }

    private static byte[] make(String options) throws IOException {
        CrashFile f = new CrashFile();
        ModelTest.create(f, ModelTest.options(options, SIZE));
        try (Qcow2Disk d = ModelTest.open(f);
                NativeBuffer b = new NativeBuffer(SIZE)) {
            int cluster = (int) d.info().clusterSize();
            b.segment().asSlice(0, SIZE / 2).fill((byte) 0x5a);
            d.writeCompressed(3L * cluster, b.address(), cluster);
            d.writeCompressed(4L * cluster, b.address(), cluster);
            d.write(0, b.address(), 2L * cluster);
            d.zero(2L * cluster, cluster, false);
            d.write(SIZE / 2, b.address(), cluster);
            if (d.info().refcountBits() >= 16) {
                d.createSnapshot("first");
                d.write(cluster, b.address(), cluster);
            }
            if (d.info().version() == 3) {
                DirtyBitmap map = new DirtyBitmap("changes", SIZE, 65536);
                map.set(65536, 65536);
                d.addBitmap(map);
            }
        }
        byte[] all = new byte[(int) f.size()];
        try (NativeBuffer b = new NativeBuffer(all.length)) {
            f.read(0, b.address(), all.length);
            MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, all, 0, all.length);
        }
        return all;
    }

    byte[] bytes() {
        return bytes.clone();
    }

    /** The same as a file that can be written. */
    CrashFile file() {
        CrashFile f = new CrashFile();
        try (NativeBuffer b = new NativeBuffer(Math.max(1, bytes.length))) {
            MemorySegment.copy(bytes, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, bytes.length);
            f.write(0, b.address(), bytes.length);
        }
        f.flush();
        return f;
    }

    private ByteBuffer at(long position, int room) {
        int end = Math.toIntExact(position) + room;
        if (end > bytes.length) {
            bytes = Arrays.copyOf(bytes, end);
        }
        return ByteBuffer.wrap(bytes);
    }

    long word(long position) {
        return at(position, 8).getLong((int) position);
    }

    int number(long position) {
        return at(position, 4).getInt((int) position);
    }

    ImageBytes word(long position, long value) {
        at(position, 8).putLong((int) position, value);
        return this;
    }

    ImageBytes number(long position, long value) {
        at(position, 4).putInt((int) position, (int) value);
        return this;
    }

    ImageBytes put(long position, int... values) {
        ByteBuffer b = at(position, values.length);
        for (int i = 0; i < values.length; i++) {
            b.put((int) position + i, (byte) values[i]);
        }
        return this;
    }

    ImageBytes text(long position, String text) {
        byte[] t = text.getBytes(StandardCharsets.UTF_8);
        at(position, t.length).put((int) position, t);
        return this;
    }

    ImageBytes fill(long position, int length, int value) {
        at(position, length);
        Arrays.fill(bytes, (int) position, (int) position + length, (byte) value);
        return this;
    }

    ImageBytes cut(int length) {
        bytes = Arrays.copyOf(bytes, length);
        return this;
    }

    // ---- where things are ----

    int cluster() {
        return 1 << number(20);
    }

    int end() {
        return bytes.length;
    }

    long l1() {
        return word(40);
    }

    long l2() {
        return word(l1()) & L2Entry.TABLE;
    }

    /** Where the L2 entry of a cluster of the disk is, which the first L2 table maps. */
    long entry(int cluster) {
        boolean extended = number(4) == 3 && (word(72) & Header.EXTENDED_L2) != 0;
        return l2() + (long) cluster * (extended ? 16 : 8);
    }

    long refcountTable() {
        return word(48);
    }

    long refcountBlock() {
        return word(refcountTable());
    }

    long snapshots() {
        return word(64);
    }

    /** Where the data of a header extension begins. */
    long extension(int type) {
        for (long p = number(100); ; p += 8 + (number(p + 4) + 7 & -8)) {
            if (number(p) == type) {
                return p + 8;
            }
            if (number(p) == 0) {
                throw new IllegalStateException("no extension " + Integer.toHexString(type));
            }
        }
    }

    /** Puts an extension in front of the others. */
    ImageBytes withExtension(int type, long length, byte... data) {
        int from = number(4) == 3 ? number(100) : Header.V2_LENGTH;
        int room = 8 + (data.length + 7 & -8);
        System.arraycopy(bytes, from, bytes, from + room, cluster() - from - room);
        fill(from, room, 0);
        number(from, type);
        number(from + 4, length);
        System.arraycopy(data, 0, bytes, from + 8, data.length);
        return this;
    }

    /** The name of a backing file, in the last bytes of the first cluster. */
    ImageBytes backing(String name) {
        int length = name.getBytes(StandardCharsets.UTF_8).length;
        return text(cluster() - length, name).word(8, cluster() - length).number(16, length);
    }

    /** Where the compressed data of a cluster of the disk is. */
    long compressed(int cluster) {
        return L2Entry.compressedOffset(word(entry(cluster)), number(20));
    }
}
