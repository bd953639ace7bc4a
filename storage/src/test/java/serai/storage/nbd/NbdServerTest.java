package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.track.DirtyBitmap;

/** The protocol to the byte. Names of tests begin with the heading or the word of the document. */
@Timeout(120)
class NbdServerTest {
    private static final int KIB = 1 << 10;
    private static final int MIB = 1 << 20;
    private static final byte[] NOTHING = {};

    @TempDir
    private Path directory;

    private final NbdServer server = new NbdServer();
    private final FakeDisk disk = new FakeDisk(2 * MIB).filled(0, 8 * KIB).filled(64 * KIB, MIB);
    private UnixDomainSocketAddress address = UnixDomainSocketAddress.of("");

    @BeforeEach
    void listen() throws IOException {
        address = UnixDomainSocketAddress.of(directory.resolve("s"));
        server.add(NbdExport.of("x", disk).description("a disk"));
        server.listen(address);
    }

    @AfterEach
    void end() {
        server.close();
    }

    private void same(long position, ByteBuffer data) {
        assertEquals(-1, disk.bytes().asSlice(position, data.remaining()).mismatch(MemorySegment.ofBuffer(data)));
    }

    private static void error(int expected, RawClient c) throws IOException {
        RawClient.Chunk r = c.chunk();
        assertEquals(expected, r.error(), () -> r + new String(r.payload().array(), StandardCharsets.UTF_8));
    }

    // ---- the handshake ----

    @Test
    void listen_isForTheOwnerAlone_replacesWhatIsLeftBehind_butNothingElse() throws IOException {
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(address.getPath())));
        try (NbdServer other = new NbdServer()) {
            IOException e = assertThrows(IOException.class, () -> other.listen(address));
            assertEquals("somebody listens on " + address.getPath() + " already", e.getMessage());
            Path file = Files.createFile(directory.resolve("file"));
            e = assertThrows(IOException.class, () -> other.listen(UnixDomainSocketAddress.of(file)));
            assertEquals("there is a file " + file + " that is no socket", e.getMessage());
            Path longer = directory.resolve("x".repeat(100));
            e = assertThrows(IOException.class, () -> other.listen(UnixDomainSocketAddress.of(longer)));
            assertEquals("a socket's path has at most 107 bytes", e.getMessage());
        }
        Path left = directory.resolve("left");
        java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(left))
                .close();
        assertTrue(Files.exists(left));
        server.listen(UnixDomainSocketAddress.of(left));
        RawClient.going(UnixDomainSocketAddress.of(left), "x", true).close();
    }

    @Test
    void clientFlags_thatAreUnknownEndTheSession() throws IOException {
        try (RawClient c = new RawClient(address)) {
            c.read(Nbd.GREETING_BYTES);
            c.send(ByteBuffer.allocate(4).putInt(7));
            assertTrue(c.isCut());
        }
    }

    @Test
    void optExportName_hasZeroesUnlessTheClientNeedsNone() throws IOException {
        for (int flags = 0; flags < 4; flags++) {
            try (RawClient c = new RawClient(address)) {
                c.read(Nbd.GREETING_BYTES);
                c.send(ByteBuffer.allocate(4).putInt(flags));
                c.sendOption(Nbd.OPT_EXPORT_NAME, new byte[] {'x'});
                ByteBuffer b = c.read((flags & 2) != 0 ? 10 : 134);
                assertEquals(2 * MIB, b.getLong());
                int expected = 0b1101_0110_1101; // no DF without structured replies
                assertEquals(expected, b.getShort());
                c.request(0, Nbd.CMD_READ, 7, 0, 512);
                RawClient.Chunk r = c.chunk();
                assertEquals(new RawClient.Chunk(-1, 0, 7, r.payload()), r);
                same(0, c.read(512));
            }
        }
    }

    @Test
    void optExportName_endsTheSessionIfThereIsNone() throws IOException {
        for (byte[] name : new byte[][] {{'y'}, {}, {(byte) 0xff}, {0}, new byte[5000]}) {
            try (RawClient c = RawClient.greeted(address)) {
                c.sendOption(Nbd.OPT_EXPORT_NAME, name);
                assertTrue(c.isCut());
            }
        }
    }

    @Test
    void options_areAnsweredAndTheSessionGoesOn() throws IOException {
        try (RawClient c = RawClient.greeted(address)) {
            assertEquals(
                    Nbd.REP_ERR_UNSUP,
                    c.option(Nbd.OPT_STARTTLS, NOTHING).getLast().type());
            assertEquals(
                    Nbd.REP_ERR_UNSUP, c.option(99, new byte[1000]).getLast().type());
            assertEquals(
                    Nbd.REP_ERR_INVALID,
                    c.option(Nbd.OPT_LIST, new byte[1]).getLast().type());
            assertEquals(
                    Nbd.REP_ERR_INVALID,
                    c.option(Nbd.OPT_STRUCTURED_REPLY, new byte[1]).getLast().type());
            for (byte[] wrong : new byte[][] {
                {},
                {0, 0},
                {0, 0, 0, 9, 'x', 0, 0},
                {0, 0, 0, 1, 'x'},
                {0, 0, 0, 1, 'x', 0, 1},
                {0, 0, 0, 1, 'x', 0, 0, 0},
                {-1, -1, -1, -1, 'x', 0, 0},
                {0, 0, 0, 1, -1, 0, 0},
                {0, 0, 0, 1, 0, 0, 0}
            }) {
                assertEquals(
                        Nbd.REP_ERR_INVALID,
                        c.option(Nbd.OPT_INFO, wrong).getLast().type());
                assertEquals(
                        Nbd.REP_ERR_INVALID,
                        c.option(Nbd.OPT_GO, wrong).getLast().type());
            }
            assertEquals(
                    List.of(Nbd.REP_ERR_UNKNOWN),
                    c.option(Nbd.OPT_GO, RawClient.name("y")).stream()
                            .map(RawClient.OptionReply::type)
                            .toList());
            List<RawClient.OptionReply> list = c.option(Nbd.OPT_LIST, NOTHING);
            assertEquals(2, list.size());
            assertArrayEquals(
                    "\0\0\0\1xa disk".getBytes(StandardCharsets.UTF_8),
                    list.getFirst().data());
            List<RawClient.OptionReply> info = c.option(Nbd.OPT_INFO, RawClient.name("x", 1, 2, 3, 77));
            assertEquals(5, info.size());
            assertArrayEquals(
                    ByteBuffer.allocate(12)
                            .putShort((short) 0)
                            .putLong(2 * MIB)
                            .putShort((short) 0b1101_0110_1101)
                            .array(),
                    info.get(0).data());
            assertArrayEquals(
                    ByteBuffer.allocate(14)
                            .putShort((short) 3)
                            .putInt(512)
                            .putInt(4096)
                            .putInt(32 * MIB)
                            .array(),
                    info.get(1).data());
            assertArrayEquals(
                    "\0\1x".getBytes(StandardCharsets.UTF_8), info.get(2).data());
            assertArrayEquals(
                    "\0\2a disk".getBytes(StandardCharsets.UTF_8), info.get(3).data());
            assertEquals(Nbd.REP_ACK, c.option(Nbd.OPT_ABORT, NOTHING).getLast().type());
            assertTrue(c.isCut());
        }
    }

    private static List<String> contexts(RawClient c, int option, byte[] data) throws IOException {
        return c.option(option, data).stream()
                .map(r -> r.type() == Nbd.REP_META_CONTEXT
                        ? ByteBuffer.wrap(r.data()).getInt()
                                + new String(r.data(), 4, r.data().length - 4, StandardCharsets.UTF_8)
                        : "" + (r.type() & 0xff))
                .toList();
    }

    @Test
    void metadataQuerying_findsAndSelects() throws IOException {
        server.add(NbdExport.of("y", disk)
                .bitmap(new DirtyBitmap("a", 2 * MIB, 4 * KIB))
                .bitmap(new DirtyBitmap("b", 2 * MIB, 4 * KIB)));
        try (RawClient c = RawClient.greeted(address)) {
            int list = Nbd.OPT_LIST_META_CONTEXT;
            int set = Nbd.OPT_SET_META_CONTEXT;
            assertEquals(List.of("3"), contexts(c, set, RawClient.queries("y"))); // not without structured replies
            c.option(Nbd.OPT_STRUCTURED_REPLY, NOTHING);
            assertEquals(
                    List.of(
                            "0base:allocation",
                            "0qemu:allocation-depth",
                            "0qemu:dirty-bitmap:a",
                            "0qemu:dirty-bitmap:b",
                            "1"),
                    contexts(c, list, RawClient.queries("y")));
            assertEquals(List.of("0base:allocation", "1"), contexts(c, list, RawClient.queries("y", "base:", "x-y:z")));
            assertEquals(
                    List.of("0qemu:dirty-bitmap:a", "0qemu:dirty-bitmap:b", "1"),
                    contexts(c, list, RawClient.queries("y", "qemu:dirty-bitmap:")));
            assertEquals(
                    List.of("0qemu:allocation-depth", "0qemu:dirty-bitmap:a", "0qemu:dirty-bitmap:b", "1"),
                    contexts(c, list, RawClient.queries("y", "qemu:")));
            assertEquals(List.of("1"), contexts(c, set, RawClient.queries("y")));
            assertEquals(List.of("1"), contexts(c, set, RawClient.queries("y", "base:", "qemu:", "base:none")));
            assertEquals(
                    List.of("0base:allocation", "1qemu:dirty-bitmap:b", "1"),
                    contexts(c, set, RawClient.queries("y", "qemu:dirty-bitmap:b", "base:allocation")));
            assertEquals(List.of("6"), contexts(c, set, RawClient.queries("z", "base:allocation")));
            byte[] lies = RawClient.queries("y", "base:allocation");
            lies[8] = 2; // queries, where there is one
            assertEquals(List.of("3"), contexts(c, set, lies));
        }
    }

    @Test
    void metadataQuerying_holdsForTheExportThatItWasAskedOf() throws IOException {
        server.add(NbdExport.of("y", disk));
        try (RawClient c = RawClient.greeted(address)) {
            c.option(Nbd.OPT_STRUCTURED_REPLY, NOTHING);
            c.option(Nbd.OPT_SET_META_CONTEXT, RawClient.queries("y", "base:allocation"));
            c.option(Nbd.OPT_GO, RawClient.name("x"));
            c.request(0, Nbd.CMD_BLOCK_STATUS, 1, 0, 512);
            error(Nbd.EINVAL, c);
        }
    }

    // ---- the transmission ----

    @Test
    void cmdRead_inChunksWithHoles() throws IOException {
        try (RawClient c = RawClient.going(address, "x", true)) {
            c.request(0, Nbd.CMD_READ, -5, 4 * KIB, 68 * KIB);
            RawClient.Chunk data = c.chunk();
            assertEquals(List.of(1, 0, -5L), List.of(data.type(), data.flags(), data.cookie()));
            assertEquals(4 * KIB, data.payload().getLong());
            assertEquals(4 * KIB, data.payload().remaining());
            same(4 * KIB, data.payload());
            RawClient.Chunk hole = c.chunk();
            assertEquals(List.of(2, 0, -5L), List.of(hole.type(), hole.flags(), hole.cookie()));
            assertEquals(8 * KIB, hole.payload().getLong());
            assertEquals(56 * KIB, hole.payload().getInt());
            RawClient.Chunk last = c.chunk();
            assertEquals(List.of(1, 1, -5L), List.of(last.type(), last.flags(), last.cookie()));
            assertEquals(64 * KIB, last.payload().getLong());
            same(64 * KIB, last.payload());
            c.request(0, Nbd.CMD_READ, 1, 2 * MIB - 512, 512); // a hole to its end
            assertEquals(2, c.chunk().type());
            c.request(0, Nbd.CMD_READ, 1, 0, 0);
            assertEquals(0, c.chunk().type());
        }
    }

    @Test
    void cmdRead_smallHolesAreNotWorthAChunk() throws IOException {
        for (int i = 0; i < 8; i++) {
            disk.discard(128 * KIB + 1024 * i, 512);
        }
        disk.discard(136 * KIB, 4 * KIB);
        try (RawClient c = RawClient.going(address, "x", true)) {
            c.request(0, Nbd.CMD_READ, 1, 128 * KIB, 16 * KIB);
            int[] expected = {1, 4, 1, 4, 2, 0, 1, 4};
            for (int i = 0; i < expected.length; i += 2) {
                RawClient.Chunk r = c.chunk();
                assertEquals(expected[i], r.type());
                long at = r.payload().getLong();
                if (r.type() == 2) {
                    assertEquals(4 * KIB, r.payload().getInt());
                } else {
                    assertEquals(expected[i + 1] * KIB, r.payload().remaining());
                    same(at, r.payload());
                }
            }
        }
    }

    @Test
    void cmdRead_withDfIsOneChunkOrRefused() throws IOException {
        try (RawClient c = RawClient.going(address, "x", true)) {
            c.request(Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 1, 0, 256 * KIB);
            RawClient.Chunk r = c.chunk();
            assertEquals(List.of(1, 1), List.of(r.type(), r.flags()));
            assertEquals(0, r.payload().getLong());
            assertEquals(256 * KIB, r.payload().remaining());
            same(0, r.payload());
            c.request(Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 1, 0, MIB);
            error(Nbd.EOVERFLOW, c);
        }
    }

    @Test
    void cmdRead_simple_ofAnyLengthUpToThePayload() throws IOException {
        try (RawClient c = RawClient.going(address, "x", false)) {
            for (int n : new int[] {0, 512, 256 * KIB, 256 * KIB + 512, 2 * MIB}) {
                c.request(0, Nbd.CMD_READ, n, 0, n);
                RawClient.Chunk r = c.chunk();
                assertEquals(List.of(-1, 0, (long) n), List.of(r.type(), r.flags(), r.cookie()));
                same(0, c.read(n));
            }
            disk.failing = true;
            c.request(0, Nbd.CMD_READ, 3, 0, 2 * MIB);
            assertEquals(Nbd.EIO, c.chunk().error()); // and no data
            disk.failing = false;
            c.request(0, Nbd.CMD_FLUSH, 4, 0, 0);
            assertEquals(4, c.chunk().cookie());
        }
    }

    @Test
    void cmdWrite_inPartsAndFua() throws IOException {
        try (RawClient c = RawClient.going(address, "x", true)) {
            ByteBuffer data = ByteBuffer.allocate(MIB + 512);
            for (int i = 0; i < data.capacity(); i++) {
                data.put(i, (byte) (i * 31 >> 3));
            }
            c.request(Nbd.CMD_FLAG_FUA, Nbd.CMD_WRITE, 1, 512, data.capacity());
            c.send(data.position(data.capacity()));
            assertEquals(new RawClient.Chunk(-1, 0, 1, ByteBuffer.allocate(0)), c.chunk());
            same(512, data.rewind());
            assertEquals(1, disk.flushes.get());
            c.request(0, Nbd.CMD_WRITE, 1, 0, 0);
            assertEquals(0, c.chunk().error());
        }
    }

    @Test
    void cmdWrite_thatIsRefusedIsSkipped() throws IOException {
        server.add(NbdExport.of("r", disk).readOnly());
        byte[] before = disk.bytes().toArray(ValueLayout.JAVA_BYTE);
        try (RawClient c = RawClient.going(address, "x", true);
                RawClient r = RawClient.going(address, "r", true)) {
            write(c, 0, 2 * MIB - 512, 1024);
            error(Nbd.ENOSPC, c);
            write(c, 0, -512, 1024);
            error(Nbd.ENOSPC, c);
            write(c, 0, Long.MAX_VALUE - 511, 2 * MIB);
            error(Nbd.ENOSPC, c);
            write(c, Nbd.CMD_FLAG_DF, 0, 512);
            error(Nbd.EINVAL, c);
            write(c, 0, 1, 512);
            error(Nbd.EINVAL, c);
            write(c, 0, 0, 513);
            error(Nbd.EINVAL, c);
            write(r, 0, 0, 512);
            error(Nbd.EPERM, r);
            disk.failing = true;
            write(c, 0, 0, MIB);
            error(Nbd.EIO, c);
            disk.failing = false;
            c.request(0, Nbd.CMD_FLUSH, 1, 0, 0);
            error(0, c);
        }
        assertArrayEquals(before, disk.bytes().toArray(ValueLayout.JAVA_BYTE));
    }

    private static void write(RawClient c, int flags, long offset, int length) throws IOException {
        c.request(flags, Nbd.CMD_WRITE, 1, offset, length);
        c.send(ByteBuffer.allocate(length).position(length));
    }

    @Test
    void errorValues() throws IOException {
        server.add(NbdExport.of("r", disk).readOnly());
        try (RawClient c = RawClient.going(address, "x", true);
                RawClient r = RawClient.going(address, "r", true)) {
            int[][] wrong = {
                {Nbd.EINVAL, 0, 77, 0, 512},
                {Nbd.EINVAL, Nbd.CMD_FLAG_NO_HOLE, Nbd.CMD_READ, 0, 512},
                {Nbd.EINVAL, 1 << 15, Nbd.CMD_FLUSH, 0, 0},
                {Nbd.EINVAL, Nbd.CMD_FLAG_REQ_ONE, Nbd.CMD_CACHE, 0, 512},
                {Nbd.EINVAL, 0, Nbd.CMD_READ, 2 * MIB, 512},
                {Nbd.EINVAL, 0, Nbd.CMD_READ, 512, 2 * MIB},
                {Nbd.EINVAL, 0, Nbd.CMD_READ, 100, 512},
                {Nbd.EINVAL, 0, Nbd.CMD_TRIM, 0, -512},
                {Nbd.EINVAL, 0, Nbd.CMD_CACHE, 2 * MIB, 512},
                {Nbd.EINVAL, 0, Nbd.CMD_BLOCK_STATUS, 0, 512}, // no context
                {Nbd.ENOSPC, 0, Nbd.CMD_WRITE_ZEROES, 2 * MIB, 512},
                {Nbd.ENOTSUP, Nbd.CMD_FLAG_FAST_ZERO | Nbd.CMD_FLAG_NO_HOLE, Nbd.CMD_WRITE_ZEROES, 0, 512},
            };
            for (int[] w : wrong) {
                c.request(w[1], w[2], 1, w[3], w[4]);
                error(w[0], c);
            }
            c.request(0, Nbd.CMD_READ, 1, -1, 512);
            error(Nbd.EINVAL, c);
            for (int command : new int[] {Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES}) {
                r.request(0, command, 1, 0, 512);
                error(Nbd.EPERM, r);
                c.request(Nbd.CMD_FLAG_FUA, command, 1, 0, 2 * MIB);
                error(0, c);
            }
            assertEquals(2, disk.flushes.get());
            c.request(Nbd.CMD_FLAG_FUA, Nbd.CMD_CACHE, 1, 0, 2 * MIB);
            error(0, c);
            c.request(Nbd.CMD_FLAG_FUA, Nbd.CMD_READ, 1, 0, 512); // to be accepted, whatever for
            assertEquals(2, c.chunk().type());
        }
    }

    @Test
    void cmdBlockStatus_ofSeveralContexts() throws IOException {
        DirtyBitmap changed = new DirtyBitmap("b", 2 * MIB, 4 * KIB);
        changed.set(16 * KIB, 1);
        server.add(NbdExport.of("y", disk).bitmap(changed));
        try (RawClient c = RawClient.going(address, "y", true, "base:allocation", "qemu:dirty-bitmap:b")) {
            c.request(0, Nbd.CMD_BLOCK_STATUS, 9, 4 * KIB, 64 * KIB);
            assertEquals("0: 4096/0 57344/3 4096/0 ", descriptors(c.chunk(), 0));
            assertEquals("1: 12288/0 4096/1 49152/0 ", descriptors(c.chunk(), 1));
            c.request(Nbd.CMD_FLAG_REQ_ONE, Nbd.CMD_BLOCK_STATUS, 9, 8 * KIB, MIB);
            assertEquals("0: 57344/3 ", descriptors(c.chunk(), 0));
            assertEquals("1: 8192/0 ", descriptors(c.chunk(), 1));
            c.request(Nbd.CMD_FLAG_REQ_ONE, Nbd.CMD_BLOCK_STATUS, 9, 16 * KIB, 512);
            assertEquals("0: 512/3 ", descriptors(c.chunk(), 0));
            assertEquals("1: 512/1 ", descriptors(c.chunk(), 1));
            c.request(0, Nbd.CMD_BLOCK_STATUS, 9, 0, 0);
            error(Nbd.EINVAL, c);
            c.request(0, Nbd.CMD_BLOCK_STATUS, 9, 2 * MIB - 512, 1024);
            error(Nbd.EINVAL, c);
        }
    }

    private static String descriptors(RawClient.Chunk r, int done) {
        assertEquals(List.of(5, done, 9L), List.of(r.type(), r.flags(), r.cookie()));
        StringBuilder s = new StringBuilder(r.payload().getInt() + ": ");
        while (r.payload().hasRemaining()) {
            s.append(Integer.toUnsignedString(r.payload().getInt()))
                    .append('/')
                    .append(r.payload().getInt())
                    .append(' ');
        }
        return s.toString();
    }

    /** A disk of alternating sectors has more descriptors than a reply; the client gets on all the same. */
    @Test
    void cmdBlockStatus_tellsAsMuchAsHasRoom() throws IOException {
        DirtyBitmap changed = new DirtyBitmap("b", 16 * MIB, 512);
        for (int i = 0; i < 16 * MIB; i += 1024) {
            changed.set(i, 512);
        }
        server.add(NbdExport.of("y", new FakeDisk(16 * MIB)).bitmap(changed));
        try (RawClient c = RawClient.going(address, "y", true, "qemu:dirty-bitmap:b")) {
            c.request(0, Nbd.CMD_BLOCK_STATUS, 9, 0, 16 * MIB);
            assertEquals(4 + 8192 * 8, c.chunk().payload().remaining());
            c.request(0, Nbd.CMD_BLOCK_STATUS, 9, 8192 * 512 + 512, 1024);
            assertEquals("0: 512/0 512/1 ", descriptors(c.chunk(), 1));
        }
    }

    @Test
    void cmdDisc_letsRequestsBeforeItFinish() throws Exception {
        try (RawClient c = RawClient.going(address, "x", true)) {
            disk.gate = new CountDownLatch(1);
            c.request(0, Nbd.CMD_FLUSH, 1, 0, 0);
            c.request(0, Nbd.CMD_FLUSH, 2, 0, 0);
            c.request(0, Nbd.CMD_DISC, 3, 0, 0);
            while (disk.inside.get() < 2) {
                Thread.sleep(1);
            }
            disk.gate.countDown();
            assertEquals(3, c.chunk().cookie() + c.chunk().cookie());
            assertTrue(c.isCut());
        }
    }

    @Test
    void replies_comeInTheOrderInWhichTheyAreReady() throws Exception {
        FakeDisk other = new FakeDisk(MIB);
        server.add(NbdExport.of("y", other));
        try (RawClient c = RawClient.going(address, "y", true, "base:allocation")) {
            other.gate = new CountDownLatch(1);
            c.request(0, Nbd.CMD_FLUSH, 1, 0, 0);
            c.request(0, 77, 2, 0, 0); // does not need the disk
            assertEquals(2, c.chunk().cookie());
            other.gate.countDown();
            assertEquals(1, c.chunk().cookie());
        }
    }

    @Test
    void eshutdown_afterTheExportIsRemoved() throws Exception {
        try (RawClient c = RawClient.going(address, "x", true)) {
            disk.gate = new CountDownLatch(1);
            c.request(0, Nbd.CMD_WRITE, 1, 0, MIB); // in parts, of which the first is under way
            c.send(ByteBuffer.allocate(MIB).position(256 * KIB));
            while (disk.inside.get() == 0) {
                Thread.sleep(1);
            }
            Thread remover = Thread.ofPlatform().start(() -> server.remove("x"));
            while (!server.exports().isEmpty()) {
                Thread.sleep(1);
            }
            disk.gate.countDown();
            remover.join();
            disk.close(); // the rest must not get there
            assertTrue(c.isCut());
        }
    }
}
