package serai.storage.vmdk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.References;
import serai.storage.imported.TableReader;

/**
 * The text that says what a disk is made of (VMDK, The Descriptor File): lines of {@code key=value}, and one for each extent.
 *
 * @param contentId changes with the content; a child knows its parent by it
 * @param parentContentId of the parent as it was then; {@link #NO_PARENT} if there is none
 * @param parent the parent's file name, if there is one
 */
record Descriptor(long contentId, long parentContentId, Optional<String> parent, List<Line> extents) {
    static final long NO_PARENT = 0xffff_ffffL;

    /** What an extent is, by the words for it. */
    enum Type {
        /** Bytes of a file. */
        FLAT,
        /** The same on VMFS. */
        VMFS,
        /** A file with a {@link SparseHeader}. */
        SPARSE,
        /** Zeros, in no file. */
        ZERO
    }

    /**
     * An extent.
     *
     * @param sectors of the disk
     * @param name of the file; empty if there is none
     * @param offset the sector of the file where it begins
     */
    record Line(long sectors, Type type, String name, long offset) {}

    private static final int MAX_BYTES = 1 << 20;
    /** Each is an open file: as many make a disk of 4 TiB of 2 GiB each. */
    private static final int MAX_EXTENTS = 2048;

    // possessive: a line made to take long is not tried in many ways
    private static final Pattern EXTENT = Pattern.compile("(RW|RDONLY|NOACCESS)\\s++(\\d{1,18})\\s++(\\w{1,20}+)"
            + "(?:\\s++\"([^\"]*+)\"(?:\\s++(\\d{1,18}))?+.*+)?+");
    private static final Pattern SETTING = Pattern.compile("([\\w.]++)\\s*+=\\s*+\"?+([^\"]*+)\"?+");

    /**
     * That of a whole file.
     *
     * @throws DiskException if it is none
     */
    static Descriptor of(ImageFile file) throws IOException {
        long size = file.size();
        if (size == 0 || size > MAX_BYTES) {
            throw new DiskException("%s is no VMDK: it begins with no header, and %d bytes are no descriptor"
                    .formatted(file.path(), size));
        }
        return parse(file, TableReader.bytes(file, 0, (int) size, ByteOrder.LITTLE_ENDIAN));
    }

    /** That in a sparse extent. */
    static Descriptor of(ImageFile file, SparseHeader header) throws IOException {
        return parse(
                file,
                TableReader.bytes(
                        file,
                        header.descriptor() * SparseHeader.BYTES,
                        (int) header.descriptorSize() * SparseHeader.BYTES,
                        ByteOrder.LITTLE_ENDIAN));
    }

    private static Descriptor parse(ImageFile file, ByteBuffer bytes) throws DiskException {
        String text = decode(bytes, StandardCharsets.UTF_8);
        Map<String, String> settings = new HashMap<>();
        List<String> extents = read(text, settings);
        if ("windows-1252".equalsIgnoreCase(settings.get("encoding"))) {
            settings.clear();
            extents = read(decode(bytes, Charset.forName("windows-1252")), settings);
        }
        String version = settings.getOrDefault("version", "");
        if (!version.matches("[1-9]\\d{0,8}") || !settings.containsKey("cid")) {
            throw new DiskException(
                    file.path() + " is no VMDK: it has no descriptor, which would say version= and CID=");
        }
        if (Integer.parseInt(version) > 3) {
            throw new DiskException(
                    "%s has a VMDK descriptor of version %s, and 1 to 3 are known".formatted(file.path(), version));
        }
        if (extents.size() > MAX_EXTENTS) {
            throw new DiskException(
                    "%s has %d extents, and we open at most %d".formatted(file.path(), extents.size(), MAX_EXTENTS));
        }
        List<Line> lines = new ArrayList<>();
        for (String e : extents) {
            lines.add(line(file, e));
        }
        return new Descriptor(
                contentId(file, settings.get("cid")),
                contentId(file, settings.getOrDefault("parentcid", "ffffffff")),
                Optional.ofNullable(settings.get("parentfilenamehint")),
                List.copyOf(lines));
    }

    /** The text up to the zeros that fill an embedded descriptor's sectors. */
    private static String decode(ByteBuffer bytes, Charset charset) {
        String s = charset.decode(bytes.duplicate()).toString();
        int end = s.indexOf('\0');
        return end < 0 ? s : s.substring(0, end);
    }

    /** The lines of extents; all else goes into the settings, by keys in lower case, the first of each. */
    private static List<String> read(String text, Map<String, String> settings) {
        List<String> extents = new ArrayList<>();
        for (String raw : text.split("\r?\n")) {
            String line = raw.strip();
            if (line.startsWith("RW ") || line.startsWith("RDONLY ") || line.startsWith("NOACCESS ")) {
                extents.add(line);
            } else {
                Matcher m = SETTING.matcher(line);
                if (m.matches()) {
                    settings.putIfAbsent(
                            m.group(1).toLowerCase(Locale.ROOT), m.group(2).strip());
                }
            }
        }
        return extents;
    }

    private static long contentId(ImageFile file, String hex) throws DiskException {
        if (!hex.matches("[0-9a-fA-F]{1,8}")) {
            throw SparseHeader.bad(file, "its content id is '" + References.printable(hex) + "'");
        }
        return Long.parseLong(hex, 16);
    }

    private static Line line(ImageFile file, String text) throws DiskException {
        Matcher m = EXTENT.matcher(text);
        if (!m.matches()) {
            throw SparseHeader.bad(file, "its descriptor has an extent '" + References.printable(text) + "'");
        }
        long sectors = Long.parseLong(m.group(2));
        Type type =
                switch (m.group(3)) {
                    case "FLAT" -> Type.FLAT;
                    case "VMFS" -> Type.VMFS;
                    case "SPARSE" -> Type.SPARSE;
                    case "ZERO" -> Type.ZERO;
                    default ->
                        throw new DiskException("%s has an extent of type %s, and FLAT, VMFS, SPARSE and ZERO are read"
                                .formatted(file.path(), m.group(3)));
                };
        String name = m.group(4) == null ? "" : m.group(4);
        long offset = m.group(5) == null ? 0 : Long.parseLong(m.group(5));
        if (m.group(1).equals("NOACCESS")) {
            throw new DiskException(file.path() + " has an extent of which it says itself that it can't be accessed");
        }
        if (sectors == 0
                || sectors > SparseHeader.MAX_CAPACITY
                || offset > SparseHeader.MAX_CAPACITY
                || name.isEmpty() != (type == Type.ZERO)
                || name.chars().anyMatch(Character::isISOControl)) {
            throw SparseHeader.bad(file, "its descriptor has an extent '" + References.printable(text) + "'");
        }
        return new Line(sectors, type, name, offset);
    }
}
