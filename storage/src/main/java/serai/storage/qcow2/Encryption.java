package serai.storage.qcow2;

import java.io.IOException;
import java.util.Arrays;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.Opening;
import serai.storage.luks.LuksOptions;
import serai.storage.luks.LuksVolume;

/** The LUKS header inside an image (header extension 0x0537be77); clusters are encrypted by where they stand in the file. */
final class Encryption {
    private Encryption() {}

    /**
     * Opens it by the passphrase that belongs to the image.
     *
     * @throws DiskException if there is none, or it is not the one
     */
    static LuksVolume open(ImageFile file, Header header, Opening opening) throws IOException {
        Header.Place place = header.crypto;
        if (place == null
                || place.offset() < 0
                || place.length() < 512
                || place.length() > file.size() - place.offset()) {
            throw new DiskException(file.path() + " says that it is encrypted, and has no encryption header");
        }
        byte[] passphrase = opening.passphrase(file.path())
                .orElseThrow(
                        () -> new DiskException(file.path() + " is encrypted, and no passphrase was given for it"));
        try {
            LuksVolume v = LuksVolume.open(new HeaderArea(file, place.offset(), place.length()), passphrase);
            if (v.sectorSize() != 512) {
                v.close();
                throw new DiskException(
                        file.path() + " is encrypted in sectors of " + v.sectorSize() + " bytes, and qcow2 has 512");
            }
            return v;
        } finally {
            Arrays.fill(passphrase, (byte) 0);
        }
    }

    static void create(ImageFile file, Header header, LuksOptions options, byte[] passphrase) throws IOException {
        Header.Place place = header.crypto;
        if (place == null) {
            throw new IllegalStateException("no place for the encryption header");
        }
        LuksVolume.create(new HeaderArea(file, place.offset(), place.length()), options, passphrase)
                .close();
    }
}
