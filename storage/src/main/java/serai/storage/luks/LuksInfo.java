package serai.storage.luks;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/**
 * What the header of a volume tells without a passphrase.
 *
 * @param version 1 or 2
 * @param uuid as its maker wrote it
 * @param cipher as dm-crypt writes it, {@code aes-xts-plain64}
 * @param keyBits of the volume's key; of XTS both keys
 * @param hash of the digest of the key
 * @param sectorSize bytes that are encrypted as a unit
 * @param payloadOffset where the encrypted disk begins, bytes
 * @param slots those in use, by number
 */
public record LuksInfo(
        int version,
        String uuid,
        String cipher,
        int keyBits,
        String hash,
        int sectorSize,
        long payloadOffset,
        List<Slot> slots) {
    /**
     * A key slot.
     *
     * @param number from 0
     * @param derivation how a passphrase becomes its key, for people
     * @param offset where the split key stands, bytes
     * @param stripes of the split key
     */
    public record Slot(int number, String derivation, long offset, int stripes) {}

    /**
     * Reads a header.
     *
     * @throws DiskException in one sentence if there is none, it is damaged or asks for what is not here
     */
    public static LuksInfo read(ImageFile file) throws IOException {
        LuksHeader h = LuksHeader.read(HeaderFile.of(file));
        List<Slot> slots = new ArrayList<>();
        for (KeySlot s : h.slots()) {
            slots.add(new Slot(
                    s.number(),
                    s.kdf().description(),
                    s.material().offset(),
                    s.material().stripes()));
        }
        slots.sort(Comparator.comparingInt(Slot::number));
        return new LuksInfo(
                h.version(),
                h.uuid(),
                h.spec().toString(),
                h.spec().keyBytes() * 8,
                h.digest().hash().word(),
                h.sectorSize(),
                h.payloadOffset(),
                List.copyOf(slots));
    }
}
