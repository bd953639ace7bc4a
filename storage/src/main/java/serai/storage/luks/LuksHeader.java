package serai.storage.luks;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import serai.storage.DiskException;

/**
 * What a header of either version says, checked.
 *
 * @param payloadOffset where the encrypted disk begins in the file, bytes
 * @param payloadLength bytes of the disk; empty if it reaches to the file's end
 * @param firstSector what is added to a sector's number for its vector
 * @param slots those in use, in the order they are tried
 * @param unusable what is said of those that can't be tried, "key slot 3 with …"
 */
record LuksHeader(
        int version,
        String uuid,
        CipherSpec spec,
        int sectorSize,
        long payloadOffset,
        OptionalLong payloadLength,
        long firstSector,
        KeyDigest digest,
        List<KeySlot> slots,
        List<String> unusable) {

    private static final byte[] MAGIC = {'L', 'U', 'K', 'S', (byte) 0xba, (byte) 0xbe};

    /** The first six bytes of a volume. */
    static byte[] magic() {
        return MAGIC.clone();
    }

    /**
     * Reads one.
     *
     * @throws DiskException if there is none, it is damaged, or asks for what is not here
     */
    static LuksHeader read(HeaderFile from) throws IOException {
        byte[] head = from.read(0, 8);
        boolean magic = Arrays.equals(head, 0, 6, MAGIC, 0, 6);
        int version = (head[6] & 0xff) << 8 | head[7] & 0xff;
        if (magic && version == 1) {
            return Luks1.read(from);
        }
        if (!magic || version == 2) { // the first header of LUKS2 may be lost, and the second do
            Optional<Luks2Header> luks2 = Luks2Header.read(from);
            if (luks2.isPresent()) {
                return Luks2.read(from, luks2.get());
            }
            throw new DiskException("disk " + from.file().path() + " is no LUKS volume");
        }
        throw new DiskException(
                "disk " + from.file().path() + " is a LUKS volume of version " + version + "; 1 and 2 are supported");
    }

    /** A slot that a passphrase opened, and the key of the volume. */
    record Unlocked(KeySlot slot, byte[] key) {}

    /**
     * Finds the key of the volume.
     *
     * @throws DiskException if the passphrase opens no slot
     */
    Unlocked unlock(HeaderFile from, byte[] passphrase, WorkLimit limit) throws IOException {
        for (KeySlot slot : slots) {
            try {
                byte[] key = slot.open(from, passphrase, limit);
                if (digest.matches(key, limit)) {
                    return new Unlocked(slot, key);
                }
                Arrays.fill(key, (byte) 0);
            } catch (Unsupported e) {
                throw new DiskException(
                        "disk %s is a LUKS volume whose key slot %d comes with %s"
                                .formatted(from.file().path(), slot.number(), e.getMessage()),
                        e);
            }
        }
        if (slots.isEmpty()) {
            throw new DiskException("disk " + from.file().path() + " is a LUKS volume without a key slot in use");
        }
        throw new DiskException(
                "the passphrase opens no key slot of disk " + from.file().path()
                        + (unusable.isEmpty() ? "" : ", which also has " + String.join(" and ", unusable)));
    }
}
