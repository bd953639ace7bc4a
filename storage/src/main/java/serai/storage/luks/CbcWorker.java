package serai.storage.luks;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import serai.storage.NativeBuffer;

/**
 * AES in CBC mode (NIST SP 800-38A §6.2), each sector with a vector of its own, which older LUKS1 volumes have.
 *
 * <p>Decrypting is block by block, on a whole chunk at once, and XORs each block with the cipher text before it. Encrypting can't be: it
 * goes through the JDK's CBC, which would have to be started again for each sector. Instead it goes on from sector to sector, and the
 * first block of each is XORed with its vector and with the last cipher block, which the JDK takes out again.
 */
final class CbcWorker implements AesSectors.Worker {
    private final IvGenerator ivs;
    private final int sectorSize;
    private final @Nullable Aes essiv;
    private final @Nullable Aes decrypting;
    private final @Nullable Cipher encrypting;
    private final byte[] vectors;
    private final byte[] last = new byte[Aes.BLOCK];
    private final byte[] chunk = new byte[AesSectors.CHUNK];
    private final byte[] before = new byte[AesSectors.CHUNK];

    CbcWorker(IvGenerator ivs, @Nullable Aes essiv, byte[] key, int sectorSize, boolean encrypt) {
        this.ivs = ivs;
        this.essiv = essiv;
        this.sectorSize = sectorSize;
        vectors = new byte[AesSectors.CHUNK / sectorSize * Aes.BLOCK];
        decrypting = encrypt ? null : new Aes(key, false);
        try {
            if (encrypt) {
                encrypting = Cipher.getInstance("AES/CBC/NoPadding");
                encrypting.init(
                        Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(new byte[Aes.BLOCK]));
            } else {
                encrypting = null;
            }
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e); // every JDK has it, and CipherSpec knows the sizes of keys
        }
    }

    @Override
    public void work(long sector, long from, long to, int length) {
        int sectors = length / sectorSize;
        ivs.fill(vectors, sector, sectorSize / 512, sectors);
        if (essiv != null) {
            essiv.apply(vectors, sectors * Aes.BLOCK);
        }
        MemorySegment.copy(NativeBuffer.at(from, length), ValueLayout.JAVA_BYTE, 0, chunk, 0, length);
        if (encrypting != null) {
            encrypt(encrypting, sectors);
        } else if (decrypting != null) {
            decrypt(decrypting, sectors);
        }
        MemorySegment.copy(chunk, 0, NativeBuffer.at(to, length), ValueLayout.JAVA_BYTE, 0, length);
    }

    private void decrypt(Aes aes, int sectors) {
        int length = sectors * sectorSize;
        System.arraycopy(chunk, 0, before, Aes.BLOCK, length - Aes.BLOCK);
        for (int s = 0; s < sectors; s++) {
            System.arraycopy(vectors, s * Aes.BLOCK, before, s * sectorSize, Aes.BLOCK);
        }
        aes.apply(chunk, length);
        for (int i = 0; i < length; i++) {
            chunk[i] ^= before[i];
        }
    }

    private void encrypt(Cipher cbc, int sectors) {
        try {
            for (int s = 0; s < sectors; s++) {
                int at = s * sectorSize;
                for (int i = 0; i < Aes.BLOCK; i++) {
                    chunk[at + i] ^= (byte) (vectors[s * Aes.BLOCK + i] ^ last[i]);
                }
                cbc.update(chunk, at, sectorSize, chunk, at);
                System.arraycopy(chunk, at + sectorSize - Aes.BLOCK, last, 0, Aes.BLOCK);
            }
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e); // there is room
        }
    }

    @Override
    public void wipe() {
        Arrays.fill(chunk, (byte) 0);
        Arrays.fill(before, (byte) 0);
        Arrays.fill(vectors, (byte) 0);
    }
}
