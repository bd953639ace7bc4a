package serai.storage.vmdk;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;
import serai.storage.imported.TableReader;

/**
 * Compressed grains: a marker of 12 bytes, which are the grain's sector (8) and the bytes that follow (4), and those bytes, of which VMDK
 * says that they are RFC 1951 and which are RFC 1950 (zlib), in whatever VMware, QEMU and VirtualBox write.
 *
 * <p>Few grains stay in memory, for reads of a grain in pieces. For any number of threads.
 */
final class CompressedGrains implements AutoCloseable {
    private static final int MARKER = 12;

    private record Grain(long place, long sector, byte[] bytes) {}

    private final ImageFile file;
    private final int size;
    private final boolean markers;
    private final AtomicReferenceArray<@Nullable Grain> kept;
    /** As many as threads have been here at once. */
    private final ConcurrentLinkedQueue<Inflater> inflaters = new ConcurrentLinkedQueue<>();

    /**
     * In a file.
     *
     * @param size bytes of a grain
     * @param markers whether they have markers
     * @param keep bytes of them that may stay in memory
     */
    CompressedGrains(ImageFile file, int size, boolean markers, int keep) {
        this.file = file;
        this.size = size;
        this.markers = markers;
        kept = new AtomicReferenceArray<>(keep / size);
    }

    /**
     * Reads a part of one.
     *
     * @param place the byte of the file where it is
     * @param sector the sector of the extent that it begins at
     * @param needed bytes that it has at least: only the last may be shorter than others
     * @param inside the first byte of it
     */
    void read(long place, long sector, int needed, int inside, long hostAddress, int length) throws IOException {
        if (length == size) {
            inflate(place, sector, needed, NativeBuffer.at(hostAddress, size).asByteBuffer());
            return;
        }
        NativeBuffer.at(hostAddress, length)
                .copyFrom(MemorySegment.ofArray(whole(place, sector, needed).bytes)
                        .asSlice(inside, length));
    }

    private Grain whole(long place, long sector, int needed) throws IOException {
        int slot = kept.length() == 0 ? -1 : (int) (sector / (size / SparseHeader.BYTES) % kept.length());
        Grain g = slot < 0 ? null : kept.get(slot);
        if (g == null || g.place != place || g.sector != sector) {
            g = new Grain(place, sector, new byte[size]);
            inflate(place, sector, needed, ByteBuffer.wrap(g.bytes));
            if (slot >= 0) {
                kept.set(slot, g);
            }
        }
        return g;
    }

    private void inflate(long place, long sector, int needed, ByteBuffer to) throws IOException {
        ByteBuffer from = compressed(place, sector);
        @Nullable Inflater pooled = inflaters.poll();
        Inflater inflater = pooled == null ? new Inflater() : pooled;
        try {
            inflater.setInput(from);
            while (to.hasRemaining() && !inflater.finished()) {
                if (inflater.inflate(to) == 0) {
                    break;
                }
            }
            boolean over = !inflater.finished() && (inflater.inflate(new byte[1]) != 0 || !inflater.finished());
            if (to.position() < needed || over) {
                throw bad(place, "decompresses to more or less than a grain");
            }
        } catch (DataFormatException e) {
            throw bad(place, "can't be decompressed");
        } finally {
            inflater.reset();
            inflaters.add(inflater);
        }
    }

    private ByteBuffer compressed(long place, long sector) throws IOException {
        long most = 2L * size + 4096; // deflate makes bytes that it can't compress longer by less than a thousandth
        long there = file.size() - place;
        if (!markers) {
            return TableReader.bytes(file, place, (int) Math.min(most, there), ByteOrder.LITTLE_ENDIAN);
        }
        ByteBuffer marker = TableReader.bytes(file, place, MARKER, ByteOrder.LITTLE_ENDIAN);
        long length = marker.getInt(8) & 0xffff_ffffL;
        if (length == 0 || length > most || length > there - MARKER) {
            throw bad(place, "would have " + length + " bytes");
        }
        if (marker.getLong(0) != sector) {
            throw bad(
                    place,
                    "is for sector %s, and the table has it for sector %d"
                            .formatted(Long.toUnsignedString(marker.getLong(0)), sector));
        }
        return TableReader.bytes(file, place + MARKER, (int) length, ByteOrder.LITTLE_ENDIAN);
    }

    private IOException bad(long place, String why) {
        return SparseHeader.bad(file, "the compressed grain at byte %d %s".formatted(place, why));
    }

    @Override
    public void close() {
        for (Inflater i = inflaters.poll(); i != null; i = inflaters.poll()) {
            i.end();
        }
    }
}
