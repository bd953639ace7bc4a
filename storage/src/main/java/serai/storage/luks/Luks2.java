package serai.storage.luks;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import serai.storage.DiskException;

/**
 * What the JSON of a LUKS2 header says (specification §3): key slots, the digest that binds them to a segment, and the one segment of the
 * disk, of type crypt.
 */
final class Luks2 {
    /** Of key slots, digests and segments, as cryptsetup has it. */
    static final int MOST = 32;

    private static final int SECTOR = 512;
    private static final int MOST_LANES = 16;
    private static final int IGNORED = 0;
    private static final int NORMAL = 1;
    private static final int PREFERRED = 2;

    private final HeaderFile from;
    private final Luks2Header header;
    private final Json root;

    Luks2(HeaderFile from, Luks2Header header) throws DiskException {
        this.from = from;
        this.header = header;
        this.root = Json.parse(from, header.text());
    }

    Json root() {
        return root;
    }

    static LuksHeader read(HeaderFile from, Luks2Header header) throws IOException {
        return new Luks2(from, header).header();
    }

    /** A stretch of the file that a key slot has. */
    record Area(int slot, long offset, long size) {
        boolean overlaps(Area other) {
            return offset < other.offset + other.size && other.offset < offset + size;
        }
    }

    private LuksHeader header() throws DiskException {
        try {
            List<String> required = root.object("config").has("requirements")
                    ? root.object("config").object("requirements").texts("mandatory")
                    : List.of();
            if (!required.isEmpty()) { // §3.6: online-reencrypt among them
                throw new Unsupported("the requirement '" + HeaderFile.printable(required.getFirst()) + "'");
            }
            List<Map.Entry<Integer, Json>> segments = root.object("segments").objects(MOST, "segment");
            if (segments.size() != 1) {
                throw new Unsupported(segments.size() + " segments; one is supported");
            }
            Json segment = segments.getFirst().getValue();
            if (!segment.text("type").equals("crypt")) {
                throw new Unsupported("a segment of type '" + segment.word("type") + "'; crypt is supported");
            }
            if (segment.has("integrity")) {
                throw new Unsupported("integrity protection");
            }
            return header(segments.getFirst().getKey(), segment);
        } catch (Unsupported e) {
            throw from.unsupported(e);
        }
    }

    private LuksHeader header(int number, Json segment) throws DiskException, Unsupported {
        int sectorSize = segment.number("sector_size");
        if (sectorSize < SECTOR || sectorSize > 4096 || Integer.bitCount(sectorSize) != 1) {
            throw from.damaged("segment %d has sectors of %d bytes", number, sectorSize);
        }
        long offset = segment.longNumber("offset");
        OptionalLong length = segment.text("size").equals("dynamic")
                ? OptionalLong.empty()
                : OptionalLong.of(segment.longNumber("size"));
        if (offset < 2L * header.bytes() || offset % SECTOR != 0 || length.orElse(sectorSize) % sectorSize != 0) {
            throw from.damaged("segment %d is at byte %d, and no whole sectors behind the header", number, offset);
        }
        areas(); // checks them all
        Json digest = digest(number);
        List<String> bound = digest.texts("keyslots");
        List<KeySlot> slots = new ArrayList<>();
        List<KeySlot> preferred = new ArrayList<>();
        List<String> unusable = new ArrayList<>();
        for (Map.Entry<Integer, Json> slot : root.object("keyslots").objects(MOST, "key slot")) {
            int priority = slot.getValue().has("priority") ? slot.getValue().number("priority") : NORMAL;
            if (bound.contains(String.valueOf(slot.getKey())) && priority != IGNORED) {
                try {
                    (priority == PREFERRED ? preferred : slots).add(slot(slot.getKey(), slot.getValue(), offset));
                } catch (Unsupported e) {
                    unusable.add("key slot " + slot.getKey() + " with " + e.getMessage());
                }
            }
        }
        preferred.addAll(slots);
        if (preferred.isEmpty()) {
            if (unusable.isEmpty()) {
                throw noSlot();
            }
            throw new Unsupported(String.join(" and ", unusable));
        }
        int keyBytes = preferred.getFirst().material().keyBytes();
        if (preferred.stream().anyMatch(s -> s.material().keyBytes() != keyBytes)) {
            throw from.damaged("its key slots have keys of several sizes for one disk");
        }
        return new LuksHeader(
                2,
                header.uuid(),
                CipherSpec.parse(segment.text("encryption"), keyBytes),
                sectorSize,
                offset,
                length,
                segment.longNumber("iv_tweak"),
                keyDigest(digest),
                List.copyOf(preferred),
                List.copyOf(unusable));
    }

    private KeyDigest keyDigest(Json digest) throws DiskException, Unsupported {
        LuksHash hash = hash(digest, "hash");
        byte[] value = digest.base64("digest", LuksHash.SHA512.bytes());
        if (value.length != hash.bytes()) { // a shorter one would let wrong keys pass
            throw from.damaged(
                    "%s has %d bytes, and %s has %d", digest.where(), value.length, hash.word(), hash.bytes());
        }
        return new KeyDigest(hash, iterations(digest), digest.base64("salt", 512), value);
    }

    private DiskException noSlot() {
        return new DiskException("disk " + from.file().path() + " is a LUKS volume without a key slot in use");
    }

    /** The one that belongs to a segment. */
    Json digest(int segment) throws DiskException, Unsupported {
        for (Map.Entry<Integer, Json> d : root.object("digests").objects(MOST, "digest")) {
            if (d.getValue().texts("segments").contains(String.valueOf(segment))) {
                if (!d.getValue().text("type").equals("pbkdf2")) {
                    throw new Unsupported("a digest of type '" + d.getValue().word("type") + "'; pbkdf2 is supported");
                }
                return d.getValue();
            }
        }
        throw from.damaged("segment %d has no digest", segment);
    }

    /** The areas of all key slots, which lie between the headers and the disk, and not over each other. */
    List<Area> areas() throws DiskException {
        long start = 2L * header.bytes();
        long end = endOfAreas();
        List<Area> all = new ArrayList<>();
        for (Map.Entry<Integer, Json> slot : root.object("keyslots").objects(MOST, "key slot")) {
            Json json = slot.getValue().object("area");
            Area area = new Area(slot.getKey(), json.longNumber("offset"), json.longNumber("size"));
            if (area.offset < start || area.size < 1 || area.size > end - area.offset) {
                throw from.damaged(
                        "key slot %d has its key at byte %d+%d, not in the area for keys",
                        area.slot, area.offset, area.size);
            }
            for (Area other : all) {
                if (area.overlaps(other)) {
                    throw from.damaged("key slots %d and %d have their keys in the same place", other.slot, area.slot);
                }
            }
            all.add(area);
        }
        all.sort(Comparator.comparingLong(Area::offset));
        return all;
    }

    long endOfAreas() throws DiskException {
        return 2L * header.bytes() + root.object("config").longNumber("keyslots_size");
    }

    private KeySlot slot(int number, Json slot, long payload) throws DiskException, Unsupported {
        if (!slot.text("type").equals("luks2")) {
            throw new Unsupported("type '" + slot.word("type") + "'; luks2 is supported");
        }
        Json area = slot.object("area");
        if (!area.text("type").equals("raw")) {
            throw new Unsupported("an area of type '" + area.word("type") + "'; raw is supported");
        }
        Json af = slot.object("af");
        if (!af.text("type").equals("luks1")) {
            throw new Unsupported("a splitter of type '" + af.word("type") + "'; luks1 is supported");
        }
        int keyBytes = slot.number("key_size");
        int stripes = af.number("stripes");
        if (keyBytes < 1 || keyBytes > 512 || stripes < 1 || stripes > KeyMaterial.MAX_STRIPES) {
            throw from.damaged("key slot %d has %d stripes of %d bytes", number, stripes, keyBytes);
        }
        CipherSpec spec = CipherSpec.parse(area.text("encryption"), area.number("key_size"));
        KeyMaterial material = new KeyMaterial(area.longNumber("offset"), spec, keyBytes, stripes, hash(af, "hash"));
        long end = material.offset() + material.bytes();
        if (material.bytes() > area.longNumber("size") || end > payload || end > from.size()) {
            throw from.damaged(
                    "key slot %d has %d bytes of keys at byte %d, for which there is no room",
                    number, material.bytes(), material.offset());
        }
        return new KeySlot(number, kdf(number, slot.object("kdf")), spec.keyBytes(), material);
    }

    private Kdf kdf(int number, Json kdf) throws DiskException, Unsupported {
        byte[] salt = kdf.base64("salt", 512);
        for (Argon2.Type type : Argon2.Type.values()) {
            if (kdf.text("type").equals(type.word())) {
                int passes = kdf.number("time");
                int memory = kdf.number("memory");
                int lanes = kdf.number("cpus");
                if (passes < 1 || lanes < 1 || lanes > MOST_LANES || memory < 8 * lanes) {
                    throw from.damaged(
                            "key slot %d has %d passes of Argon2 over %d KiB in %d lanes",
                            number, passes, memory, lanes);
                }
                return new Kdf.Argon2Kdf(type, passes, memory, lanes, salt);
            }
        }
        if (!kdf.text("type").equals("pbkdf2")) {
            throw new Unsupported("keys by '" + kdf.word("type") + "'; pbkdf2, argon2i and argon2id are supported");
        }
        return new Kdf.Pbkdf2Kdf(hash(kdf, "hash"), iterations(kdf), salt);
    }

    private long iterations(Json of) throws DiskException {
        int n = of.number("iterations");
        if (n < 1) {
            throw from.damaged("%s has 0 iterations", of.where());
        }
        return n;
    }

    private static LuksHash hash(Json of, String name) throws DiskException, Unsupported {
        String word = of.word(name);
        return LuksHash.named(word)
                .orElseThrow(() -> new Unsupported("hash '" + word + "'; there are " + LuksHash.words()));
    }
}
