package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.imported.WindowsPaths;

/**
 * Finds the parent of a differencing disk by its parent locator (VHDX 2.6.2.6): a type, and keys and values.
 *
 * <pre>
 *  0  locator type, a GUID    20  entries of 12 bytes: key offset (4), value offset (4), key length (2), value length (2)
 * 18  number of entries (2)       then keys and values, UTF-16
 * </pre>
 */
final class Parent {
    private static final UUID VHDX_LOCATOR = UUID.fromString("B04AEFB7-D19E-4A81-B789-25B8E9445913");
    private static final int HEADER = 20;
    private static final int ENTRY = 12;
    private static final int MAX_KEY = 64;

    private static final String LINKAGE = "parent_linkage";
    private static final String LINKAGE_2 = "parent_linkage2";
    private static final String RELATIVE = "relative_path";
    private static final String VOLUME = "volume_path";
    private static final String ABSOLUTE = "absolute_win32_path";

    private Parent() {}

    /**
     * Opens it.
     *
     * @throws DiskException if it isn't named, is not to be named, isn't there, or is another than the one this image was made from
     */
    static VhdxDisk of(ImageFile file, Metadata metadata, Opening opening) throws IOException {
        Map<String, String> locator = locator(file, metadata.locator());
        String path = Stream.of(RELATIVE, VOLUME, ABSOLUTE)
                .map(locator::get)
                .filter(p -> p != null)
                .findFirst()
                .orElseThrow(() -> new DiskException(file.path() + " has a parent and does not say where it is"));
        BlockDevice parent =
                opening.image(file, WindowsPaths.here(file, path), Optional.of(ImageFormat.VHDX), "backing file");
        if (parent instanceof VhdxDisk v && v.sector() == metadata.sector()) {
            String id = "{" + v.dataWrite() + "}";
            if (Stream.of(LINKAGE, LINKAGE_2)
                    .map(k -> locator.getOrDefault(k, "").toLowerCase(Locale.ROOT))
                    .anyMatch(id::equals)) {
                return v;
            }
        }
        parent.close();
        throw new DiskException("the parent of %s is not as it was when that was made from it".formatted(file.path()));
    }

    private static Map<String, String> locator(ImageFile file, ByteBuffer b) throws DiskException {
        if (b.limit() < HEADER || !Header.guid(b, 0).equals(VHDX_LOCATOR)) {
            throw new DiskException(file.path() + " has a parent that is no VHDX, and only that is known");
        }
        int count = b.getShort(18) & 0xffff;
        if (HEADER + count * ENTRY > b.limit()) {
            throw Header.bad(file, "its parent locator has no room for " + count + " entries");
        }
        Map<String, String> found = new HashMap<>();
        for (int i = 0; i < count; i++) {
            int at = HEADER + i * ENTRY;
            int keyLength = b.getShort(at + 8) & 0xffff;
            if (keyLength <= MAX_KEY) { // ours are shorter, others may be as many and as long as they like
                String key = text(file, b, b.getInt(at), keyLength);
                switch (key) {
                    case LINKAGE, LINKAGE_2, RELATIVE, VOLUME, ABSOLUTE ->
                        found.put(key, text(file, b, b.getInt(at + 4), b.getShort(at + 10) & 0xffff));
                    default -> {}
                }
            }
        }
        return found;
    }

    private static String text(ImageFile file, ByteBuffer b, int offset, int length) throws DiskException {
        if (offset <= 0 || length > b.limit() - offset) {
            throw Header.bad(file, "its parent locator has a text outside itself");
        }
        return StandardCharsets.UTF_16LE.decode(b.slice(offset, length)).toString();
    }
}
