package serai.machine.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class GuestMemoryTest {
    private static final long PAGE = 4096;

    @Test
    void accesses_atEveryAlignmentAndAcrossPages() {
        GuestMemory m = TestMemory.ram(4 * PAGE);
        long host = m.host(0);
        for (long at = PAGE - 9; at < PAGE + 9; at++) {
            m.writeLong(at, 0x1122334455667788L);
            assertEquals(0x1122334455667788L, m.readLong(at));
            assertEquals(0x55667788, m.readInt(at));
            assertEquals(0x7788, m.readShort(at));
            assertEquals(0x88, m.readByte(at));
            GuestMemory.putInt(host + at, 0xcafebabe);
            assertEquals(0xcafebabe, GuestMemory.getInt(host + at));
            GuestMemory.putShort(host + at, (short) 0x1234);
            assertEquals(0x1234, GuestMemory.getShort(host + at));
            GuestMemory.putLong(host + at, -2);
            assertEquals(-2, GuestMemory.getLong(host + at));
        }
    }

    @Test
    void compareAndSet_atEveryAlignmentWithinAPage() {
        GuestMemory m = TestMemory.ram(PAGE);
        long host = m.host(0);
        for (int at = 0; at < 16; at++) {
            GuestMemory.putLong(host + at, 0x0102030405060708L);
            assertFalse(GuestMemory.casLong(host + at, 1, 2));
            assertTrue(GuestMemory.casLong(host + at, 0x0102030405060708L, 7));
            assertEquals(7, GuestMemory.getLong(host + at));
            assertTrue(GuestMemory.casInt(host + at, 7, 8));
            assertTrue(GuestMemory.casShort(host + at, (short) 8, (short) 9));
            assertFalse(GuestMemory.casShort(host + at, (short) 8, (short) 10));
            assertTrue(GuestMemory.casByte(host + at, (byte) 9, (byte) 10));
            assertEquals(10, GuestMemory.getLong(host + at));
        }
    }

    @Test
    void compareAndSet_isAtomicBetweenThreadsWhenUnaligned() throws InterruptedException {
        long host = TestMemory.ram(PAGE).host(0) + 61 - 32; // unaligned; see GuestMemory on split locks
        Runnable add = () -> {
            for (int i = 0; i < 100_000; i++) {
                int old;
                do {
                    old = GuestMemory.getInt(host);
                } while (!GuestMemory.casInt(host, old, old + 1));
            }
        };
        Thread a = new Thread(add);
        Thread b = new Thread(add);
        a.start();
        b.start();
        a.join();
        b.join();
        assertEquals(200_000, GuestMemory.getInt(host));
    }

    @Test
    void checkedAccess_refusesWhatIsNotRam() {
        GuestMemory m = new GuestMemory(List.of(
                new RamRegion(0, 2 * PAGE, TestMemory.allocate(2 * PAGE), false, -1, 0),
                new RamRegion(4 * PAGE, PAGE, TestMemory.allocate(PAGE), true, -1, 0)));
        assertEquals(2 * PAGE, m.ramSize());
        for (long at : new long[] {-1, 2 * PAGE - 7, 2 * PAGE, 3 * PAGE, 5 * PAGE, Long.MAX_VALUE, Long.MIN_VALUE}) {
            assertThrows(GuestAddressException.class, () -> m.readLong(at), Long.toHexString(at));
            assertThrows(GuestAddressException.class, () -> m.writeLong(at, 0), Long.toHexString(at));
            assertThrows(GuestAddressException.class, () -> m.hostRange(at, Long.MAX_VALUE, false));
        }
        assertThrows(GuestAddressException.class, () -> m.hostRange(0, -1, false));
        assertEquals(0, m.readLong(4 * PAGE), "ROM reads");
        assertThrows(GuestAddressException.class, () -> m.writeByte(4 * PAGE, 1), "ROM does not write");
        assertFalse(m.writable(4 * PAGE));
        assertEquals(0, m.host(2 * PAGE));
    }

    @Test
    void codePages_areToldOfTheFirstWriteOnly() {
        GuestMemory m = TestMemory.ram(4 * PAGE);
        List<Long> told = new ArrayList<>();
        m.addCodeListener(told::add);
        m.markCode(PAGE + 5);
        m.readByte(PAGE);
        m.writeByte(0, 1);
        assertEquals(List.of(), told);
        m.write(PAGE - 1, new byte[2]);
        m.writeByte(PAGE, 1);
        assertEquals(List.of(1L), told);
        assertEquals(0, m.pageFlags(PAGE));
    }

    @Test
    void firstWriteOfEachPageIsToldBeforeItIsDone() {
        GuestMemory m = TestMemory.ram(8 * PAGE);
        m.writeByte(PAGE, 7);
        List<String> told = new ArrayList<>();
        m.onFirstWrite(page -> told.add(page + ": " + m.readByte(page)));
        m.writeByte(PAGE, 8);
        assertEquals(List.of(), told); // nothing is logged yet
        m.startDirtyLog();
        m.writeByte(PAGE, 9);
        m.writeByte(PAGE + 1, 9);
        assertEquals(List.of("4096: 8"), told);
        m.startDirtyLog();
        m.zero(0, 2 * PAGE);
        assertEquals(List.of("4096: 8", "0: 0", "4096: 9"), told);
    }

    @Test
    void dirtyLog_holdsWrittenPages() {
        GuestMemory m = TestMemory.ram(8 * PAGE);
        m.writeByte(0, 1);
        m.startDirtyLog();
        assertFalse(m.dirty(0));
        m.write(3 * PAGE - 1, new byte[(int) PAGE]);
        List<Integer> dirty = new ArrayList<>();
        for (int p = 0; p < 8; p++) {
            if (m.dirty(p * PAGE)) {
                dirty.add(p);
            }
        }
        assertEquals(List.of(2, 3), dirty);
        m.clean(2 * PAGE);
        assertFalse(m.dirty(2 * PAGE));
        m.stopDirtyLog();
        assertEquals(0, m.pageFlags(5 * PAGE));
    }

    @Test
    void regions_mayNotOverlap() {
        RamRegion a = new RamRegion(0, 2 * PAGE, TestMemory.allocate(2 * PAGE), false, -1, 0);
        RamRegion b = new RamRegion(PAGE, PAGE, TestMemory.allocate(PAGE), false, -1, 0);
        assertThrows(IllegalArgumentException.class, () -> new GuestMemory(List.of(a, b)));
        assertThrows(IllegalArgumentException.class, () -> new RamRegion(1, PAGE, 4096, false, -1, 0));
        assertArrayEquals(new byte[3], TestMemory.ram(PAGE).read(5, 3));
    }
}
