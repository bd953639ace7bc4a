package serai.storage.luks;

import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * A mode of AES on sectors. What one transfer works with, the JDK's ciphers and a buffer that fits the cache, is taken from a pool and
 * put back, so transfers share nothing; there are as many as there were ever transfers at once.
 */
final class AesSectors implements SectorCipher, AutoCloseable {
    /** Bytes that are worked on at once. With the tweaks of XTS beside them they stay in a second-level cache. */
    static final int CHUNK = 16 << 10;

    /** What works on a chunk, in one direction. */
    interface Worker {
        /** At most {@link #CHUNK} bytes of whole sectors, from and to host memory. */
        void work(long sector, long from, long to, int length);

        /** Forgets the plain text that it has seen. */
        void wipe();
    }

    private final CipherSpec spec;
    private final byte[] key;
    private final int sectorSize;
    private final long firstSector;
    private final ConcurrentLinkedQueue<Worker> encrypters = new ConcurrentLinkedQueue<>();
    private final ConcurrentLinkedQueue<Worker> decrypters = new ConcurrentLinkedQueue<>();
    private volatile boolean closed;

    /**
     * With a key, which is this object's from now on.
     *
     * @param firstSector what is added to sector numbers
     */
    AesSectors(CipherSpec spec, byte[] key, int sectorSize, long firstSector) {
        this.spec = spec;
        this.key = key;
        this.sectorSize = sectorSize;
        this.firstSector = firstSector;
    }

    @Override
    public int sectorSize() {
        return sectorSize;
    }

    @Override
    public void encrypt(long sector, long from, long to, long length) {
        work(encrypters, true, sector, from, to, length);
    }

    @Override
    public void decrypt(long sector, long from, long to, long length) {
        work(decrypters, false, sector, from, to, length);
    }

    private void work(
            ConcurrentLinkedQueue<Worker> pool, boolean encrypt, long sector, long from, long to, long length) {
        if ((length & sectorSize - 1) != 0 || length < 0 || (sector * 512 & sectorSize - 1) != 0) {
            throw new IllegalArgumentException(
                    "sector %d and %d bytes are not whole sectors of %d bytes".formatted(sector, length, sectorSize));
        }
        @Nullable Worker worker = pool.poll();
        if (worker == null) {
            synchronized (key) {
                if (closed) {
                    throw new IllegalStateException("closed");
                }
                worker = spec.worker(key, sectorSize, encrypt);
            }
        }
        for (long done = 0; done < length; done += CHUNK) {
            int n = (int) Math.min(CHUNK, length - done);
            worker.work(firstSector + sector + done / 512, from + done, to + done, n);
        }
        pool.add(worker);
        if (closed) {
            wipe(pool);
        }
    }

    private static void wipe(ConcurrentLinkedQueue<Worker> pool) {
        for (Worker w = pool.poll(); w != null; w = pool.poll()) {
            w.wipe();
        }
    }

    /** Wipes the keys. */
    @Override
    public void close() {
        synchronized (key) {
            closed = true;
            java.util.Arrays.fill(key, (byte) 0);
        }
        wipe(encrypters);
        wipe(decrypters);
    }
}
