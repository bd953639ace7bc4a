package serai.storage.luks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;

/**
 * The binary header of LUKS2 and the area of JSON text behind it (LUKS2 On-Disk Format Specification 1.1, §2.1; numbers are big-endian).
 *
 * <pre>
 *    0  magic "LUKS" ba be, in the second header "SKUL" ba be      6  version, 2 bytes
 *    8  bytes of the header with its JSON, 8                      16  sequence number, 8
 *   24  label, 48        72  checksum algorithm, 32              104  salt, 64
 *  168  UUID, 40        208  subsystem, 48                       256  position of this header in the file, 8
 *  448  checksum of header and JSON, taken with zeros here, 64
 * 4096  JSON
 * </pre>
 *
 * There are two, the second right behind the first. That with a right checksum and the higher sequence number counts, so a change that the
 * host did not finish is either not there or whole.
 *
 * @param bytes of one header with its JSON: 16 KiB to 4 MiB, a power of two
 * @param head the binary header
 * @param text the JSON
 */
record Luks2Header(int bytes, byte[] head, byte[] text) {
    /** Without the JSON. */
    static final int BINARY = 4096;

    static final int LEAST = 16 << 10;
    static final int MOST = 4 << 20;

    private static final byte[] SECOND_MAGIC = {'S', 'K', 'U', 'L', (byte) 0xba, (byte) 0xbe};
    private static final int VERSION = 2;
    private static final int LENGTH = 8;
    private static final int SEQUENCE = 16;
    private static final int ALGORITHM = 72;
    private static final int ALGORITHM_BYTES = 32;
    private static final int SALT = 104;
    private static final int SALT_BYTES = 64;
    private static final int UUID_AT = 168;
    private static final int UUID_BYTES = 40;
    private static final int POSITION = 256;
    private static final int CHECKSUM = 448;
    private static final int CHECKSUM_BYTES = 64;

    /**
     * Reads the one that counts.
     *
     * @return empty if neither has so much as its magic
     * @throws DiskException if there is one, but none that is sound
     */
    static Optional<Luks2Header> read(HeaderFile from) throws IOException {
        DiskException why = null;
        Luks2Header first = null;
        if (hasMagic(from, 0, LuksHeader.magic())) {
            try {
                first = one(from, 0);
            } catch (DiskException e) {
                why = e;
            }
        }
        // where the second is, is known only from a sound first
        int least = first == null ? LEAST : first.bytes();
        int most = first == null ? MOST : first.bytes();
        Luks2Header second = null;
        for (int at = least; at <= most && second == null; at *= 2) {
            if (hasMagic(from, at, SECOND_MAGIC)) {
                try {
                    second = one(from, at);
                } catch (DiskException e) {
                    why = why == null ? e : why;
                }
            }
        }
        if (first == null && second == null && why != null) {
            throw why;
        }
        return Optional.ofNullable(newer(first, second));
    }

    private static @Nullable Luks2Header newer(@Nullable Luks2Header first, @Nullable Luks2Header second) {
        return first == null || second != null && Long.compareUnsigned(second.sequence(), first.sequence()) > 0
                ? second
                : first;
    }

    private static boolean hasMagic(HeaderFile from, int at, byte[] magic) throws IOException {
        byte[] head = from.read(at, 8);
        return Arrays.equals(head, 0, 6, magic, 0, 6) && head[6] == 0 && head[7] == VERSION;
    }

    private static Luks2Header one(HeaderFile from, int at) throws IOException {
        byte[] head = from.read(at, BINARY);
        ByteBuffer b = ByteBuffer.wrap(head);
        String which = at == 0 ? "the first header" : "the second header";
        long bytes = b.getLong(LENGTH);
        if (bytes < LEAST || bytes > MOST || Long.bitCount(bytes) != 1) {
            throw from.damaged("%s has %d bytes, and a power of two from %d to %d is right", which, bytes, LEAST, MOST);
        }
        if (b.getLong(POSITION) != at || at != 0 && at != bytes) {
            throw from.damaged("%s says that it is at byte %d, and is at %d", which, b.getLong(POSITION), at);
        }
        String algorithm = HeaderFile.text(head, ALGORITHM, ALGORITHM_BYTES);
        Optional<LuksHash> hash = LuksHash.named(algorithm);
        if (hash.isEmpty()) {
            throw from.damaged("%s has a checksum by '%s'; there are %s", which, algorithm, LuksHash.words());
        }
        byte[] text = from.read(at + BINARY, (int) bytes - BINARY);
        byte[] checksum =
                Arrays.copyOfRange(head, CHECKSUM, CHECKSUM + hash.get().bytes());
        if (!Arrays.equals(checksum, checksum(hash.get(), head, text))) {
            throw from.damaged("%s has a wrong checksum", which);
        }
        return new Luks2Header((int) bytes, head, untilZero(text));
    }

    private static byte[] untilZero(byte[] text) {
        int n = 0;
        while (n < text.length && text[n] != 0) {
            n++;
        }
        return Arrays.copyOf(text, n);
    }

    private static byte[] checksum(LuksHash hash, byte[] head, byte[] text) {
        byte[] without = head.clone();
        Arrays.fill(without, CHECKSUM, CHECKSUM + CHECKSUM_BYTES, (byte) 0);
        MessageDigest d = hash.digest();
        d.update(without);
        return d.digest(text);
    }

    /** Counts how often the header was written. */
    long sequence() {
        return ByteBuffer.wrap(head).getLong(SEQUENCE);
    }

    String uuid() {
        return HeaderFile.text(head, UUID_AT, UUID_BYTES);
    }

    /** For a new volume, not yet written. */
    static Luks2Header create(byte[] text) {
        byte[] head = new byte[BINARY];
        ByteBuffer b = ByteBuffer.wrap(head).putShort(6, (short) VERSION).putLong(LENGTH, LEAST);
        b.put(ALGORITHM, LuksHash.SHA256.word().getBytes(StandardCharsets.US_ASCII));
        b.put(UUID_AT, UUID.randomUUID().toString().getBytes(StandardCharsets.US_ASCII));
        return new Luks2Header(LEAST, head, text);
    }

    /**
     * Writes both with the next sequence number, the second when the first is durable.
     *
     * @throws DiskException if the text has no room
     */
    void write(HeaderFile to, SecureRandom random) throws IOException {
        if (text.length >= bytes - BINARY) {
            throw new DiskException(
                    "disk " + to.file().path() + " has no room in its LUKS header for another key slot");
        }
        writeOne(to, 0, LuksHeader.magic(), random);
        writeOne(to, bytes, SECOND_MAGIC, random);
    }

    private void writeOne(HeaderFile to, int at, byte[] magic, SecureRandom random) throws IOException {
        byte[] salt = new byte[SALT_BYTES];
        random.nextBytes(salt);
        byte[] whole = Arrays.copyOf(head, bytes);
        Arrays.fill(whole, CHECKSUM, CHECKSUM + CHECKSUM_BYTES, (byte) 0);
        ByteBuffer b = ByteBuffer.wrap(whole).put(0, magic).putLong(SEQUENCE, sequence() + 1);
        b.put(SALT, salt).putLong(POSITION, at).put(BINARY, text);
        LuksHash hash = LuksHash.named(HeaderFile.text(head, ALGORITHM, ALGORITHM_BYTES))
                .orElseThrow();
        b.put(CHECKSUM, hash.digest().digest(whole));
        to.write(at, whole);
        to.file().flush();
    }
}
