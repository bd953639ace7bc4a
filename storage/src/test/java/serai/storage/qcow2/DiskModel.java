package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;

/** What a disk has to read as: an array of bytes. Of what was discarded each byte is the old one, zero, or the backing file's, until it is read. */
final class DiskModel {
    private static final int SECTOR = 512;

    private final byte[] base;
    private byte[] bytes;
    private BitSet loose = new BitSet();

    /**
     * A new disk.
     *
     * @param base what the backing file has; may be shorter or longer
     */
    DiskModel(int size, byte[] base) {
        this.base = base;
        bytes = Arrays.copyOf(base, size);
    }

    DiskModel copy() {
        DiskModel m = new DiskModel(0, base);
        m.become(this);
        return m;
    }

    void become(DiskModel other) {
        bytes = other.bytes.clone();
        loose = (BitSet) other.loose.clone();
    }

    int size() {
        return bytes.length;
    }

    byte[] bytes() {
        assertTrue(loose.isEmpty(), "not settled");
        return bytes;
    }

    void write(int at, byte[] data) {
        System.arraycopy(data, 0, bytes, at, data.length);
        loose.clear(at / SECTOR, (at + data.length) / SECTOR);
    }

    void fill(int at, int length, int value) {
        Arrays.fill(bytes, at, at + length, (byte) value);
        loose.clear(at / SECTOR, (at + length) / SECTOR);
    }

    void discard(int at, int length) {
        loose.set(at / SECTOR, (at + length) / SECTOR);
    }

    /** What is added reads as zeros, whatever the backing file has there. */
    void resize(int size) {
        bytes = Arrays.copyOf(bytes, size);
        loose.clear(size / SECTOR, Integer.MAX_VALUE);
    }

    /** Holds what was read against it; that is what was discarded from now on. */
    void settle(int at, byte[] read) {
        for (int i = 0; i < read.length; i++) {
            int same = Arrays.mismatch(bytes, at + i, at + read.length, read, i, read.length);
            if (same < 0) {
                break;
            }
            i += same;
            int p = at + i;
            boolean discarded = loose.get(p / SECTOR);
            if (!discarded || read[i] != 0 && (p >= base.length || read[i] != base[p])) {
                assertEquals(bytes[p], read[i], "byte " + p + (discarded ? ", discarded" : ""));
            }
            bytes[p] = read[i];
        }
        loose.clear(at / SECTOR, (at + read.length) / SECTOR);
    }
}
