package serai.storage.vpc;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.imported.TableReader;
import serai.storage.imported.WindowsPaths;

/**
 * Finds the parent of a differencing disk. What names it are Windows paths: a relative one means the same here; of an absolute one only the
 * file name does, which is looked for beside the image.
 */
final class Parent {
    private static final int W2RU = 0x5732_7275; // relative path, UTF-16 little-endian
    private static final int W2KU = 0x5732_6b75; // absolute path, UTF-16 little-endian
    /** Windows has paths of at most 32767 characters. */
    private static final long MAX_PATH = 65536;

    private Parent() {}

    /**
     * Opens it.
     *
     * @throws DiskException if it isn't named, is not to be named, isn't there, or is another than the one this image was made from
     */
    static BlockDevice of(ImageFile file, DynamicHeader header, Opening opening) throws IOException {
        BlockDevice parent = opening.image(file, name(file, header), Optional.of(ImageFormat.VPC), "backing file");
        if (parent instanceof VpcDisk v && v.id().equals(header.parent())) {
            return parent;
        }
        parent.close();
        throw new DiskException("the parent of %s is not the one that it was made from: it is to have unique id %s"
                .formatted(file.path(), header.parent()));
    }

    private static String name(ImageFile file, DynamicHeader header) throws IOException {
        Optional<String> relative = path(file, header, W2RU);
        String path =
                relative.isPresent() ? relative.get() : path(file, header, W2KU).orElse(header.parentName());
        if (path.isEmpty()) {
            throw new DiskException("%s has a parent and names it neither by locator W2ru nor W2ku, nor in its header"
                    .formatted(file.path()));
        }
        return WindowsPaths.here(file, path);
    }

    private static Optional<String> path(ImageFile file, DynamicHeader header, int platform) throws IOException {
        for (DynamicHeader.Locator l : header.locators()) {
            if (l.platform() == platform) {
                if (l.length() == 0
                        || l.length() % 2 != 0
                        || l.length() > MAX_PATH
                        || l.offset() < 0
                        || l.offset() > file.size() - l.length()) {
                    throw DynamicHeader.bad(
                            file,
                            "a parent locator has %d bytes at byte %s, which is no path in the file"
                                    .formatted(l.length(), Long.toUnsignedString(l.offset())));
                }
                ByteBuffer b = TableReader.bytes(file, l.offset(), (int) l.length(), ByteOrder.LITTLE_ENDIAN);
                String path = StandardCharsets.UTF_16LE.decode(b).toString();
                int end = path.indexOf('\0'); // some creators end it, some don't
                return Optional.of(end < 0 ? path : path.substring(0, end));
            }
        }
        return Optional.empty();
    }
}
