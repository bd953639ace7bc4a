package serai.vmm.share;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.linux.Errno;
import serai.linux.HostNode;
import serai.linux.HostReader;
import serai.linux.LinuxException;
import serai.machine.virtio.FileServer;

/**
 * A directory of the host for a guest: 9P2000.L, as Linux's {@code v9fs} speaks it.
 *
 * <h2>What the guest can reach</h2>
 *
 * Each fid holds a {@link HostNode}, which was found from the root of the share by one name after the other. A name with a slash, {@code .} and
 * {@code ..} are refused; symbolic links are given to the guest as text and never followed here; only regular files and directories
 * are opened, by what the fid holds. So neither words of the guest's nor anything that changes in the tree meanwhile lead
 * out of it. What a hard link brings into the tree is in it, and so is what is mounted there.
 *
 * <p>What the guest makes or changes belongs to the user that this process runs as, and never gets set-user-ID or set-group-ID bits; devices,
 * FIFOs and sockets it can't make. In a share for reading all of that is answered with EROFS. Fids, open files, names in one walk and the bytes of an answer are bounded.
 */
public final class P9Server implements FileServer, AutoCloseable {
    /** Fids at most: each has a descriptor of this process. */
    static final int MAX_FIDS = 4096;
    /** Of which open at most. */
    static final int MAX_OPEN = 1024;

    private static final int MIN_MSIZE = 4096, MAX_WALK = 16;
    private static final int EROFS = Errno.EROFS, EOPNOTSUPP = Errno.EOPNOTSUPP, ENOTDIR = 20, EPROTO = 71;
    private static final String VERSION = "9P2000.L";
    private static final int NO_TAG = 0xffff;
    private static final int ACCESS_MODE = 3, CREATE = 0x40, TRUNCATE = 0x200;
    private static final long BASIC = 0x7ff, BIRTH = 0x800;
    private static final int QID_DIRECTORY = 0x80, QID_LINK = 2;
    private static final int ENTRY_DIRECTORY = 4, ENTRY_LINK = 10;
    /** The magic number of 9P file systems: what statfs tells of the file system behind would make programs believe in its features. */
    private static final int V9FS_MAGIC = 0x01021997;

    private static final int RLERROR = 7, STATFS = 8, LOPEN = 12, READLINK = 22, GETATTR = 24, XATTRWALK = 30;
    private static final int READDIR = 40, FSYNC = 50, LOCK = 52, GETLOCK = 54;
    private static final int VERSION_TYPE = 100, AUTH = 102, ATTACH = 104, FLUSH = 108, WALK = 110, READ = 116;
    private static final int CLUNK = 120, REMOVE = 122;
    private static final int LCREATE = 14, SYMLINK = 16, MKNOD = 18, RENAME = 20, SETATTR = 26, XATTRCREATE = 32;
    private static final int LINK = 70, MKDIR = 72, RENAMEAT = 74, UNLINKAT = 76, WRITE = 118;
    private static final List<Integer> CHANGES =
            List.of(LCREATE, SYMLINK, MKNOD, RENAME, SETATTR, XATTRCREATE, LINK, MKDIR, RENAMEAT, UNLINKAT, WRITE);
    private static final int SET_MODE = 1,
            SET_USER = 2,
            SET_GROUP = 4,
            SET_SIZE = 8,
            SET_ATIME = 0x10,
            SET_MTIME = 0x20;
    private static final int ATIME_GIVEN = 0x80, MTIME_GIVEN = 0x100;
    private static final int REMOVE_DIRECTORY = 0x200, EXCLUSIVE = 0x80;
    private static final int UNLOCKED = 2;

    /** What a fid stands for. */
    private static final class Fid implements AutoCloseable {
        final HostNode node;

        @Nullable
        HostReader open;

        Fid(HostNode node) {
            this.node = node;
        }

        @Override
        public void close() {
            if (open != null) {
                open.close();
            }
            node.close();
        }
    }

    private final HostNode root;
    private final boolean readOnly;
    private final Map<Integer, Fid> fids = new HashMap<>();
    private int open;
    private int msize = MIN_MSIZE;

    /**
     * A server.
     *
     * @param root the directory, which it closes in the end
     * @param readOnly whether all that would change something is refused
     */
    public P9Server(HostNode root, boolean readOnly) {
        this.root = root;
        this.readOnly = readOnly;
    }

    @Override
    public synchronized void reset() {
        fids.values().forEach(Fid::close);
        fids.clear();
        open = 0;
        msize = MIN_MSIZE;
    }

    @Override
    public synchronized void close() {
        reset();
        root.close();
    }

    @Override
    public synchronized byte[] answer(byte[] message) {
        int tag = NO_TAG;
        try {
            P9Reader in = new P9Reader(message);
            int size = in.u32();
            int type = in.u8();
            tag = in.u16();
            if (size < P9Writer.HEADER) {
                throw new P9Exception(Errno.EINVAL);
            }
            return answer(type, in).message(type + 1, tag);
        } catch (P9Exception e) {
            return new P9Writer().u32(e.errno()).message(RLERROR, tag);
        } catch (LinuxException e) {
            return new P9Writer().u32(e.errno()).message(RLERROR, tag);
        }
    }

    private P9Writer answer(int type, P9Reader in) throws P9Exception, LinuxException {
        if (readOnly && CHANGES.contains(type)) {
            throw new P9Exception(EROFS);
        }
        return switch (type) {
            case VERSION_TYPE -> version(in);
            case ATTACH -> attach(in);
            case WALK -> walk(in);
            case LOPEN -> open(in);
            case READ -> read(in);
            case READDIR -> readDirectory(in);
            case GETATTR -> attributes(in);
            case READLINK -> new P9Writer().string(fid(in).node.link());
            case STATFS -> space(in);
            case CLUNK, REMOVE -> {
                clunk(in);
                if (type == REMOVE) {
                    throw new P9Exception(readOnly ? EROFS : EOPNOTSUPP); // which gives the fid up all the same
                }
                yield new P9Writer();
            }
            case FLUSH -> new P9Writer(); // one message after the other: the old one has been answered
            case FSYNC -> {
                Fid f = fid(in);
                if (!readOnly) {
                    opened(f).sync();
                }
                yield new P9Writer();
            }
            case LCREATE -> create(in);
            case WRITE -> write(in);
            case SETATTR -> change(in);
            case MKNOD -> makeNode(in);
            case MKDIR -> {
                HostNode d = fid(in).node;
                byte[] name = in.string();
                d.makeDirectory(name, in.u32());
                yield made(d, name);
            }
            case SYMLINK -> {
                HostNode d = fid(in).node;
                byte[] name = in.string();
                d.makeLink(name, in.string());
                yield made(d, name);
            }
            case LINK -> {
                HostNode d = fid(in).node;
                HostNode of = fid(in).node;
                d.addName(in.string(), of);
                yield new P9Writer();
            }
            case RENAMEAT -> {
                HostNode d = fid(in).node;
                byte[] name = in.string();
                HostNode to = fid(in).node;
                d.rename(name, to, in.string());
                yield new P9Writer();
            }
            case UNLINKAT -> {
                HostNode d = fid(in).node;
                byte[] name = in.string();
                d.remove(name, (in.u32() & REMOVE_DIRECTORY) != 0);
                yield new P9Writer();
            }
            case LOCK -> { // the guest's kernel keeps them among its own programs
                Fid unused = fid(in);
                yield new P9Writer().u8(0);
            }
            case GETLOCK -> {
                Fid unused = fid(in);
                int ignored = in.u8();
                P9Writer w = new P9Writer().u8(UNLOCKED).u64(in.u64()).u64(in.u64());
                yield w.u32(in.u32()).string(in.string());
            }
            case AUTH, XATTRWALK, XATTRCREATE, RENAME -> throw new P9Exception(EOPNOTSUPP);
            default -> throw new P9Exception(EPROTO);
        };
    }

    private Fid fid(P9Reader in) throws P9Exception {
        Fid f = fids.get(in.u32());
        if (f == null) {
            throw new P9Exception(Errno.EBADF);
        }
        return f;
    }

    /** Begins a session: all fids of the one before are given up. */
    private P9Writer version(P9Reader in) throws P9Exception {
        long most = in.u32() & 0xffff_ffffL;
        boolean known = new String(in.string(), StandardCharsets.ISO_8859_1).equals(VERSION);
        if (most < MIN_MSIZE) {
            throw new P9Exception(Errno.EINVAL);
        }
        reset();
        msize = (int) Math.min(most, MAX_ANSWER);
        return new P9Writer().u32(msize).string((known ? VERSION : "unknown").getBytes(StandardCharsets.ISO_8859_1));
    }

    private void put(int number, HostNode node) throws P9Exception {
        if (fids.size() >= MAX_FIDS || fids.containsKey(number)) {
            node.close();
            throw new P9Exception(fids.containsKey(number) ? Errno.EINVAL : Errno.EMFILE);
        }
        fids.put(number, new Fid(node));
    }

    private P9Writer attach(P9Reader in) throws P9Exception, LinuxException {
        int number = in.u32();
        P9Writer out = qid(new P9Writer(), root.status());
        put(number, root.again());
        return out;
    }

    private static P9Writer qid(P9Writer out, HostNode.Status s) {
        int type = s.type() == HostNode.DIRECTORY ? QID_DIRECTORY : s.type() == HostNode.LINK ? QID_LINK : 0;
        return out.qid(type, s.device(), s.inode());
    }

    /** As far as it comes: if that is not to the end, there is no new fid; if it is nowhere, an error. */
    private P9Writer walk(P9Reader in) throws P9Exception, LinuxException {
        Fid from = fid(in);
        int number = in.u32();
        int n = in.u16();
        if (n > MAX_WALK) {
            throw new P9Exception(Errno.EINVAL);
        }
        List<byte[]> names = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            names.add(in.string());
        }
        P9Writer qids = new P9Writer();
        int found = 0;
        HostNode at = from.node.again();
        boolean there = false;
        try {
            for (byte[] name : names) {
                HostNode next;
                try {
                    next = at.child(name);
                } catch (LinuxException e) {
                    if (found == 0) {
                        throw e;
                    }
                    break;
                }
                at.close();
                at = next;
                qid(qids, at.status());
                found++;
            }
            there = found == n;
        } finally {
            if (!there) {
                at.close();
            }
        }
        if (there) {
            if (fids.get(number) == from) { // the fid itself moves, unless it is open
                if (from.open != null) {
                    at.close();
                    throw new P9Exception(Errno.EINVAL);
                }
                fids.remove(number);
                from.close();
            }
            put(number, at);
        }
        return new P9Writer().u16(found).fields(qids);
    }

    private P9Writer open(P9Reader in) throws P9Exception, LinuxException {
        Fid f = fid(in);
        int flags = in.u32();
        boolean writes = (flags & ACCESS_MODE) != 0;
        if (readOnly && (writes || (flags & (CREATE | TRUNCATE)) != 0)) {
            throw new P9Exception(EROFS);
        }
        mayOpen(f);
        P9Writer out = qid(new P9Writer(), f.node.status());
        HostReader r = f.node.open((flags & ACCESS_MODE) != 1, writes);
        try {
            if (writes && (flags & TRUNCATE) != 0) {
                r.truncate(0);
            }
        } catch (LinuxException e) {
            r.close();
            throw e;
        }
        f.open = r;
        open++;
        return out.u32(0);
    }

    private void mayOpen(Fid f) throws P9Exception {
        if (f.open != null) {
            throw new P9Exception(Errno.EINVAL);
        }
        if (open >= MAX_OPEN) {
            throw new P9Exception(Errno.EMFILE);
        }
    }

    /** Makes a file in the directory of a fid, which becomes that of the file, open. */
    private P9Writer create(P9Reader in) throws P9Exception, LinuxException {
        int number = in.u32();
        Fid f = fids.get(number);
        if (f == null) {
            throw new P9Exception(Errno.EBADF);
        }
        byte[] name = in.string();
        int flags = in.u32();
        int mode = in.u32();
        mayOpen(f);
        boolean writes = (flags & ACCESS_MODE) != 0;
        boolean reads = (flags & ACCESS_MODE) != 1;
        HostReader r;
        HostNode node;
        try {
            r = f.node.create(name, mode, reads, writes);
        } catch (LinuxException e) {
            if (e.errno() != Errno.EEXIST || (flags & EXCLUSIVE) != 0) {
                throw e;
            }
            try (HostNode there = f.node.child(name)) {
                r = there.open(reads, writes);
            }
        }
        try {
            if (writes && (flags & TRUNCATE) != 0) {
                r.truncate(0);
            }
            node = r.node();
        } catch (LinuxException e) {
            r.close();
            throw e;
        }
        f.close();
        Fid made = new Fid(node);
        made.open = r;
        open++;
        fids.put(number, made);
        return qid(new P9Writer(), node.status()).u32(0);
    }

    /** What has just been made; if somebody was quicker, what is there now. */
    private static P9Writer made(HostNode directory, byte[] name) throws LinuxException {
        try (HostNode n = directory.child(name)) {
            return qid(new P9Writer(), n.status());
        }
    }

    /** Regular files; devices, FIFOs and sockets of a guest's have no business on the host. */
    private P9Writer makeNode(P9Reader in) throws P9Exception, LinuxException {
        HostNode d = fid(in).node;
        byte[] name = in.string();
        int mode = in.u32();
        int type = mode & HostNode.TYPE;
        if (type != HostNode.REGULAR && type != 0) {
            throw new P9Exception(Errno.EPERM);
        }
        d.create(name, mode, false, true).close();
        return made(d, name);
    }

    /** As much of the data as was looked at: the guest sends the rest again. */
    private P9Writer write(P9Reader in) throws P9Exception, LinuxException {
        Fid f = fid(in);
        long position = in.u64();
        byte[] data = in.rest(in.u32() & 0xffff_ffffL);
        if (position < 0 || position > Long.MAX_VALUE - data.length) {
            throw new P9Exception(Errno.EINVAL);
        }
        opened(f).write(position, data);
        return new P9Writer().u32(data.length);
    }

    /** Mode, size and times. Owners stay: whose files are on the host is the host's affair. */
    private P9Writer change(P9Reader in) throws P9Exception, LinuxException {
        HostNode n = fid(in).node;
        int valid = in.u32();
        int mode = in.u32();
        int user = in.u32();
        int group = in.u32();
        long size = in.u64();
        HostNode.Time accessed = time(in, valid, SET_ATIME, ATIME_GIVEN);
        HostNode.Time modified = time(in, valid, SET_MTIME, MTIME_GIVEN);
        HostNode.Status now = n.status();
        if ((valid & SET_USER) != 0 && user != now.user() || (valid & SET_GROUP) != 0 && group != now.group()) {
            throw new P9Exception(Errno.EPERM);
        }
        if ((valid & SET_MODE) != 0) {
            n.permissions(mode);
        }
        if ((valid & SET_SIZE) != 0) {
            if (size < 0) {
                throw new P9Exception(Errno.EINVAL);
            }
            try (HostReader r = n.open(false, true)) {
                r.truncate(size);
            }
        }
        if ((valid & (SET_ATIME | SET_MTIME)) != 0) {
            n.times(accessed, modified);
        }
        return new P9Writer();
    }

    private static HostNode.Time time(P9Reader in, int valid, int set, int given) throws P9Exception {
        long seconds = in.u64();
        long nanos = in.u64();
        if ((valid & set) == 0) {
            return new HostNode.Time(0, HostNode.OMIT);
        }
        if ((valid & given) == 0) {
            return new HostNode.Time(0, HostNode.NOW);
        }
        if (nanos < 0 || nanos >= 1_000_000_000) {
            throw new P9Exception(Errno.EINVAL);
        }
        return new HostNode.Time(seconds, (int) nanos);
    }

    private static HostReader opened(Fid f) throws P9Exception {
        HostReader r = f.open;
        if (r == null) {
            throw new P9Exception(Errno.EBADF);
        }
        return r;
    }

    private int count(P9Reader in) throws P9Exception {
        long count = in.u32() & 0xffff_ffffL;
        return (int) Math.min(count, msize - P9Writer.HEADER - 4);
    }

    private P9Writer read(P9Reader in) throws P9Exception, LinuxException {
        Fid f = fid(in);
        long position = in.u64();
        if (position < 0) {
            throw new P9Exception(Errno.EINVAL);
        }
        byte[] data = opened(f).read(position, count(in));
        return new P9Writer().u32(data.length).bytes(data);
    }

    /** Entries: qid (13), where the next is (8), type (1), name (2 and more). */
    private P9Writer readDirectory(P9Reader in) throws P9Exception, LinuxException {
        Fid f = fid(in);
        HostReader r = opened(f);
        HostNode.Status directory = f.node.status();
        if (directory.type() != HostNode.DIRECTORY) {
            throw new P9Exception(ENOTDIR);
        }
        long next = in.u64();
        int most = count(in);
        P9Writer data = new P9Writer();
        while (true) {
            List<HostReader.Entry> some = r.entries(next);
            for (HostReader.Entry e : some) {
                if (data.size() + 24 + e.name().length > most) {
                    if (data.size() == 0) {
                        throw new P9Exception(Errno.EINVAL);
                    }
                    return new P9Writer().u32(data.size()).fields(data);
                }
                // above the root there is nothing that the guest could hear of
                boolean up = e.name().length == 2 && e.name()[0] == '.' && e.name()[1] == '.';
                int type = e.type() == ENTRY_DIRECTORY ? QID_DIRECTORY : e.type() == ENTRY_LINK ? QID_LINK : 0;
                data.qid(type, directory.device(), up ? directory.inode() : e.inode())
                        .u64(e.next())
                        .u8(e.type())
                        .string(e.name());
                next = e.next();
            }
            if (some.isEmpty()) {
                return new P9Writer().u32(data.size()).fields(data);
            }
        }
    }

    private P9Writer attributes(P9Reader in) throws P9Exception, LinuxException {
        HostNode.Status s = fid(in).node.status();
        return qid(new P9Writer().u64(BASIC | BIRTH), s)
                .u32(s.mode())
                .u32(s.user())
                .u32(s.group())
                .u64(s.links())
                .u64(s.special())
                .u64(s.size())
                .u64(s.blockSize())
                .u64(s.blocks())
                .time(s.accessed())
                .time(s.modified())
                .time(s.changed())
                .time(s.created())
                .u64(0)
                .u64(0);
    }

    private P9Writer space(P9Reader in) throws P9Exception, LinuxException {
        HostNode.Space s = fid(in).node.space();
        return new P9Writer()
                .u32(V9FS_MAGIC)
                .u32((int) s.blockSize())
                .u64(s.blocks())
                .u64(s.free())
                .u64(s.available())
                .u64(s.files())
                .u64(s.freeFiles())
                .u64(0)
                .u32(HostNode.MAX_NAME);
    }

    private void clunk(P9Reader in) throws P9Exception {
        Fid f = fids.remove(in.u32());
        if (f == null) {
            throw new P9Exception(Errno.EBADF);
        }
        open -= f.open == null ? 0 : 1;
        f.close();
    }
}
