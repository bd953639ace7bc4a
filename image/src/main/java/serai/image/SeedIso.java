package serai.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * A seed for cloud-init (its data source NoCloud): an ISO 9660 image named {@code cidata} with a few small files in its root, whose real names stand in
 * Rock Ridge entries.
 *
 * <pre>
 * sector 16 primary volume descriptor | 17 terminator | 18, 19 path tables, little- and big-endian | 20 root directory | 21 … the files
 * </pre>
 *
 * ECMA-119 (clauses in brackets), IEEE P1281 (SUSP) and P1282 (RRIP).
 */
public final class SeedIso {
    private static final int SECTOR = 2048;
    private static final int DESCRIPTOR = 16, PATHS_L = 18, PATHS_M = 19, ROOT = 20, FIRST_FILE = 21;
    private static final String VOLUME = "cidata";
    private static final int MAX_FILE = 1 << 20;
    private static final int FILE_MODE = 0100400, DIRECTORY_MODE = 040500;

    private SeedIso() {}

    /**
     * The files of a seed.
     *
     * @param userData what the user gives, from {@code #cloud-config} or {@code #!} on
     * @param hostname of the guest
     */
    public static Map<String, byte[]> files(byte[] userData, String hostname) {
        // another instance to cloud-init, for which it works again, exactly if it is to do something else
        String id = UUID.nameUUIDFromBytes(userData).toString();
        return Map.of(
                "user-data",
                userData,
                "meta-data",
                ("instance-id: serai-" + id + "\nlocal-hostname: " + hostname + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /**
     * User data that lets keys in as root.
     *
     * @param keys lines of {@code authorized_keys}
     */
    public static byte[] letIn(List<String> keys) {
        StringBuilder b = new StringBuilder("#cloud-config\nusers: []\ndisable_root: false\nssh_authorized_keys:\n");
        // as a JSON string, which YAML takes
        keys.forEach(k -> b.append("  - \"")
                .append(k.replace("\\", "\\\\").replace("\"", "\\\""))
                .append("\"\n"));
        return b.toString().getBytes(StandardCharsets.UTF_8);
    }

    /**
     * Writes the image.
     *
     * @param files by name: together what fits into one directory sector, each at most 1 MiB
     */
    public static void write(Path image, Map<String, byte[]> files) throws IOException {
        List<String> names = files.keySet().stream().sorted().toList();
        List<Integer> starts = new ArrayList<>();
        int sectors = FIRST_FILE;
        for (String n : names) {
            byte[] content = files.getOrDefault(n, new byte[0]);
            if (content.length > MAX_FILE) {
                throw new IOException(n + " is too large for a seed: 1 MiB at most");
            }
            starts.add(sectors);
            sectors += Math.max(1, (content.length + SECTOR - 1) / SECTOR);
        }
        ByteBuffer b = ByteBuffer.allocate(sectors * SECTOR);
        descriptor(b, sectors);
        paths(b);
        b.position(ROOT * SECTOR);
        directory(b, new byte[] {0}, true);
        directory(b, new byte[] {1}, false);
        for (int i = 0; i < names.size(); i++) {
            byte[] content = files.getOrDefault(names.get(i), new byte[0]);
            file(b, names.get(i), i, starts.get(i), content.length);
            b.put(starts.get(i) * SECTOR, content);
        }
        if (b.position() > (ROOT + 1) * SECTOR) {
            throw new IOException(names.size() + " files are too many for a seed");
        }
        Files.write(image, b.array());
    }

    /** Primary volume descriptor (8.4) and the terminator (8.3). */
    private static void descriptor(ByteBuffer b, int sectors) {
        int at = DESCRIPTOR * SECTOR;
        b.position(at).put((byte) 1).put(ascii("CD001", 5)).put((byte) 1);
        b.position(at + 8).put(ascii("", 32)).put(ascii(VOLUME, 32));
        both32(b.position(at + 80), sectors);
        both16(b.position(at + 120), 1);
        both16(b, 1);
        both16(b, SECTOR);
        both32(b, 10); // bytes of a path table
        b.order(ByteOrder.LITTLE_ENDIAN).putInt(PATHS_L).putInt(0);
        b.order(ByteOrder.BIG_ENDIAN).putInt(PATHS_M).putInt(0);
        record(b, ROOT, SECTOR, true, new byte[] {0}, new byte[0]);
        b.position(at + 190).put(ascii("", 623));
        for (int i = 0; i < 4; i++) { // four dates (8.4.26.1): not given
            b.put(ascii("0000000000000000", 16)).put((byte) 0);
        }
        b.put((byte) 1);
        b.position(at + SECTOR).put((byte) 255).put(ascii("CD001", 5)).put((byte) 1);
    }

    /** The root is all that there is (9.4). */
    private static void paths(ByteBuffer b) {
        b.position(PATHS_L * SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        b.put((byte) 1).put((byte) 0).putInt(ROOT).putShort((short) 1);
        b.position(PATHS_M * SECTOR).order(ByteOrder.BIG_ENDIAN);
        b.put((byte) 1).put((byte) 0).putInt(ROOT).putShort((short) 1);
    }

    private static void directory(ByteBuffer b, byte[] name, boolean first) {
        ByteBuffer use = ByteBuffer.allocate(128);
        if (first) {
            use.put(ascii("SP", 2)).put(new byte[] {7, 1, (byte) 0xbe, (byte) 0xef, 0});
            use.put(ascii("ER", 2)).put(new byte[] {18, 1, 10, 0, 0, 1}).put(ascii("RRIP_1991A", 10));
        }
        attributes(use, DIRECTORY_MODE, 2);
        record(b, ROOT, SECTOR, true, name, taken(use));
    }

    private static void file(ByteBuffer b, String name, int number, int start, int length) {
        ByteBuffer use = ByteBuffer.allocate(256);
        byte[] real = name.getBytes(StandardCharsets.US_ASCII);
        attributes(use, FILE_MODE, 1);
        use.put(ascii("NM", 2))
                .put((byte) (5 + real.length))
                .put((byte) 1)
                .put((byte) 0)
                .put(real);
        record(b, start, length, false, ascii("FILE" + number + ".;1", 8), taken(use));
    }

    /** The RRIP entry PX: mode, links, owner and group are root's. */
    private static void attributes(ByteBuffer use, int mode, int links) {
        use.put(ascii("PX", 2)).put((byte) 36).put((byte) 1);
        both32(use, mode);
        both32(use, links);
        both32(use, 0);
        both32(use, 0);
    }

    private static byte[] taken(ByteBuffer b) {
        byte[] t = new byte[b.position() + (b.position() & 1)];
        b.get(0, t, 0, b.position());
        return t;
    }

    /** A directory record (9.1). */
    private static void record(ByteBuffer b, int start, int length, boolean directory, byte[] name, byte[] use) {
        int names = name.length + (name.length + 1 & 1);
        b.put((byte) (33 + names + use.length)).put((byte) 0);
        both32(b, start);
        both32(b, length);
        b.put(new byte[] {126, 1, 1, 0, 0, 0, 0}); // a date: years since 1900, month, day
        b.put((byte) (directory ? 2 : 0)).putShort((short) 0);
        both16(b, 1);
        b.put((byte) name.length).put(name).put(new byte[names - name.length]).put(use);
    }

    private static void both16(ByteBuffer b, int v) {
        b.order(ByteOrder.LITTLE_ENDIAN).putShort((short) v);
        b.order(ByteOrder.BIG_ENDIAN).putShort((short) v);
    }

    private static void both32(ByteBuffer b, int v) {
        b.order(ByteOrder.LITTLE_ENDIAN).putInt(v);
        b.order(ByteOrder.BIG_ENDIAN).putInt(v);
    }

    /** Filled up with blanks. */
    private static byte[] ascii(String s, int length) {
        return (s + " ".repeat(length - s.length())).getBytes(StandardCharsets.US_ASCII);
    }
}
