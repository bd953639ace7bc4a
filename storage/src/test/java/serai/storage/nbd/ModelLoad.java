package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** Random requests to a range of a disk that nobody else writes, each checked against a copy in the heap. */
final class ModelLoad {
    private static final int SECTOR = BlockDevice.SECTOR;

    private final BlockDevice disk;
    private final long start;
    private final Random random;
    private final byte[] model;
    /** What was discarded, which may read as before or as zeros until it is written. */
    private final boolean[] unknown;

    /** Of a range that reads as zeros. */
    ModelLoad(BlockDevice disk, long start, long length, Random random) {
        this.disk = disk;
        this.start = start;
        this.random = random;
        model = new byte[(int) length];
        unknown = new boolean[model.length / SECTOR];
    }

    void run(int requests) throws IOException {
        try (NativeBuffer buffer = new NativeBuffer(model.length)) {
            for (int i = 0; i < requests; i++) {
                int sectors = model.length / SECTOR;
                int at = random.nextInt(sectors);
                int n = 1 + random.nextInt(random.nextInt(4) == 0 ? sectors - at : Math.min(16, sectors - at));
                request(buffer, at * SECTOR, n * SECTOR);
            }
            read(buffer, 0, model.length);
        }
    }

    private void request(NativeBuffer buffer, int at, int n) throws IOException {
        switch (random.nextInt(8)) {
            case 0, 1, 2 -> {
                byte[] data = new byte[n];
                random.nextBytes(data);
                MemorySegment.copy(data, 0, buffer.segment(), ValueLayout.JAVA_BYTE, 0, n);
                disk.write(start + at, buffer.address(), n);
                System.arraycopy(data, 0, model, at, n);
                known(at, n, true);
            }
            case 3 -> {
                disk.zero(start + at, n, random.nextBoolean());
                java.util.Arrays.fill(model, at, at + n, (byte) 0);
                known(at, n, true);
            }
            case 4 -> {
                disk.discard(start + at, n);
                known(at, n, false);
            }
            case 5 -> disk.flush();
            case 6 -> {
                Extent e = disk.status(start + at, n);
                if (e.zero()) {
                    for (int i = at; i < at + e.length(); i++) {
                        assertEquals(0, unknown[i / SECTOR] ? 0 : model[i]);
                    }
                }
            }
            default -> read(buffer, at, n);
        }
    }

    private void known(int at, int n, boolean is) {
        java.util.Arrays.fill(unknown, at / SECTOR, (at + n) / SECTOR, !is);
    }

    private void read(NativeBuffer buffer, int at, int n) throws IOException {
        buffer.segment().asSlice(0, n).fill((byte) 0x55);
        disk.read(start + at, buffer.address(), n);
        for (int i = 0; i < n; i += SECTOR) {
            MemorySegment sector = buffer.segment().asSlice(i, SECTOR);
            MemorySegment expected = MemorySegment.ofArray(model).asSlice(at + i, SECTOR);
            if (sector.mismatch(expected) != -1) {
                int where = at + i;
                boolean zero = sector.mismatch(MemorySegment.ofArray(new byte[SECTOR])) == -1;
                assertEquals(true, unknown[where / SECTOR] && zero, () -> "sector at " + (start + where));
            }
        }
    }
}
