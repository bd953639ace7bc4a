package serai.storage;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * A file in memory that loses what a disk may lose in a crash: of what was written since the last flush each sector of 512 bytes has any
 * of the contents that it had since then, whatever the others have.
 */
public final class CrashFile implements ImageFile {
    private static final int SECTOR = 512;
    private static final byte[] ZEROS = new byte[SECTOR];

    private final Map<Long, byte[]> durable = new HashMap<>();
    /** Contents since the last flush, the newest last. */
    private final Map<Long, List<byte[]>> since = new HashMap<>();

    private long size;
    private long durableSize;
    /** Operations until a crash is recorded. */
    private long left;

    private Random random = new Random(0);
    private volatile @Nullable CrashFile caught;

    /** Records what a crash would leave that happens so many operations (writes, flushes, punches) from now on. */
    public synchronized void crashAfter(long operations, Random r) {
        left = operations;
        random = r;
        caught = null;
    }

    /** That, once it has been recorded; else null. */
    public @Nullable CrashFile caught() {
        return caught;
    }

    private void count() {
        if (left > 0 && --left == 0) {
            caught = crash(random);
        }
    }

    @Override
    public Path path() {
        return Path.of("memory.qcow2");
    }

    @Override
    public synchronized long size() {
        return size;
    }

    @Override
    public boolean writable() {
        return true;
    }

    private byte[] sector(long n) {
        List<byte[]> newer = since.get(n);
        return newer != null ? newer.getLast() : durable.getOrDefault(n, ZEROS);
    }

    private void put(long n, byte[] content) {
        since.computeIfAbsent(n, k -> new ArrayList<>(1)).add(content);
    }

    @Override
    public synchronized void read(long position, long hostAddress, long length) {
        MemorySegment to = NativeBuffer.at(hostAddress, length);
        for (long at = position; at < position + length; ) {
            int in = (int) (at % SECTOR);
            int n = (int) Math.min(SECTOR - in, position + length - at);
            MemorySegment.copy(sector(at / SECTOR), in, to, ValueLayout.JAVA_BYTE, at - position, n);
            at += n;
        }
    }

    @Override
    public boolean readNow(long position, long hostAddress, long length) {
        read(position, hostAddress, length);
        return true;
    }

    @Override
    public synchronized void write(long position, long hostAddress, long length) {
        count();
        MemorySegment from = NativeBuffer.at(hostAddress, length);
        for (long at = position; at < position + length; ) {
            int in = (int) (at % SECTOR);
            int n = (int) Math.min(SECTOR - in, position + length - at);
            byte[] s = sector(at / SECTOR).clone();
            MemorySegment.copy(from, ValueLayout.JAVA_BYTE, at - position, s, in, n);
            put(at / SECTOR, s);
            at += n;
        }
        size = Math.max(size, position + length);
    }

    @Override
    public synchronized void flush() {
        count();
        since.forEach((n, l) -> {
            if (l.getLast() == ZEROS) {
                durable.remove(n);
            } else {
                durable.put(n, l.getLast());
            }
        });
        since.clear();
        durableSize = size;
    }

    @Override
    public synchronized void resize(long bytes) {
        count();
        if (bytes < size) {
            clear(bytes, size - bytes);
        }
        size = bytes;
    }

    private void clear(long position, long length) {
        for (long n = position / SECTOR; n * SECTOR < position + length; n++) {
            if (sector(n) != ZEROS) {
                put(n, ZEROS);
            }
        }
    }

    @Override
    public synchronized void punch(long position, long length) {
        count();
        clear(position, Math.min(length, Math.max(0, size - position)));
    }

    @Override
    public synchronized void zero(long position, long length) {
        count();
        clear(position, length);
        size = Math.max(size, position + length);
    }

    @Override
    public long allocated() {
        return size();
    }

    @Override
    public long nextData(long position) {
        return position;
    }

    @Override
    public long nextHole(long position) {
        return size();
    }

    @Override
    public void close() {}

    /** What a crash now may leave. */
    public synchronized CrashFile crash(Random random) {
        CrashFile f = new CrashFile();
        f.durable.putAll(durable);
        f.size = durableSize;
        // sometimes all of it, sometimes nothing, else any of it
        int how = random.nextInt(4);
        since.forEach((n, l) -> {
            int version = how == 0 ? l.size() : how == 1 ? 0 : random.nextInt(l.size() + 1);
            if (version > 0) {
                f.durable.put(n, l.get(version - 1));
                f.size = Math.max(f.size, Math.min(size, (n + 1) * SECTOR));
            }
        });
        f.durableSize = f.size;
        return f;
    }

    /** Its bytes, up to the size. */
    public synchronized void copyTo(Path file) throws java.io.IOException {
        try (var c = java.nio.channels.FileChannel.open(
                file, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)) {
            for (long n = 0; n * SECTOR < size; n++) {
                byte[] s = sector(n);
                if (s != ZEROS) {
                    c.write(java.nio.ByteBuffer.wrap(s, 0, (int) Math.min(SECTOR, size - n * SECTOR)), n * SECTOR);
                }
            }
            if (c.size() < size) {
                c.write(java.nio.ByteBuffer.allocate(1), size - 1);
            }
        }
    }
}
