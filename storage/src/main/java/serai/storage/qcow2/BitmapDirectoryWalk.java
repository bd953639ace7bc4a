package serai.storage.qcow2;

import java.io.IOException;

/** The clusters that persistent bitmaps use, for a check. */
final class BitmapDirectoryWalk {
    /** Takes a range of the file in use. */
    interface User {
        void use(String what, long offset, long bytes);
    }

    private BitmapDirectoryWalk() {}

    static void use(Metadata m, User user) throws IOException {
        Header.BitmapDirectory d = m.header.bitmaps;
        if (d == null) {
            return;
        }
        user.use("the bitmap directory", d.offset(), d.size());
        for (BitmapDirectory.Entry e : BitmapDirectory.read(m)) {
            user.use("a bitmap's table", e.table(), 8L * e.tableEntries());
            if ((long) e.tableEntries() << 3 > m.file.size()) {
                throw BitmapDirectory.damaged(m, "bitmap '" + e.name() + "' has a table larger than the file");
            }
            for (long entry : L2Tables.readTable(m.file, e.table(), e.tableEntries())) {
                if ((entry & L2Entry.OFFSET) != 0) {
                    user.use("a bitmap's bits", entry & L2Entry.OFFSET, m.g.cluster());
                }
            }
        }
    }
}
