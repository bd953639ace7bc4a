package serai.storage.luks;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import serai.storage.NativeBuffer;

/**
 * Where a key slot keeps the volume's key: split into stripes, and those encrypted in sectors of 512 bytes, numbered from 0.
 *
 * @param offset bytes into the file
 * @param spec how it is encrypted
 * @param keyBytes of the volume's key
 * @param stripes 1 to {@link #MAX_STRIPES}
 * @param hash of the splitter
 */
record KeyMaterial(long offset, CipherSpec spec, int keyBytes, int stripes, LuksHash hash) {
    /** All that cryptsetup and QEMU ever make or open. */
    static final int STRIPES = 4000;

    static final int MAX_STRIPES = 65536;

    private static final int SECTOR = 512;

    /** Bytes that it takes, whole sectors. */
    int bytes() {
        return (keyBytes * stripes + SECTOR - 1) & -SECTOR;
    }

    /** The volume's key as a slot's key decrypts it; wrong if that was wrong. */
    byte[] open(HeaderFile from, byte[] slotKey) throws IOException {
        byte[] split = new byte[bytes()];
        try (NativeBuffer b = new NativeBuffer(split.length);
                AesSectors cipher = new AesSectors(spec, slotKey.clone(), SECTOR, 0)) {
            from.file().read(offset, b.address(), split.length);
            cipher.decrypt(0, b.address(), b.address(), split.length);
            MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, split, 0, split.length);
            b.segment().fill((byte) 0);
            return AfSplitter.merge(hash, split, keyBytes, stripes);
        } finally {
            Arrays.fill(split, (byte) 0);
        }
    }

    /** Writes it. */
    void store(HeaderFile to, byte[] slotKey, byte[] key, Random random) throws IOException {
        byte[] split = AfSplitter.split(hash, key, stripes, random);
        try (NativeBuffer b = new NativeBuffer(bytes());
                AesSectors cipher = new AesSectors(spec, slotKey.clone(), SECTOR, 0)) {
            MemorySegment.copy(split, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, split.length);
            cipher.encrypt(0, b.address(), b.address(), bytes());
            to.file().write(offset, b.address(), bytes());
        } finally {
            Arrays.fill(split, (byte) 0);
        }
    }

    /** Makes it unreadable for good, as far as the file's storage overwrites in place. */
    void destroy(HeaderFile in, Random random) throws IOException {
        byte[] noise = new byte[bytes()];
        random.nextBytes(noise);
        in.write(offset, noise);
    }
}
