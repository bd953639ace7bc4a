package serai.storage.luks;

/** Encrypts and decrypts whole sectors in host memory; for several threads at once, none of which waits for another. */
public interface SectorCipher {
    /** Bytes that are encrypted as a unit: 512, 1024, 2048 or 4096. */
    int sectorSize();

    /**
     * Encrypts.
     *
     * @param sector number of the first sector, always counted in units of 512 bytes; a multiple of {@code sectorSize() / 512}
     * @param from host address of the plain text
     * @param to host address for the cipher text; may be {@code from}, and may else not overlap it
     * @param length bytes, a multiple of {@link #sectorSize}
     */
    void encrypt(long sector, long from, long to, long length);

    /** Decrypts; the same as {@link #encrypt} with the texts exchanged. */
    void decrypt(long sector, long from, long to, long length);
}
