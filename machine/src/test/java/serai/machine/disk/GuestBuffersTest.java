package serai.machine.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;

/** Transfers between a disk and memory that a driver has cut up as it liked. */
class GuestBuffersTest {
    private static final int SECTORS = 512;

    private final GuestMemory memory = TestMemory.ram(2 << 20);

    /** A disk that takes whole sectors alone, as storage's do. */
    private static final class WholeSectors implements Disk {
        final ArrayDisk disk = new ArrayDisk("d", SECTORS);
        int transfers;

        private void check(long offset, int length) throws IOException {
            transfers++;
            if ((offset | length) % 512 != 0) {
                throw new IOException(length + " bytes at " + offset);
            }
        }

        @Override
        public long sectors() {
            return disk.sectors();
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public String id() {
            return "d";
        }

        @Override
        public void read(long offset, long host, int length) throws IOException {
            check(offset, length);
            disk.read(offset, host, length);
        }

        @Override
        public void write(long offset, long host, int length) throws IOException {
            check(offset, length);
            disk.write(offset, host, length);
        }

        @Override
        public void flush() {}

        @Override
        public void discard(long offset, long length) {}

        @Override
        public void zero(long offset, long length, boolean mayFree) {}
    }

    /** Pieces that do not touch, with lengths from a generator and a last one that makes it whole sectors. */
    private GuestBuffers pieces(Random random, boolean fill, int sectors, int longest, List<long[]> where) {
        GuestBuffers b = new GuestBuffers(memory, fill);
        long at = 3;
        int left = sectors * 512;
        while (left > 0) {
            int n = Math.min(left, 1 + random.nextInt(longest));
            b.add(at, n);
            where.add(new long[] {at, n});
            at += n + 1;
            left -= n;
        }
        return b;
    }

    @Test
    void piecesOfAnyLength_becomeWholeSectorsOfTheDisk() throws IOException {
        long seed = 20261130;
        Random random = new Random(seed);
        for (int round = 0; round < 50; round++) {
            WholeSectors disk = new WholeSectors();
            random.nextBytes(disk.disk.bytes);
            int sectors = 1 + random.nextInt(300);
            int first = random.nextInt(SECTORS - sectors);
            byte[] expected = Arrays.copyOfRange(disk.disk.bytes, first * 512, (first + sectors) * 512);
            List<long[]> where = new ArrayList<>();
            GuestBuffers in = pieces(random, true, sectors, 2000, where);
            in.transfer(disk, first * 512L);
            assertArrayEquals(expected, in.get(), "seed " + seed + ", round " + round);
            assertEquals(sectors * 512L, in.done());
            GuestBuffers out = new GuestBuffers(memory, false);
            where.forEach(w -> out.add(w[0], (int) w[1]));
            random.nextBytes(expected);
            in.put(expected);
            out.transfer(disk, first * 512L);
            assertArrayEquals(
                    expected, Arrays.copyOfRange(disk.disk.bytes, first * 512, (first + sectors) * 512), "written");
        }
    }

    @Test
    void piecesOfWholeSectors_goStraight() throws IOException {
        WholeSectors disk = new WholeSectors();
        GuestBuffers b = new GuestBuffers(memory, true);
        b.add(0x1000, 512);
        b.add(0x3001, 1024);
        b.transfer(disk, 512);
        assertEquals(2, disk.transfers);
        b.add(0x3401, 512); // continues the one before
        b.transfer(disk, 512);
        assertEquals(4, disk.transfers);
    }

    @Test
    void whatIsNotWholeSectorsOrNotRam_isRefused() {
        GuestBuffers b = new GuestBuffers(memory, false);
        b.add(0, 700);
        IOException e = assertThrows(IOException.class, () -> b.transfer(new WholeSectors(), 0));
        assertTrue(String.valueOf(e.getMessage()).contains("700"));
        assertThrows(GuestAddressException.class, () -> b.add((2 << 20) - 1, 2));
    }
}
