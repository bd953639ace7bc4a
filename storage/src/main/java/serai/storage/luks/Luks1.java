package serai.storage.luks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.UUID;
import serai.storage.DiskException;

/**
 * The header of LUKS1 (LUKS On-Disk Format Specification 1.2.3, §2.3; numbers are big-endian, offsets in sectors of 512 bytes).
 *
 * <pre>
 *    0  magic "LUKS" ba be        6  version, 2 bytes
 *    8  cipher name, 32          40  cipher mode, 32         72  hash, 32
 *  104  payload offset, 4       108  bytes of the key, 4
 *  112  digest of the key, 20   132  its salt, 32           164  its iterations, 4
 *  168  UUID, 40
 *  208  eight key slots of 48 bytes:
 *         0  state, 4: 00ac71f3 in use, 0000dead not
 *         4  iterations, 4      8  salt, 32     40  key material offset, 4     44  stripes, 4
 * </pre>
 *
 * The key material of each slot has its place whether the slot is in use or not, before the payload.
 */
final class Luks1 {
    private static final int SLOTS = 8;
    private static final int SALT = LuksOptions.SALT;
    private static final int DIGEST = 20;

    private static final int BYTES = 592;
    private static final int CIPHER = 8;
    private static final int MODE = 40;
    private static final int HASH = 72;
    private static final int NAME = 32;
    private static final int PAYLOAD = 104;
    private static final int KEY_BYTES = 108;
    private static final int KEY_DIGEST = 112;
    private static final int KEY_SALT = 132;
    private static final int KEY_ITERATIONS = 164;
    private static final int UUID_AT = 168;
    private static final int UUID_BYTES = 40;
    private static final int SLOT = 208;
    private static final int SLOT_BYTES = 48;
    private static final int IN_USE = 0x00ac71f3;
    private static final int NOT_IN_USE = 0x0000dead;

    private static final int SECTOR = 512;
    /** Where the first key material stands, and what each is rounded up to, as others make it. */
    private static final int ALIGNMENT = 4096;

    private Luks1() {}

    static LuksHeader read(HeaderFile from) throws IOException {
        byte[] bytes = from.read(0, BYTES);
        ByteBuffer b = ByteBuffer.wrap(bytes);
        long payload = u32(b, PAYLOAD) * SECTOR;
        try {
            CipherSpec spec = CipherSpec.parse(
                    HeaderFile.text(bytes, CIPHER, NAME) + "-" + HeaderFile.text(bytes, MODE, NAME), u32(b, KEY_BYTES));
            String hashName = HeaderFile.text(bytes, HASH, NAME);
            LuksHash hash = LuksHash.named(hashName)
                    .orElseThrow(() -> new Unsupported("hash '" + hashName + "'; there are " + LuksHash.words()));
            if (payload < BYTES) {
                throw from.damaged("the disk begins at byte %d, inside the header", payload);
            }
            KeyDigest digest = new KeyDigest(
                    hash,
                    iterations(from, u32(b, KEY_ITERATIONS)),
                    Arrays.copyOfRange(bytes, KEY_SALT, KEY_SALT + SALT),
                    Arrays.copyOfRange(bytes, KEY_DIGEST, KEY_DIGEST + DIGEST));
            return new LuksHeader(
                    1,
                    HeaderFile.text(bytes, UUID_AT, UUID_BYTES),
                    spec,
                    SECTOR,
                    payload,
                    OptionalLong.empty(),
                    0,
                    digest,
                    slots(from, bytes, spec, hash, payload),
                    List.of());
        } catch (Unsupported e) {
            throw from.unsupported(e);
        }
    }

    /** Checks all, those not in use, too: their places may be written when a passphrase is added. */
    private static List<KeySlot> slots(HeaderFile from, byte[] bytes, CipherSpec spec, LuksHash hash, long payload)
            throws IOException {
        ByteBuffer b = ByteBuffer.wrap(bytes);
        List<KeySlot> used = new ArrayList<>();
        List<KeyMaterial> places = new ArrayList<>();
        for (int i = 0; i < SLOTS; i++) {
            int at = SLOT + i * SLOT_BYTES;
            int state = b.getInt(at);
            if (state != IN_USE && state != NOT_IN_USE) {
                throw from.damaged("key slot %d is neither in use nor not (0x%08x)", i, state);
            }
            long stripes = u32(b, at + 44);
            if (stripes < 1 || stripes > KeyMaterial.MAX_STRIPES) {
                throw from.damaged(
                        "key slot %d has %d stripes, and there are 1 to %d", i, stripes, KeyMaterial.MAX_STRIPES);
            }
            KeyMaterial material = material(b, i, spec, hash);
            long end = material.offset() + material.bytes();
            if (material.offset() < BYTES || end > payload) {
                throw from.damaged(
                        "key slot %d has its key at byte %d+%d, not between the header and the disk",
                        i, material.offset(), material.bytes());
            }
            for (int k = 0; k < places.size(); k++) {
                KeyMaterial other = places.get(k);
                if (material.offset() < other.offset() + other.bytes() && other.offset() < end) {
                    throw from.damaged("key slots %d and %d have their keys in the same place", k, i);
                }
            }
            places.add(material);
            if (state == IN_USE) {
                if (end > from.size()) {
                    throw from.damaged("key slot %d has its key behind the end of the file", i);
                }
                used.add(new KeySlot(
                        i,
                        new Kdf.Pbkdf2Kdf(
                                hash,
                                iterations(from, u32(b, at + 4)),
                                Arrays.copyOfRange(bytes, at + 8, at + 8 + SALT)),
                        spec.keyBytes(),
                        material));
            }
        }
        return used;
    }

    private static long iterations(HeaderFile from, long n) throws IOException {
        if (n < 1) {
            throw from.damaged("a key is derived by 0 iterations");
        }
        return n;
    }

    private static long u32(ByteBuffer b, int at) {
        return b.getInt(at) & 0xffff_ffffL;
    }

    /** Bytes from the header's start to the disk, in a new volume with keys of that size. */
    static long payloadOffset(int keyBytes) {
        return ALIGNMENT + (long) SLOTS * materialBytes(keyBytes);
    }

    private static int materialBytes(int keyBytes) {
        return (keyBytes * KeyMaterial.STRIPES + ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Writes a new header, with the passphrase in key slot 0. */
    static void create(HeaderFile to, LuksOptions options, byte[] passphrase, byte[] key, SecureRandom random)
            throws IOException {
        CipherSpec spec = options.spec();
        KeyDigest digest = options.digest(key, DIGEST, random);
        KeySlot slot = new KeySlot(
                0,
                options.pbkdf2(digest.hash(), spec.keyBytes(), random),
                spec.keyBytes(),
                new KeyMaterial(ALIGNMENT, spec, spec.keyBytes(), KeyMaterial.STRIPES, digest.hash()));
        slot.store(to, passphrase, key, random);

        byte[] bytes = new byte[ALIGNMENT];
        ByteBuffer b = ByteBuffer.wrap(bytes);
        b.put(0, LuksHeader.magic()).putShort(6, (short) 1);
        put(b, CIPHER, "aes");
        put(b, MODE, spec.mode());
        put(b, HASH, digest.hash().word());
        b.putInt(PAYLOAD, (int) (payloadOffset(spec.keyBytes()) / SECTOR)).putInt(KEY_BYTES, spec.keyBytes());
        b.put(KEY_DIGEST, digest.digest()).put(KEY_SALT, digest.salt()).putInt(KEY_ITERATIONS, (int)
                digest.iterations());
        put(b, UUID_AT, UUID.randomUUID().toString());
        for (int i = 0; i < SLOTS; i++) {
            int at = SLOT + i * SLOT_BYTES;
            b.putInt(at, NOT_IN_USE)
                    .putInt(at + 40, (ALIGNMENT + i * materialBytes(spec.keyBytes())) / SECTOR)
                    .putInt(at + 44, KeyMaterial.STRIPES);
        }
        putSlot(b, slot);
        to.write(0, bytes);
        to.file().flush();
    }

    /** Puts a passphrase into the first slot that is not in use; its number. */
    static int add(
            HeaderFile to, LuksHeader header, LuksOptions how, byte[] passphrase, byte[] key, SecureRandom random)
            throws IOException {
        byte[] bytes = to.read(0, BYTES);
        ByteBuffer b = ByteBuffer.wrap(bytes);
        int number = 0;
        while (b.getInt(SLOT + number * SLOT_BYTES) == IN_USE) {
            if (++number == SLOTS) {
                throw new DiskException("disk " + to.file().path() + " has all of its " + SLOTS + " key slots in use");
            }
        }
        LuksHash hash = header.digest().hash();
        KeySlot slot = new KeySlot(
                number, how.pbkdf2(hash, key.length, random), key.length, material(b, number, header.spec(), hash));
        slot.store(to, passphrase, key, random);
        to.file().flush();
        putSlot(b, slot);
        to.write(0, bytes);
        to.file().flush();
        return number;
    }

    /** Takes a slot out of use; first its salt, without which the key that stands there can't be had either. */
    static void remove(HeaderFile in, KeySlot slot, SecureRandom random) throws IOException {
        byte[] bytes = in.read(0, BYTES);
        int at = SLOT + slot.number() * SLOT_BYTES;
        ByteBuffer.wrap(bytes).putInt(at, NOT_IN_USE).putInt(at + 4, 0).put(at + 8, new byte[SALT]);
        in.write(0, bytes);
        in.file().flush();
        slot.material().destroy(in, random);
        in.file().flush();
    }

    private static KeyMaterial material(ByteBuffer b, int slot, CipherSpec spec, LuksHash hash) {
        int at = SLOT + slot * SLOT_BYTES;
        return new KeyMaterial(u32(b, at + 40) * SECTOR, spec, spec.keyBytes(), (int) u32(b, at + 44), hash);
    }

    private static void putSlot(ByteBuffer b, KeySlot slot) {
        int at = SLOT + slot.number() * SLOT_BYTES;
        Kdf.Pbkdf2Kdf kdf = (Kdf.Pbkdf2Kdf) slot.kdf();
        b.putInt(at, IN_USE).putInt(at + 4, (int) kdf.iterations()).put(at + 8, kdf.salt());
    }

    private static void put(ByteBuffer b, int at, String s) {
        b.put(at, s.getBytes(StandardCharsets.US_ASCII));
    }
}
