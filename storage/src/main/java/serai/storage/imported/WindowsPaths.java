package serai.storage.imported;

import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.References;

/** What VHD and VHDX name a parent by. */
public final class WindowsPaths {
    private WindowsPaths() {}

    /**
     * The name that such a path has here, to be resolved at the image's directory: a relative path means the same, of an absolute one only
     * the file name does.
     *
     * @throws DiskException if nothing is left of it, or it has control characters
     */
    public static String here(ImageFile image, String path) throws DiskException {
        boolean absolute = path.startsWith("\\") || path.length() > 1 && path.charAt(1) == ':';
        String name = absolute ? path.substring(path.lastIndexOf('\\') + 1) : path.replace('\\', '/');
        if (name.isEmpty() || absolute && name.contains(":") || name.chars().anyMatch(Character::isISOControl)) {
            throw new DiskException("%s names its parent '%s', which is no path of a file"
                    .formatted(image.path(), References.printable(path)));
        }
        return name;
    }
}
