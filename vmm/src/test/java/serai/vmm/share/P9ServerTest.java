package serai.vmm.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.linux.HostNode;
import serai.machine.virtio.FileServer;

/** 9P2000.L with a tree that somebody else changes, and guests that want out of it. */
final class P9ServerTest {
    private static final int ENOENT = 2, EBADF = 9, ENXIO = 6, ENOTDIR = 20, EINVAL = 22, EMFILE = 24, EROFS = 30;
    private static final int EOPNOTSUPP = 95, EPROTO = 71;
    private static final String SECRET = "nobody's business";

    @TempDir
    Path dir;

    private Path tree = Path.of("");

    @SuppressWarnings("NullAway.Init")
    private P9Server server;

    @SuppressWarnings("NullAway.Init")
    private P9Client c;

    @BeforeEach
    void start() throws Exception {
        tree = Files.createDirectories(dir.resolve("tree"));
        Files.createDirectories(tree.resolve("sub/deep"));
        Files.writeString(tree.resolve("sub/f"), "hello, guest");
        Files.writeString(dir.resolve("secret"), SECRET);
        Files.createSymbolicLink(tree.resolve("link"), Path.of("../secret"));
        Files.createSymbolicLink(tree.resolve("up"), Path.of(".."));
        server = new P9Server(HostNode.directory(tree), true);
        c = new P9Client(server);
        assertEquals(0, c.version(8192, "9P2000.L"));
        assertEquals(0, c.attach(1));
    }

    @AfterEach
    void end() {
        server.close();
    }

    @Test
    void versionBeginsASession() {
        assertEquals(0, c.version(1 << 30, "9P2000.L"));
        assertEquals(FileServer.MAX_ANSWER, c.answer.getInt());
        assertEquals(8, c.answer.getShort());
        assertEquals(EBADF, c.clunk(1), "those of before are gone");
        assertEquals(0, c.version(8192, "9P2000.u"));
        c.answer.getInt();
        assertEquals(7, c.answer.getShort(), "unknown");
        assertEquals(EINVAL, c.version(100, "9P2000.L"));
    }

    @Test
    void filesAreRead() {
        assertEquals(0, c.walk(1, 2, "sub", "f"));
        assertEquals(2, c.answer.getShort());
        assertEquals((byte) 0x80, c.answer.get());
        assertEquals(EBADF, c.read(2, 0, 10), "it is not open");
        assertEquals(0, c.open(2, 0));
        assertEquals(0, c.read(2, 7, 100));
        assertEquals("guest", c.data());
        assertEquals(0, c.read(2, 1000, 100));
        assertEquals("", c.data());
        assertEquals(EINVAL, c.read(2, -1, 100));
        assertEquals(EINVAL, c.open(2, 0), "again");
        assertEquals(0, c.clunk(2));
        assertEquals(EBADF, c.read(2, 0, 10));
    }

    @Test
    void attributesAreTheFiles() throws Exception {
        c.walk(1, 2, "sub", "f");
        assertEquals(0, c.ask(24, P9Client.fields().u32(2).u64(-1)));
        assertEquals(0xfff, c.answer.getLong());
        c.answer.position(c.answer.position() + 13);
        assertEquals(Files.getAttribute(tree.resolve("sub/f"), "unix:mode"), c.answer.getInt());
        assertEquals(0, c.ask(8, P9Client.fields().u32(2)));
        assertEquals(0x01021997, c.answer.getInt());
    }

    private TreeSet<String> list(int fid, int count) {
        TreeSet<String> names = new TreeSet<>();
        for (long at = 0; ; ) {
            assertEquals(0, c.ask(40, P9Client.fields().u32(fid).u64(at).u32(count)));
            int bytes = c.answer.getInt();
            assertTrue(bytes <= count, bytes + " bytes");
            if (bytes == 0) {
                return names;
            }
            while (c.answer.hasRemaining()) {
                c.answer.position(c.answer.position() + 13);
                at = c.answer.getLong();
                c.answer.get();
                byte[] name = new byte[c.answer.getShort()];
                c.answer.get(name);
                names.add(new String(name, StandardCharsets.UTF_8));
            }
        }
    }

    @Test
    void directoriesAreListed_inPieces() throws Exception {
        TreeSet<String> all = new TreeSet<>(java.util.List.of(".", "..", "link", "up", "sub"));
        for (int i = 0; i < 500; i++) {
            Files.createFile(tree.resolve("file" + i));
            all.add("file" + i);
        }
        c.walk(1, 2);
        assertEquals(0, c.open(2, 0x10000));
        assertEquals(all, list(2, 100));
        assertEquals(all, list(2, 8000));
        assertEquals(EINVAL, c.ask(40, P9Client.fields().u32(2).u64(0).u32(10)), "no room for one");
        c.walk(1, 3, "sub", "f");
        c.open(3, 0);
        assertEquals(ENOTDIR, c.ask(40, P9Client.fields().u32(3).u64(0).u32(100)));
    }

    @Test
    void walksGoAsFarAsTheyCan() {
        assertEquals(ENOENT, c.walk(1, 2, "none"));
        assertEquals(0, c.walk(1, 2, "sub", "none", "x"));
        assertEquals(1, c.answer.getShort());
        assertEquals(EBADF, c.clunk(2), "then there is no new fid");
        assertEquals(0, c.walk(1, 2, "sub"));
        assertEquals(EINVAL, c.walk(1, 2, "sub"), "it is taken");
        assertEquals(0, c.walk(2, 2, "f"), "a fid may move itself");
        assertEquals(0, c.open(2, 0));
        assertEquals(EINVAL, c.walk(2, 2), "not while it is open");
        assertEquals(ENOTDIR, c.walk(2, 3, "x"));
        assertEquals(EINVAL, c.walk(1, 4, seventeen()));
    }

    private static String[] seventeen() {
        String[] s = new String[17];
        java.util.Arrays.fill(s, "sub");
        return s;
    }

    @Test
    void noNameLeadsOut() {
        for (String bad : new String[] {"..", ".", "", "/", "/etc", "../secret", "sub/f", "sub/../../secret", "a\0b"}) {
            assertEquals(EINVAL, c.walk(1, 2, bad), bad);
            assertEquals(0, c.walk(1, 2, "sub", bad), bad);
            assertEquals(1, c.answer.getShort(), bad);
        }
    }

    @Test
    void symbolicLinksAreText() {
        assertEquals(0, c.walk(1, 2, "link"));
        assertEquals(0, c.ask(22, P9Client.fields().u32(2)));
        assertEquals(9, c.answer.getShort());
        assertEquals(ENXIO, c.open(2, 0));
        assertEquals(EBADF, c.read(2, 0, 10));
        assertEquals(0, c.walk(1, 3, "up", "secret"));
        assertEquals(1, c.answer.getShort(), "to the link and no further");
        c.walk(1, 4, "up");
        assertEquals(ENXIO, c.open(4, 0));
        assertEquals(ENOTDIR, c.walk(4, 5, "secret"));
        c.walk(1, 6, "sub");
        assertEquals(EINVAL, c.ask(22, P9Client.fields().u32(6)), "no link");
    }

    /** A directory that the guest holds is made a symbolic link, and moved: what it holds stays what it was. */
    @Test
    void whatIsRenamedUnderWayLeadsNowhere() throws Exception {
        c.walk(1, 2, "sub");
        c.walk(1, 3, "sub", "f");
        Files.move(tree.resolve("sub"), tree.resolve("moved"));
        Files.createSymbolicLink(tree.resolve("sub"), dir);
        assertEquals(0, c.walk(2, 4, "f"));
        assertEquals(0, c.open(4, 0));
        assertEquals(0, c.read(4, 0, 5));
        assertEquals("hello", c.data());
        assertEquals(0, c.walk(1, 5, "sub", "secret"));
        assertEquals(1, c.answer.getShort());
        Files.delete(tree.resolve("moved/f"));
        Files.createSymbolicLink(tree.resolve("moved/f"), dir.resolve("secret"));
        assertEquals(0, c.open(3, 0), "the file itself, though it has no name any more");
        c.read(3, 0, 5);
        assertEquals("hello", c.data());
        assertEquals(0, c.walk(2, 6, "f"));
        assertEquals(ENXIO, c.open(6, 0));
    }

    /** Names are exchanged all the while; a guest that tries again and again never reads what is outside. */
    @Test
    void racesAreLost() throws Exception {
        Path target = tree.resolve("target");
        boolean[] stop = {false};
        Thread changer = Thread.ofPlatform().start(() -> {
            try {
                while (!stop[0]) {
                    Files.writeString(target, "inside");
                    Files.delete(target);
                    Files.createSymbolicLink(target, dir.resolve("secret"));
                    Files.delete(target);
                    Files.createSymbolicLink(target, dir);
                    Files.delete(target);
                    Files.createDirectory(target);
                    Files.writeString(target.resolve("secret"), "inside");
                    Files.delete(target.resolve("secret"));
                    Files.delete(target);
                }
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        try {
            for (int i = 0; i < 3000; i++) {
                for (String[] names : new String[][] {{"target"}, {"target", "secret"}}) {
                    if (c.walk(1, 2, names) == 0 && c.clunk(2) == 0) {
                        assertEquals(0, c.walk(1, 2));
                        c.clunk(2);
                    }
                    if (c.walk(1, 2, names) == 0) {
                        if (c.open(2, 0) == 0 && c.read(2, 0, 100) == 0) {
                            assertTrue("inside".startsWith(c.data()));
                        }
                        c.clunk(2);
                    }
                }
            }
        } finally {
            stop[0] = true;
            changer.join();
        }
    }

    @Test
    void fifosAndDevicesAreNotOpened_hardLinksAreInTheTree() throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", tree.resolve("p").toString())
                        .start()
                        .waitFor());
        c.walk(1, 2, "p");
        assertEquals(0, c.ask(24, P9Client.fields().u32(2).u64(-1)));
        assertEquals(ENXIO, c.open(2, 0));
        try (P9Server devices = new P9Server(HostNode.directory(Path.of("/dev")), false)) {
            P9Client d = new P9Client(devices);
            d.version(8192, "9P2000.L");
            d.attach(1);
            assertEquals(0, d.walk(1, 2, "null"));
            assertEquals(ENXIO, d.open(2, 0));
        }
        Files.createLink(tree.resolve("hard"), dir.resolve("secret"));
        c.walk(1, 3, "hard");
        assertEquals(0, c.open(3, 0), "whoever makes it puts the file there");
    }

    @Test
    void nothingIsChanged() throws Exception {
        c.walk(1, 2, "sub", "f");
        for (int flags : new int[] {1, 2, 3, 0x40, 0x200, 0x201}) {
            assertEquals(EROFS, c.open(2, flags));
        }
        for (int type : new int[] {14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118}) {
            assertEquals(
                    EROFS, c.ask(type, P9Client.fields().u32(2).u32(2).string(P9Client.name("x"))), "type " + type);
        }
        assertEquals(EROFS, c.ask(122, P9Client.fields().u32(2)));
        assertEquals(EBADF, c.clunk(2), "a remove gives the fid up");
        assertEquals("hello, guest", Files.readString(tree.resolve("sub/f")));
        assertEquals(EOPNOTSUPP, c.ask(30, P9Client.fields().u32(1)));
        assertEquals(EPROTO, c.ask(200, P9Client.fields()));
        assertEquals(0, c.ask(108, P9Client.fields().u16(3)));
    }

    /** A share that can be written; the root is fid 1, its directory sub fid 2. */
    private void writable() throws Exception {
        server.close();
        server = new P9Server(HostNode.directory(tree), false);
        c = new P9Client(server);
        c.version(8192, "9P2000.L");
        c.attach(1);
        c.walk(1, 2, "sub");
    }

    private int create(int directory, int fid, String name, int flags, int mode) {
        c.walk(directory, fid);
        return c.ask(
                14,
                P9Client.fields()
                        .u32(fid)
                        .string(P9Client.name(name))
                        .u32(flags)
                        .u32(mode)
                        .u32(0));
    }

    private int write(int fid, long at, String data) {
        return c.ask(118, P9Client.fields().u32(fid).u64(at).u32(data.length()).bytes(P9Client.name(data)));
    }

    private int unlink(int directory, String name, int flags) {
        return c.ask(
                76, P9Client.fields().u32(directory).string(P9Client.name(name)).u32(flags));
    }

    private int rename(int from, String name, int to, String newName) {
        return c.ask(
                74,
                P9Client.fields().u32(from).string(P9Client.name(name)).u32(to).string(P9Client.name(newName)));
    }

    private int change(int fid, int valid, int mode, long size) {
        P9Writer w = P9Client.fields()
                .u32(fid)
                .u32(valid)
                .u32(mode)
                .u32(12345)
                .u32(12345)
                .u64(size);
        return c.ask(26, w.u64(1000).u64(5).u64(2000).u64(6));
    }

    @Test
    void aWritableShare_makesWritesAndRemoves() throws Exception {
        writable();
        assertEquals(0, create(2, 3, "new", 2, 0600));
        assertEquals(0, write(3, 0, "hello"));
        assertEquals(5, c.answer.getInt());
        assertEquals(0, write(3, 3, "p!"));
        assertEquals("help!", Files.readString(tree.resolve("sub/new")));
        assertEquals(0, c.read(3, 1, 3));
        assertEquals("elp", c.data());
        assertEquals(0, c.ask(50, P9Client.fields().u32(3).u32(0)));
        assertEquals(17, create(2, 4, "new", 0x80 | 2, 0600), "EEXIST");
        assertEquals(
                0,
                c.ask(
                        14,
                        P9Client.fields()
                                .u32(4)
                                .string(P9Client.name("new"))
                                .u32(0x202)
                                .u32(0)
                                .u32(0)));
        assertEquals("", Files.readString(tree.resolve("sub/new")), "truncated");
        assertEquals(EBADF, write(99, 0, "x"));
        c.walk(1, 5, "sub", "f");
        assertEquals(EBADF, write(5, 0, "x"), "not open");
        assertEquals(EINVAL, write(3, -1, "x"));
        assertEquals(
                0,
                c.ask(
                        72,
                        P9Client.fields()
                                .u32(2)
                                .string(P9Client.name("d"))
                                .u32(0700)
                                .u32(0)));
        assertTrue(Files.isDirectory(tree.resolve("sub/d")));
        assertEquals(0, rename(2, "new", 1, "moved"));
        assertTrue(Files.exists(tree.resolve("moved")));
        assertEquals(0, c.ask(70, P9Client.fields().u32(1).u32(5).string(P9Client.name("again"))));
        assertEquals("hello, guest", Files.readString(tree.resolve("again")));
        assertEquals(0, unlink(1, "again", 0));
        assertEquals(0, unlink(2, "d", 0x200));
        assertEquals(
                0,
                c.ask(
                        16,
                        P9Client.fields()
                                .u32(1)
                                .string(P9Client.name("l2"))
                                .string(P9Client.name("/etc/shadow"))
                                .u32(0)));
        assertEquals(Path.of("/etc/shadow"), Files.readSymbolicLink(tree.resolve("l2")));
        c.walk(1, 6, "l2");
        assertEquals(ENXIO, c.open(6, 0), "nor is one of the guest's own followed");
        assertEquals(ENXIO, c.open(6, 2));
    }

    @Test
    void attributesThatTheGuestSets() throws Exception {
        writable();
        c.walk(1, 3, "sub", "f");
        assertEquals(0, change(3, 1 | 8 | 0x10 | 0x20 | 0x80 | 0x100, 07777, 5));
        assertEquals("hello", Files.readString(tree.resolve("sub/f")));
        assertEquals(0101777, Files.getAttribute(tree.resolve("sub/f"), "unix:mode"), "without set-user-ID");
        assertEquals(
                2000,
                Files.getLastModifiedTime(tree.resolve("sub/f")).toInstant().getEpochSecond());
        assertEquals(1, change(3, 2, 0, 0), "EPERM: owners stay");
        assertEquals(EINVAL, change(3, 8, 0, -1));
        c.walk(1, 4, "link");
        for (int valid : new int[] {1, 8, 0x20}) {
            assertTrue(change(4, valid, 0, 0) != 0, "a link's is not what it leads to");
        }
        assertEquals(SECRET, Files.readString(dir.resolve("secret")));
        c.walk(1, 5);
        assertEquals(ENXIO, change(5, 8, 0, 0), "a directory has no size");
    }

    @Test
    void nothingOutsideIsChanged() throws Exception {
        writable();
        for (String bad : new String[] {"..", ".", "", "/", "../x", "/tmp/x", "a/b", "a\0b"}) {
            assertEquals(EINVAL, create(1, 3, bad, 2, 0600), bad);
            c.clunk(3);
            assertEquals(EINVAL, unlink(1, bad, 0), bad);
            assertEquals(EINVAL, unlink(1, bad, 0x200), bad);
            assertEquals(EINVAL, rename(1, bad, 2, "x"), bad);
            assertEquals(EINVAL, rename(2, "f", 1, bad), bad);
            assertEquals(
                    EINVAL,
                    c.ask(
                            72,
                            P9Client.fields()
                                    .u32(1)
                                    .string(P9Client.name(bad))
                                    .u32(0700)
                                    .u32(0)),
                    bad);
            c.walk(2, 9, "f");
            assertEquals(EINVAL, c.ask(70, P9Client.fields().u32(1).u32(9).string(P9Client.name(bad))), bad);
            c.clunk(9);
            assertEquals(
                    EINVAL,
                    c.ask(
                            16,
                            P9Client.fields()
                                    .u32(1)
                                    .string(P9Client.name(bad))
                                    .string(P9Client.name("x"))
                                    .u32(0)),
                    bad);
            assertEquals(
                    EINVAL,
                    c.ask(
                            18,
                            P9Client.fields()
                                    .u32(1)
                                    .string(P9Client.name(bad))
                                    .u32(0600)
                                    .u64(0)
                                    .u32(0)));
        }
        assertEquals(ENXIO, create(1, 3, "link", 0x202, 0600), "there is a link of that name");
        assertEquals(
                17,
                c.ask(
                        18,
                        P9Client.fields()
                                .u32(1)
                                .string(P9Client.name("link"))
                                .u32(0600)
                                .u64(0)
                                .u32(0)));
        c.walk(1, 4, "up");
        assertEquals(ENOTDIR, create(4, 5, "x", 2, 0600), "through a link");
        assertEquals(ENOTDIR, unlink(4, "secret", 0));
        assertEquals(ENOTDIR, rename(4, "secret", 1, "mine"));
        assertEquals(ENOTDIR, rename(2, "f", 4, "mine"));
        c.walk(1, 6, "link");
        assertEquals(1, c.ask(70, P9Client.fields().u32(1).u32(6).string(P9Client.name("hard"))), "EPERM");
        for (int type : new int[] {0020000, 0060000, 0010000, 0140000, 0040000, 0120000}) {
            assertEquals(
                    1,
                    c.ask(
                            18,
                            P9Client.fields()
                                    .u32(1)
                                    .string(P9Client.name("n"))
                                    .u32(type | 0600)
                                    .u64(0x103)
                                    .u32(0)),
                    "EPERM");
        }
        assertEquals(SECRET, Files.readString(dir.resolve("secret")));
        try (java.util.stream.Stream<Path> all = Files.list(dir)) {
            assertEquals(2, all.count(), "the tree and the secret");
        }
        assertEquals(0, unlink(1, "link", 0), "the link goes, not what it leads to");
        assertEquals(SECRET, Files.readString(dir.resolve("secret")));
    }

    @Test
    void fidsAreBounded() {
        int n = 2;
        while (c.walk(1, n) == 0) {
            n++;
        }
        assertEquals(P9Server.MAX_FIDS + 1, n);
        assertEquals(EMFILE, c.walk(1, n));
        int opened = 2;
        while (c.open(opened, 0) == 0) {
            opened++;
        }
        assertEquals(P9Server.MAX_OPEN + 2, opened);
        assertEquals(0, c.clunk(2));
        assertEquals(0, c.open(opened, 0));
        server.reset();
        assertEquals(EBADF, c.clunk(3));
    }

    /** Whatever a guest sends, it gets one answer of a bounded length, and never a byte of what is outside. */
    @Test
    void hostileMessages_toAWritableShare() throws Exception {
        writable();
        hostileMessages();
        assertEquals(SECRET, Files.readString(dir.resolve("secret")));
        try (java.util.stream.Stream<Path> all = Files.list(dir)) {
            assertEquals(2, all.count(), "the tree and the secret");
        }
    }

    @Test
    void hostileMessages() {
        long seed = 20261130;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        int[] types = {8, 12, 22, 24, 30, 40, 50, 100, 104, 108, 110, 116, 120, 122, 14, 118, 16, 18, 26, 70, 72, 74, 76
        };
        String[] names = {"sub", "f", "link", "up", "..", "secret", "deep", "/", ""};
        for (int i = 0; i < 40_000; i++) {
            P9Writer w = new P9Writer();
            int type = random.nextInt(30) == 0 ? random.nextInt(256) : types[random.nextInt(types.length)];
            w.u32(random.nextInt(30) == 0 ? random.nextInt() : random.nextInt(6));
            switch (random.nextInt(4)) {
                case 0 -> w.u32(random.nextInt(6)).u16(random.nextInt(4));
                case 1 -> w.u64(random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(20));
                default -> w.u32(random.nextInt(3) == 0 ? random.nextInt() : 0);
            }
            for (int n = random.nextInt(5); n > 0; n--) {
                w.string(P9Client.name(names[random.nextInt(names.length)]));
            }
            if (random.nextInt(3) == 0) {
                w.u32(random.nextInt(3) == 0 ? random.nextInt() : 4096);
            }
            byte[] m = w.message(type, i & 0xffff);
            if (random.nextInt(4) == 0) {
                m = java.util.Arrays.copyOf(m, random.nextInt(m.length + 1));
            }
            if (random.nextInt(4) == 0 && m.length > 0) {
                m[random.nextInt(m.length)] = (byte) random.nextInt();
            }
            byte[] a = server.answer(m);
            assertTrue(a.length >= 7 && a.length <= FileServer.MAX_ANSWER, a.length + " bytes");
            assertTrue(!new String(a, StandardCharsets.ISO_8859_1).contains(SECRET));
            if (random.nextInt(100) == 0) {
                c.version(8192, "9P2000.L");
                c.attach(random.nextInt(6));
            }
        }
    }
}
