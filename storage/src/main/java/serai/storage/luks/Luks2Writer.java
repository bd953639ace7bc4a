package serai.storage.luks;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.Base64;
import serai.storage.DiskException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Makes headers of LUKS2 and changes their key slots. */
final class Luks2Writer {
    /** Where the disk begins in a new volume, as in cryptsetup's. */
    static final int PAYLOAD = 16 << 20;

    private static final int ALIGNMENT = 4096;
    private static final int SEGMENT = 0;

    private Luks2Writer() {}

    /** Writes a new header, with the passphrase in key slot 0. */
    static void create(HeaderFile to, LuksOptions options, byte[] passphrase, byte[] key, SecureRandom random)
            throws IOException {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        root.putObject("keyslots");
        root.putObject("tokens");
        root.putObject("segments")
                .putObject("0")
                .put("type", "crypt")
                .put("offset", String.valueOf(PAYLOAD))
                .put("size", "dynamic")
                .put("iv_tweak", "0")
                .put("encryption", options.spec().toString())
                .put("sector_size", options.sectorSize());
        LuksHash hash = LuksHash.named(options.hash()).orElseThrow();
        KeyDigest digest = options.digest(key, hash.bytes(), random);
        ObjectNode d = root.putObject("digests")
                .putObject("0")
                .put("type", "pbkdf2")
                .put("hash", digest.hash().word())
                .put("iterations", (int) digest.iterations())
                .put("salt", base64(digest.salt()))
                .put("digest", base64(digest.digest()));
        d.putArray("keyslots");
        d.putArray("segments").add(String.valueOf(SEGMENT));
        root.putObject("config")
                .put("json_size", String.valueOf(Luks2Header.LEAST - Luks2Header.BINARY))
                .put("keyslots_size", String.valueOf(PAYLOAD - 2 * Luks2Header.LEAST));
        Luks2Header empty = Luks2Header.create(new Json(to, "metadata", root).bytes());
        add(to, empty, options.spec(), options, passphrase, key, random);
    }

    /** Puts a passphrase into the first slot that is not in use; its number. */
    static int add(
            HeaderFile to, LuksHeader header, LuksOptions how, byte[] passphrase, byte[] key, SecureRandom random)
            throws IOException {
        return add(to, Luks2Header.read(to).orElseThrow(), header.spec(), how, passphrase, key, random);
    }

    private static int add(
            HeaderFile to,
            Luks2Header header,
            CipherSpec spec,
            LuksOptions how,
            byte[] passphrase,
            byte[] key,
            SecureRandom random)
            throws IOException {
        Luks2 luks = new Luks2(to, header);
        Json root = luks.root();
        ObjectNode slots = root.object("keyslots").node();
        int number = 0;
        while (slots.has(String.valueOf(number))) {
            number++;
        }
        int size = (key.length * KeyMaterial.STRIPES + ALIGNMENT - 1) & -ALIGNMENT;
        long offset = room(luks, header, size);
        if (number >= Luks2.MOST || offset < 0) {
            throw new DiskException("disk " + to.file().path() + " has no room for another key slot");
        }
        LuksHash hash = LuksHash.named(how.hash()).orElseThrow();
        KeySlot slot = new KeySlot(
                number,
                how.kdf(spec.keyBytes(), random),
                spec.keyBytes(),
                new KeyMaterial(offset, spec, key.length, KeyMaterial.STRIPES, hash));
        slot.store(to, passphrase, key, random);
        to.file().flush();
        describe(slots.putObject(String.valueOf(number)), slot, size);
        try {
            bound(luks).add(String.valueOf(number));
        } catch (Unsupported e) {
            throw to.unsupported(e);
        }
        new Luks2Header(header.bytes(), header.head(), root.bytes()).write(to, random);
        return number;
    }

    private static ArrayNode bound(Luks2 luks) throws DiskException, Unsupported {
        return (ArrayNode) luks.digest(segment(luks)).node().get("keyslots");
    }

    private static int segment(Luks2 luks) throws DiskException {
        return luks.root()
                .object("segments")
                .objects(Luks2.MOST, "segment")
                .getFirst()
                .getKey();
    }

    /** The first place between the areas of other slots; -1 if there is none. */
    private static long room(Luks2 luks, Luks2Header header, int size) throws DiskException {
        long at = 2L * header.bytes();
        for (Luks2.Area area : luks.areas()) {
            if (area.offset() - at >= size) {
                break;
            }
            at = (area.offset() + area.size() + ALIGNMENT - 1) & -ALIGNMENT;
        }
        return size <= luks.endOfAreas() - at ? at : -1;
    }

    private static void describe(ObjectNode to, KeySlot slot, int size) {
        KeyMaterial material = slot.material();
        to.put("type", "luks2").put("key_size", material.keyBytes());
        to.putObject("af")
                .put("type", "luks1")
                .put("stripes", material.stripes())
                .put("hash", material.hash().word());
        to.putObject("area")
                .put("type", "raw")
                .put("offset", String.valueOf(material.offset()))
                .put("size", String.valueOf(size))
                .put("encryption", material.spec().toString())
                .put("key_size", slot.keyBytes());
        ObjectNode kdf = to.putObject("kdf");
        switch (slot.kdf()) {
            case Kdf.Pbkdf2Kdf k ->
                kdf.put("type", "pbkdf2")
                        .put("hash", k.hash().word())
                        .put("iterations", (int) k.iterations())
                        .put("salt", base64(k.salt()));
            case Kdf.Argon2Kdf k ->
                kdf.put("type", k.type().word())
                        .put("time", k.passes())
                        .put("memory", k.memory())
                        .put("cpus", k.lanes())
                        .put("salt", base64(k.salt()));
        }
    }

    /** Takes a slot out of use; first its salt, without which the key that stands there can't be had either. */
    static void remove(HeaderFile in, KeySlot slot, SecureRandom random) throws IOException {
        Luks2Header header = Luks2Header.read(in).orElseThrow();
        Luks2 luks = new Luks2(in, header);
        String number = String.valueOf(slot.number());
        luks.root().object("keyslots").node().remove(number);
        for (String of : new String[] {"digests", "tokens"}) {
            if (luks.root().has(of)) {
                for (var d : luks.root().object(of).objects(Luks2.MOST, of)) {
                    if (d.getValue().node().get("keyslots") instanceof ArrayNode list) {
                        list.removeIf(n -> n.isString() && n.stringValue().equals(number));
                    }
                }
            }
        }
        new Luks2Header(header.bytes(), header.head(), luks.root().bytes()).write(in, random);
        slot.material().destroy(in, random);
        in.file().flush();
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
