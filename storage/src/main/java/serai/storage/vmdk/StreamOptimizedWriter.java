package serai.storage.vmdk;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.random.RandomGenerator;
import java.util.zip.Deflater;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * Writes a disk as a stream-optimised VMDK (VMDK 5.0, Stream-Optimized Compressed Sparse Extents), which is what an OVF or OVA has in it:
 * grains of 64 KiB in the order of the disk, each compressed by itself, and none for zeros. It is written from start to end, so the output
 * may be a pipe.
 *
 * <pre>{@code
 * try (BlockDevice disk = …; OutputStream out = Files.newOutputStream(Path.of("disk.vmdk"))) {
 *     StreamOptimizedWriter.write(disk, out, "disk.vmdk", position -> {});
 * }
 * }</pre>
 */
public final class StreamOptimizedWriter {
    private static final int SECTOR = SparseHeader.BYTES;
    private static final int GRAIN_SECTORS = 128;
    private static final int GRAIN = GRAIN_SECTORS * SECTOR;
    private static final int TABLE = 512;
    private static final int DESCRIPTOR_SECTORS = 20;
    /** Where the first grain is, as in VMware's own. */
    private static final int OVERHEAD = 128;

    private static final int MARKER = 12;
    private static final int MARKER_TABLE = 1;
    private static final int MARKER_DIRECTORY = 2;
    /** A grain is named by a sector number of 32 bits. */
    private static final long MAX_SECTORS = 0xffff_ffffL;

    private static final byte[] ZEROS = new byte[GRAIN];

    private final OutputStream out;
    private final long capacity;
    private final List<Integer> directory = new ArrayList<>();
    private final ByteBuffer table = buffer(TABLE * 4);
    private final Deflater deflater = new Deflater();
    private long sectors;

    private StreamOptimizedWriter(OutputStream out, long capacity) {
        this.out = out;
        this.capacity = capacity;
    }

    /**
     * Writes all of a disk.
     *
     * @param out stays open, and is not flushed
     * @param name the file's name, which the descriptor repeats
     * @param progress is told the position on the disk up to which it is written, now and then
     * @throws DiskException if the disk is larger than 1 PiB, or what is written of it than 2 TiB
     */
    public static void write(BlockDevice disk, OutputStream out, String name, LongConsumer progress)
            throws IOException {
        long capacity = disk.size() / SECTOR;
        if (capacity == 0 || capacity > SparseHeader.MAX_CAPACITY) {
            throw new DiskException("a disk of %d bytes can't be a VMDK, which has up to 1 PiB".formatted(disk.size()));
        }
        StreamOptimizedWriter w = new StreamOptimizedWriter(out, capacity);
        try {
            w.all(disk, name, progress);
        } finally {
            w.deflater.end();
        }
    }

    private void all(BlockDevice disk, String name, LongConsumer progress) throws IOException {
        put(header(SparseHeader.AT_END));
        put(descriptor(name));
        put(buffer((OVERHEAD - 1 - DESCRIPTOR_SECTORS) * SECTOR));
        long covered = (long) TABLE * GRAIN;
        try (NativeBuffer grain = new NativeBuffer(GRAIN)) {
            for (long position = 0; position < disk.size(); position += covered) {
                long end = Math.min(position + covered, disk.size());
                table(disk, grain.segment(), position, end);
                progress.accept(end);
            }
        }
        ByteBuffer d = buffer((directory.size() * 4 + SECTOR - 1) / SECTOR * SECTOR);
        directory.forEach(d::putInt);
        marker(d.capacity() / SECTOR, MARKER_DIRECTORY);
        long at = sectors;
        put(d.rewind());
        marker(1, SparseHeader.MARKER_FOOTER);
        put(header(at));
        put(buffer(SECTOR)); // an empty marker ends the stream
    }

    /** The grains that a table has, and the table; a directory entry of zero if all are zeros. */
    private void table(BlockDevice disk, MemorySegment grain, long position, long end) throws IOException {
        table.clear().put(new byte[TABLE * 4]).clear();
        boolean any = false;
        for (long at = position; at < end; at += GRAIN) {
            Extent e = disk.status(at, end - at);
            if (e.zero() && e.length() >= GRAIN) {
                at += (e.length() - GRAIN) / GRAIN * GRAIN;
                continue;
            }
            int n = (int) Math.min(GRAIN, end - at);
            grain.fill((byte) 0);
            disk.read(at, grain.address(), n);
            if (grain.mismatch(MemorySegment.ofArray(ZEROS)) >= 0) {
                table.putInt((int) ((at - position) / GRAIN) * 4, (int) sectors);
                grain(at / SECTOR, grain);
                any = true;
            }
        }
        if (any) {
            marker(TABLE * 4 / SECTOR, MARKER_TABLE);
            directory.add((int) sectors);
            put(table);
        } else {
            directory.add(0);
        }
    }

    private void grain(long sector, MemorySegment grain) throws IOException {
        deflater.reset();
        deflater.setInput(grain.asByteBuffer());
        deflater.finish();
        ByteBuffer to = buffer(2 * GRAIN);
        to.position(MARKER);
        while (!deflater.finished()) {
            deflater.deflate(to);
        }
        to.putLong(0, sector).putInt(8, to.position() - MARKER);
        put(to.limit((to.position() + SECTOR - 1) / SECTOR * SECTOR).rewind());
    }

    private void marker(long following, int type) throws IOException {
        put(buffer(SECTOR).putLong(0, following).putInt(12, type));
    }

    private ByteBuffer header(long directoryAt) {
        ByteBuffer b = buffer(SECTOR);
        b.putInt(0, SparseHeader.MAGIC)
                .putInt(4, 3)
                .putInt(8, SparseHeader.VALID_NEWLINES | SparseHeader.COMPRESSED | SparseHeader.MARKERS)
                .putLong(12, capacity)
                .putLong(20, GRAIN_SECTORS)
                .putLong(28, 1)
                .putLong(36, DESCRIPTOR_SECTORS)
                .putInt(44, TABLE)
                .putLong(56, directoryAt)
                .putLong(64, OVERHEAD);
        return b.put(73, (byte) '\n')
                .put(74, (byte) ' ')
                .put(75, (byte) '\r')
                .put(76, (byte) '\n')
                .putShort(77, (short) SparseHeader.DEFLATE);
    }

    private ByteBuffer descriptor(String name) {
        // the greatest two mean that there is no parent, and that the id is elsewhere
        int id = RandomGenerator.getDefault().nextInt() & 0x7fff_ffff;
        long cylinders = Math.clamp(capacity / (255 * 63), 1, 65535);
        String text = """
                # Disk DescriptorFile
                version=1
                CID=%08x
                parentCID=ffffffff
                createType="streamOptimized"

                # Extent description
                RW %d SPARSE "%s"

                # The Disk Data Base
                #DDB

                ddb.adapterType = "lsilogic"
                ddb.geometry.cylinders = "%d"
                ddb.geometry.heads = "255"
                ddb.geometry.sectors = "63"
                ddb.virtualHWVersion = "4"
                """.formatted(id, capacity, name.replaceAll("[\"\\p{Cntrl}]", "_"), cylinders);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return buffer(DESCRIPTOR_SECTORS * SECTOR).put(0, bytes);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Writes whole sectors. */
    private void put(ByteBuffer b) throws IOException {
        out.write(b.array(), 0, b.limit());
        sectors += b.limit() / SECTOR;
        if (sectors > MAX_SECTORS) {
            throw new DiskException("the disk has more data than a stream-optimised VMDK can have, which is 2 TiB");
        }
    }
}
