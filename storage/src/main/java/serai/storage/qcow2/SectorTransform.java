package serai.storage.qcow2;

import java.io.IOException;

/** How the sectors of data clusters are encrypted: by where they stand in the file. */
interface SectorTransform {
    /**
     * Encrypts whole sectors.
     *
     * @param position of the first in the file, in bytes
     */
    void encrypt(long position, long from, long to, long length) throws IOException;

    /** Decrypts whole sectors in place. */
    void decrypt(long position, long at, long length) throws IOException;
}
