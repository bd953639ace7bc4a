package serai.storage.vhdx;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/** A file with the changes of its log over it, read-only. What a change writes is read from the log when it is needed. */
final class ReplayedFile implements ImageFile {
    /** A range with the change that made it last. */
    private record Piece(long end, LogEntry.Descriptor change) {
        boolean zero() {
            return change.source() < 0;
        }
    }

    private final ImageFile file;
    private final LogEntry.Ring ring;
    private final NavigableMap<Long, Piece> pieces;
    private final long size;

    private ReplayedFile(ImageFile file, LogEntry.Ring ring, NavigableMap<Long, Piece> pieces, long size) {
        this.file = file;
        this.ring = ring;
        this.pieces = pieces;
        this.size = size;
    }

    /** Lays changes over each other, the later over the earlier. */
    static final class Builder {
        private final LogEntry.Ring ring;
        private final NavigableMap<Long, Piece> pieces = new TreeMap<>();
        private long size;

        /**
         * Of a log.
         *
         * @param size bytes that the file has at least when all is done
         */
        Builder(LogEntry.Ring ring, long size) {
            this.ring = ring;
            this.size = Math.clamp(size, 0, Long.MAX_VALUE / 2);
        }

        void add(LogEntry.Descriptor d) {
            long begin = d.offset();
            long end = begin + d.length();
            if (begin == end) {
                return;
            }
            cut(begin);
            cut(end);
            pieces.subMap(begin, end).clear();
            pieces.put(begin, new Piece(end, d));
            size = Math.max(size, end);
        }

        /** Only zeros are ever longer than a sector and can be cut. */
        private void cut(long at) {
            Map.Entry<Long, Piece> e = pieces.lowerEntry(at);
            if (e != null && e.getValue().end > at) {
                pieces.put(at, e.getValue());
                pieces.put(e.getKey(), new Piece(at, e.getValue().change));
            }
        }

        ReplayedFile build(ImageFile file) throws IOException {
            return new ReplayedFile(file, ring, pieces, Math.max(size, file.size()));
        }
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean writable() {
        return false;
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        file.read(position, hostAddress, length);
        long end = position + length;
        Map.Entry<Long, Piece> before = pieces.lowerEntry(position);
        long from = before != null && before.getValue().end > position ? before.getKey() : position;
        for (Map.Entry<Long, Piece> e : pieces.subMap(from, end).entrySet()) {
            long begin = Math.max(position, e.getKey());
            long stop = Math.min(end, e.getValue().end);
            MemorySegment to = NativeBuffer.at(hostAddress + begin - position, stop - begin);
            if (e.getValue().zero()) {
                to.fill((byte) 0);
            } else {
                to.copyFrom(
                        MemorySegment.ofBuffer(sector(e.getValue().change)).asSlice(begin - e.getKey(), stop - begin));
            }
        }
    }

    /** VHDX 2.3.1.3: the data sector has the change but for its first eight and last four bytes, which are in the descriptor. */
    private ByteBuffer sector(LogEntry.Descriptor d) throws IOException {
        return ring.sector(d.source()).putLong(0, d.leading()).putInt(LogEntry.SECTOR - 4, d.trailing());
    }

    @Override
    public long allocated() throws IOException {
        return file.allocated();
    }

    /** What is a hole is not looked for. */
    @Override
    public long nextData(long position) {
        return position;
    }

    @Override
    public long nextHole(long position) {
        return size;
    }

    private static IOException readOnly() {
        return new IOException("a VHDX is only read");
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        throw readOnly();
    }

    @Override
    public void flush() {}

    @Override
    public void resize(long bytes) throws IOException {
        throw readOnly();
    }

    @Override
    public void punch(long position, long length) throws IOException {
        throw readOnly();
    }

    @Override
    public void zero(long position, long length) throws IOException {
        throw readOnly();
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
