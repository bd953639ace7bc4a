package serai.storage.luks;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import serai.storage.NativeBuffer;

/**
 * XTS-AES (IEEE Std 1619-2007 §5): each 16-byte block is XORed with a tweak before and after AES; a sector's first tweak is its vector
 * encrypted with the second key, and the next ones are that times α, α², … in GF(2¹²⁸).
 *
 * <p>AES is done on a whole chunk at once, for that is what the JDK does fast. The tweaks are computed in the pass before it and kept for
 * the pass behind it.
 */
final class XtsWorker implements AesSectors.Worker {
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final IvGenerator ivs;
    private final int sectorSize;
    private final Aes data;
    private final Aes tweak;
    private final @Nullable Aes essiv;
    private final byte[] vectors;
    private final byte[] chunk = new byte[AesSectors.CHUNK];
    private final long[] tweaks = new long[AesSectors.CHUNK / 8];

    /** With both keys, one after the other. */
    XtsWorker(IvGenerator ivs, @Nullable Aes essiv, byte[] key, int sectorSize, boolean encrypt) {
        this.ivs = ivs;
        this.essiv = essiv;
        this.sectorSize = sectorSize;
        byte[] first = Arrays.copyOf(key, key.length / 2);
        byte[] second = Arrays.copyOfRange(key, key.length / 2, key.length);
        data = new Aes(first, encrypt);
        tweak = new Aes(second, true);
        Arrays.fill(first, (byte) 0);
        Arrays.fill(second, (byte) 0);
        vectors = new byte[AesSectors.CHUNK / sectorSize * Aes.BLOCK];
    }

    @Override
    public void work(long sector, long from, long to, int length) {
        int sectors = length / sectorSize;
        ivs.fill(vectors, sector, sectorSize / 512, sectors);
        if (essiv != null) {
            essiv.apply(vectors, sectors * Aes.BLOCK);
        }
        tweak.apply(vectors, sectors * Aes.BLOCK);
        tweaks(sectors);
        MemorySegment.copy(NativeBuffer.at(from, length), ValueLayout.JAVA_BYTE, 0, chunk, 0, length);
        xor(length);
        data.apply(chunk, length);
        xor(length);
        MemorySegment.copy(chunk, 0, NativeBuffer.at(to, length), ValueLayout.JAVA_BYTE, 0, length);
    }

    private void tweaks(int sectors) {
        int at = 0;
        for (int s = 0; s < sectors; s++) {
            long low = (long) LONG.get(vectors, s * 16);
            long high = (long) LONG.get(vectors, s * 16 + 8);
            for (int end = at + sectorSize / 8; at < end; at += 2) {
                tweaks[at] = low;
                tweaks[at + 1] = high;
                long carry = high >> 63 & 0x87; // α¹²⁸ = α⁷ + α² + α + 1
                high = high << 1 | low >>> 63;
                low = low << 1 ^ carry;
            }
        }
    }

    private void xor(int length) {
        for (int i = 0; i < length / 8; i++) {
            LONG.set(chunk, i * 8, (long) LONG.get(chunk, i * 8) ^ tweaks[i]);
        }
    }

    @Override
    public void wipe() {
        Arrays.fill(chunk, (byte) 0);
        Arrays.fill(tweaks, 0);
        Arrays.fill(vectors, (byte) 0);
    }
}
