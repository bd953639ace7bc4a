package serai.storage.imported;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.NavigableMap;
import java.util.TreeMap;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/** A file in memory: bytes that several may share, and changes over them. */
public final class FakeFile implements ImageFile {
    private final Path path;
    private final byte[] base;
    private final long size;
    private final NavigableMap<Integer, byte[]> changes = new TreeMap<>();

    /** Of some bytes. */
    public FakeFile(String name, byte[] base) {
        this(name, base, base.length);
    }

    /** Cut off, or with a hole at its end. */
    public FakeFile(String name, byte[] base, long size) {
        this.path = Path.of(name);
        this.base = base;
        this.size = size;
    }

    /** Lays bytes over what is there, for this file alone. */
    public void change(int position, byte[] bytes) {
        changes.put(position, bytes);
    }

    @Override
    public Path path() {
        return path;
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
        if (position < 0 || length < 0) {
            throw new IllegalArgumentException("read of %d at %d".formatted(length, position));
        }
        if (length == 0) {
            return;
        }
        MemorySegment to = NativeBuffer.at(hostAddress, length);
        to.fill((byte) 0);
        lay(base, 0, position, to);
        changes.forEach((at, bytes) -> lay(bytes, at, position, to));
    }

    private void lay(byte[] bytes, long at, long position, MemorySegment to) {
        long begin = Math.max(at, position);
        long end = Math.min(Math.min(at + bytes.length, size), position + to.byteSize());
        if (begin < end) {
            to.asSlice(begin - position, end - begin)
                    .copyFrom(MemorySegment.ofArray(bytes).asSlice(begin - at, end - begin));
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        throw new IOException("not to be written");
    }

    @Override
    public void flush() {}

    @Override
    public void resize(long bytes) throws IOException {
        throw new IOException("not to be resized");
    }

    @Override
    public void punch(long position, long length) throws IOException {
        throw new IOException("not to be punched");
    }

    @Override
    public void zero(long position, long length) throws IOException {
        throw new IOException("not to be zeroed");
    }

    @Override
    public long allocated() {
        return size;
    }

    @Override
    public long nextData(long position) {
        return position;
    }

    @Override
    public long nextHole(long position) {
        return size;
    }

    @Override
    public void close() {}
}
