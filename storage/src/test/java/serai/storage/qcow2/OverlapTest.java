package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.storage.qcow2.ModelTest.OPENING;
import static serai.storage.qcow2.ModelTest.options;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import serai.storage.CrashFile;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/** An image whose data or tables are where its other tables are: nothing is written over them. */
class OverlapTest {
    private static final int CLUSTER = 4096;

    private static CrashFile image() throws IOException {
        CrashFile f = new CrashFile();
        Qcow2Disk.create(f, options("cluster_size=4k", 8 << 20));
        try (Qcow2Disk d = Qcow2Disk.open(f, OPENING);
                NativeBuffer b = new NativeBuffer(CLUSTER)) {
            b.segment().fill((byte) 1);
            for (int i = 0; i < 8; i++) {
                d.write(i * CLUSTER, b.address(), CLUSTER);
            }
            d.write(4 << 20, b.address(), CLUSTER); // a second L2 table
        }
        return f;
    }

    private static long word(CrashFile f, long at) throws IOException {
        return L2Tables.readTable(f, at, 1)[0];
    }

    private static void set(CrashFile f, long at, long word) throws IOException {
        L2Tables.writeTable(f, at, new long[] {word}, 0, 1);
    }

    /** Where its tables are: header, L1, refcount table, a refcount block, the second L2 table. */
    private static long[] tables(CrashFile f) throws IOException {
        Header h = Header.read(f);
        return new long[] {
            0,
            h.l1Offset,
            h.refcountTableOffset,
            word(f, h.refcountTableOffset) & L2Entry.TABLE,
            word(f, h.l1Offset + 16) & L2Entry.TABLE
        };
    }

    @Test
    void dataThatIsWhereATableIsIsNotWritten() throws IOException {
        for (int t = 1; t < 5; t++) { // an entry of 0 is no data
            CrashFile f = image();
            long at = tables(f)[t];
            long l2 = word(f, Header.read(f).l1Offset) & L2Entry.TABLE;
            set(f, l2 + 8, at | L2Entry.COPIED);
            long[] before = L2Tables.readTable(f, at, CLUSTER / 8);
            Qcow2Disk d = Qcow2Disk.open(f, OPENING);
            try (NativeBuffer b = new NativeBuffer(CLUSTER)) {
                String said =
                        String.valueOf(assertThrows(DiskException.class, () -> d.write(CLUSTER, b.address(), CLUSTER))
                                .getMessage());
                assertTrue(said.contains("is damaged: it has data and its own tables both at " + at), said);
                assertThrows(DiskException.class, () -> d.discard(CLUSTER, CLUSTER));
                assertThrows(DiskException.class, () -> d.zero(CLUSTER, CLUSTER, true));
                d.write(2 * CLUSTER, b.address(), CLUSTER);
                d.read(CLUSTER, b.address(), CLUSTER);
            }
            d.flush();
            assertEquals(-1, java.util.Arrays.mismatch(before, L2Tables.readTable(f, at, CLUSTER / 8)), "table " + t);
        }
    }

    @Test
    void aTableThatIsWhereAnotherIsIsNotWritten() throws IOException {
        for (int t = 1; t < 4; t++) {
            CrashFile f = image();
            set(f, Header.read(f).l1Offset, tables(f)[t] | L2Entry.COPIED);
            String said = String.valueOf(assertThrows(DiskException.class, () -> Qcow2Disk.open(f, OPENING))
                    .getMessage());
            assertTrue(said.contains("is damaged: two of its tables are both at "), said);
            try (Qcow2Disk d = Qcow2Disk.open(f, OPENING.forCheck())) {
                assertTrue(d.check(false, false, n -> {}).errors() > 0);
                assertThrows(DiskException.class, () -> d.check(true, true, n -> {}));
            }
        }
    }

    @Test
    void aTableThatIsCountedAsFreeIsNotTakenForData() throws IOException {
        CrashFile f = image();
        long[] tables = tables(f);
        long block = tables[3];
        long counted = tables[4] / CLUSTER; // 16 bits each
        try (NativeBuffer zero = new NativeBuffer(2)) {
            f.write(block + 2 * counted, zero.address(), 2);
        }
        Qcow2Disk d = Qcow2Disk.open(f, OPENING);
        try (NativeBuffer b = new NativeBuffer(CLUSTER)) {
            String said =
                    String.valueOf(assertThrows(DiskException.class, () -> d.write(64 * CLUSTER, b.address(), CLUSTER))
                            .getMessage());
            assertTrue(said.contains("both at " + tables[4]), said);
        }
    }

    /** Tables move with each snapshot: what they leave behind must not be seen in data that comes there. */
    @Test
    void dataThatComesWhereATableWasReadsAsZerosWhereItWasNotWritten() throws IOException {
        for (String words : new String[] {"cluster_size=4k", "cluster_size=64k", "cluster_size=16k,extended_l2=on"}) {
            CrashFile f = new CrashFile();
            Qcow2Disk.create(f, options(words, 16 << 20));
            try (Qcow2Disk d = Qcow2Disk.open(f, OPENING);
                    NativeBuffer b = new NativeBuffer(64 << 10)) {
                for (long at = 0; at < 16 << 20; at += 64 << 10) {
                    if (at % (256 << 10) == 0) {
                        d.createSnapshot("s");
                        d.deleteSnapshot("s");
                    }
                    b.segment().fill((byte) 1);
                    d.write(at + 1024, b.address(), 512);
                    d.read(at, b.address(), 64 << 10);
                    for (int i = 0; i < 64 << 10; i++) {
                        byte expected = (byte) (i >= 1024 && i < 1536 ? 1 : 0);
                        assertEquals(expected, b.segment().get(ValueLayout.JAVA_BYTE, i), words + " " + at + "+" + i);
                    }
                }
            }
        }
    }

    @Test
    void theSetHoldsWhatWasAddedAndNotRemoved() {
        long seed = Long.getLong("serai.seed", 1);
        System.out.println("seed " + seed);
        Random r = new Random(seed);
        ClusterSet set = new ClusterSet();
        Set<Long> model = new HashSet<>();
        for (int i = 0; i < 200_000; i++) {
            long c = r.nextInt(3000) * (r.nextBoolean() ? 1L : 1L << 40);
            if (r.nextInt(5) < 3) {
                assertEquals(model.add(c), set.add(c));
            } else {
                model.remove(c);
                set.remove(c);
            }
            long other = r.nextInt(3000);
            assertEquals(model.contains(other), set.contains(other));
        }
    }
}
