package serai.vmm.share;

import java.io.ByteArrayOutputStream;
import serai.linux.HostNode;

/** Puts an answer together: 0 size (4) | 4 type (1) | 5 tag (2) | 7 its fields. */
final class P9Writer {
    /** Bytes of what comes before the fields. */
    static final int HEADER = 7;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    P9Writer u8(int v) {
        out.write(v);
        return this;
    }

    P9Writer u16(int v) {
        return u8(v).u8(v >>> 8);
    }

    P9Writer u32(int v) {
        return u16(v).u16(v >>> 16);
    }

    P9Writer u64(long v) {
        return u32((int) v).u32((int) (v >>> 32));
    }

    P9Writer bytes(byte[] b) {
        out.writeBytes(b);
        return this;
    }

    /** The fields of another. */
    P9Writer fields(P9Writer other) {
        return bytes(other.out.toByteArray());
    }

    P9Writer string(byte[] b) {
        return u16(b.length).bytes(b);
    }

    P9Writer time(HostNode.Time t) {
        return u64(t.seconds()).u64(t.nanos());
    }

    /** What tells one file from all others: 0 type (1) | 1 version (4) | 5 path (8). */
    P9Writer qid(int type, long device, long inode) {
        // inodes are of a file system, of which a tree may hold several
        return u8(type).u32(0).u64(inode ^ Long.reverse(device));
    }

    int size() {
        return out.size();
    }

    byte[] message(int type, int tag) {
        P9Writer m = new P9Writer();
        return m.u32(HEADER + out.size())
                .u8(type)
                .u16(tag)
                .bytes(out.toByteArray())
                .out
                .toByteArray();
    }
}
