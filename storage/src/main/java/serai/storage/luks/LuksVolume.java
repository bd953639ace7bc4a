package serai.storage.luks;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.OptionalLong;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/** An unlocked volume: what its header says and the cipher with its key. The file stays the caller's. */
public final class LuksVolume implements AutoCloseable {
    private final LuksHeader header;
    private final AesSectors cipher;

    private LuksVolume(LuksHeader header, byte[] key) {
        this.header = header;
        this.cipher = new AesSectors(header.spec(), key, header.sectorSize(), header.firstSector());
    }

    /**
     * Opens a header. That takes as long as its maker wanted, usually seconds, and up to 1 GiB of memory for a while.
     *
     * @param file begins with the header
     * @throws DiskException in one sentence if there is no header, it is damaged or asks for what is not here or for more work than is
     *     allowed, or the passphrase opens no key slot
     */
    public static LuksVolume open(ImageFile file, byte[] passphrase) throws IOException {
        return open(file, passphrase, WorkLimit.ofOpening());
    }

    static LuksVolume open(ImageFile file, byte[] passphrase, WorkLimit limit) throws IOException {
        HeaderFile from = HeaderFile.of(file);
        LuksHeader header = LuksHeader.read(from);
        return new LuksVolume(header, header.unlock(from, passphrase, limit).key());
    }

    /**
     * Writes a new header with a random key, {@link LuksOptions#headerBytes} at most, and opens it. What is in the disk then is not zeros.
     *
     * @throws IOException if it can't be written
     */
    public static LuksVolume create(ImageFile file, LuksOptions options, byte[] passphrase) throws IOException {
        SecureRandom random = new SecureRandom();
        byte[] key = new byte[options.spec().keyBytes()];
        do {
            random.nextBytes(key);
        } while (options.spec().xts() && sameHalves(key)); // FIPS 140-3 IG C.I wants them different
        HeaderFile to = HeaderFile.of(file);
        if (options.version() == 1) {
            Luks1.create(to, options, passphrase, key, random);
        } else {
            Luks2Writer.create(to, options, passphrase, key, random);
        }
        return new LuksVolume(LuksHeader.read(HeaderFile.of(file)), key);
    }

    /**
     * Adds a passphrase to a volume, in a key slot that is not in use.
     *
     * @param existing one that opens it
     * @param how the work that the new one takes; the rest is not looked at
     * @return the number of the slot
     * @throws DiskException if {@code existing} opens no slot, or there is none left
     */
    public static int addPassphrase(ImageFile file, byte[] existing, byte[] added, LuksOptions how) throws IOException {
        HeaderFile in = HeaderFile.of(file);
        LuksHeader header = LuksHeader.read(in);
        byte[] key = header.unlock(in, existing, WorkLimit.ofOpening()).key();
        try {
            SecureRandom random = new SecureRandom();
            return header.version() == 1
                    ? Luks1.add(in, header, how, added, key, random)
                    : Luks2Writer.add(in, header, how, added, key, random);
        } finally {
            Arrays.fill(key, (byte) 0);
        }
    }

    /**
     * Takes a passphrase from a volume and destroys what it opened.
     *
     * @return the number of the slot that it had
     * @throws DiskException if it opens no slot, or no other would open the volume any more
     */
    public static int removePassphrase(ImageFile file, byte[] passphrase) throws IOException {
        HeaderFile in = HeaderFile.of(file);
        LuksHeader header = LuksHeader.read(in);
        LuksHeader.Unlocked unlocked = header.unlock(in, passphrase, WorkLimit.ofOpening());
        Arrays.fill(unlocked.key(), (byte) 0);
        if (header.slots().size() == 1) {
            throw new DiskException(
                    "disk " + file.path() + " has no other passphrase, and would be lost without this one");
        }
        if (header.version() == 1) {
            Luks1.remove(in, unlocked.slot(), new SecureRandom());
        } else {
            Luks2Writer.remove(in, unlocked.slot(), new SecureRandom());
        }
        return unlocked.slot().number();
    }

    private static boolean sameHalves(byte[] key) {
        int half = key.length / 2;
        return Arrays.equals(key, 0, half, key, half, key.length);
    }

    /** 1 or 2. */
    public int version() {
        return header.version();
    }

    /** The volume's UUID as its maker wrote it. */
    public String uuid() {
        return header.uuid();
    }

    /** Where the encrypted disk begins in a raw image, bytes, a multiple of 512. */
    public long payloadOffset() {
        return header.payloadOffset();
    }

    /** Bytes of the encrypted disk; empty if it reaches to the file's end. */
    public OptionalLong payloadLength() {
        return header.payloadLength();
    }

    /** Bytes that are encrypted as a unit: 512, 1024, 2048 or 4096; in LUKS1 always 512. */
    public int sectorSize() {
        return header.sectorSize();
    }

    /** The cipher, until {@link #close}. */
    public SectorCipher cipher() {
        return cipher;
    }

    /** Wipes the key; the cipher can't be used any more. */
    @Override
    public void close() {
        cipher.close();
    }
}
