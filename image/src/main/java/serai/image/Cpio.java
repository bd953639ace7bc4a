package serai.image;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * An initramfs in the "newc" format that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
 * The same entries always give the same bytes: sorted by name, all owned by root, times of 0, inodes counted.
 */
final class Cpio {
    private static final int DIRECTORY = 0040000, REGULAR = 0100000, SYMLINK = 0120000, CHARACTER = 0020000;

    private record Entry(int mode, byte[] content, int major, int minor) {}

    /** Ascending, so that directories come before what is in them. */
    private final Map<String, Entry> entries = new TreeMap<>();

    void directory(String name, int permissions) {
        entries.put(name, new Entry(DIRECTORY | permissions, new byte[0], 0, 0));
    }

    void file(String name, int permissions, byte[] content) {
        entries.put(name, new Entry(REGULAR | permissions, content, 0, 0));
    }

    void symlink(String name, String target) {
        entries.put(name, new Entry(SYMLINK | 0777, target.getBytes(StandardCharsets.UTF_8), 0, 0));
    }

    void characterDevice(String name, int permissions, int major, int minor) {
        entries.put(name, new Entry(CHARACTER | permissions, new byte[0], major, minor));
    }

    void write(OutputStream out) throws IOException {
        int inode = 1;
        long written = 0;
        for (Map.Entry<String, Entry> e : entries.entrySet()) {
            written += write(out, inode++, e.getKey(), e.getValue());
        }
        written += write(out, 0, "TRAILER!!!", new Entry(0, new byte[0], 0, 0));
        out.write(new byte[(int) (-written & 511)]);
    }

    private static long write(OutputStream out, int inode, String name, Entry e) throws IOException {
        byte[] n = name.getBytes(StandardCharsets.UTF_8);
        int links = (e.mode & 0170000) == DIRECTORY ? 2 : 1;
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        String header = "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x"
                .formatted(inode, e.mode, 0, 0, links, 0, e.content.length, 0, 0, e.major, e.minor, n.length + 1, 0);
        out.write(header.getBytes(StandardCharsets.US_ASCII));
        out.write(n);
        int namePad = 1 + (-(header.length() + n.length + 1) & 3);
        out.write(new byte[namePad]);
        out.write(e.content);
        int pad = -e.content.length & 3;
        out.write(new byte[pad]);
        return (long) header.length() + n.length + namePad + e.content.length + pad;
    }
}
