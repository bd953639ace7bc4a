package serai.storage.track;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import serai.linux.HostFile;
import serai.linux.LinuxException;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * Where a checkpoint keeps what was overwritten: sparse files without a name, so that nothing is left of them when the process is gone.
 * A byte of the disk has its place in them; there are several, as ext4 has no files of more than 16 TiB.
 */
public final class CopyStore implements AutoCloseable {
    private static final long PIECE = 4L << 40;

    private final Path directory;
    private final long piece;
    private final Map<Long, HostFile> files = new TreeMap<>();

    private CopyStore(Path directory, long piece) {
        this.directory = directory;
        this.piece = piece;
    }

    /**
     * In a directory.
     *
     * @throws DiskException if no file can be made there
     */
    public static CopyStore in(Path directory) throws DiskException {
        return in(directory, PIECE);
    }

    /** In files of another size. */
    static CopyStore in(Path directory, long piece) throws DiskException {
        CopyStore s = new CopyStore(directory, piece);
        s.file(0); // a wrong directory is refused at once
        return s;
    }

    private synchronized HostFile file(long index) throws DiskException {
        HostFile f = files.get(index);
        if (f == null) {
            Path name = directory.resolve(".serai-checkpoint-" + UUID.randomUUID());
            try {
                f = HostFile.open(name, HostFile.Access.CREATE_NEW);
                Files.delete(name);
            } catch (IOException e) {
                throw new DiskException(
                        "what a checkpoint keeps can't be written to directory " + directory + ": " + e.getMessage(),
                        e);
            }
            files.put(index, f);
        }
        return f;
    }

    /** What is done with a part that lies in one file. */
    private interface Part {
        void with(HostFile file, long offset, long hostAddress, long length) throws LinuxException;
    }

    private void parts(long position, long hostAddress, long length, Part part) throws IOException {
        for (long done = 0; done < length; ) {
            long at = position + done;
            long n = Math.min(length - done, piece - at % piece);
            part.with(file(at / piece), at % piece, hostAddress + done, n);
            done += n;
        }
    }

    void write(long position, long hostAddress, long length) throws IOException {
        parts(position, hostAddress, length, HostFile::write);
    }

    /** Reads; what was not written is zeros. */
    void read(long position, long hostAddress, long length) throws IOException {
        parts(position, hostAddress, length, (file, offset, address, n) -> {
            long got = file.read(offset, address, n);
            if (got < n) {
                NativeBuffer.at(address + got, n - got).fill((byte) 0);
            }
        });
    }

    /** What is there, and at least one byte of it, at most {@code length}. */
    Extent status(long position, long length) throws IOException {
        HostFile f = file(position / piece);
        long at = position % piece;
        long end = Math.min(at + length, piece);
        long size = f.size();
        if (at >= size) {
            return Extent.zeros(end - at);
        }
        long data = f.nextData(at);
        if (data > at) {
            // at the file's end "no more data" and "data here" are the same number
            return Extent.zeros((data >= size ? end : Math.min(data, end)) - at);
        }
        return Extent.data(Math.min(f.nextHole(at), end) - at, Extent.NOWHERE);
    }

    /** Bytes that the host has allocated. */
    long allocated() throws IOException {
        List<HostFile> all;
        synchronized (this) {
            all = new ArrayList<>(files.values());
        }
        long n = 0;
        for (HostFile f : all) {
            n += f.allocated();
        }
        return n;
    }

    /** What it holds is lost. Does nothing the second time. */
    @Override
    public synchronized void close() {
        files.values().forEach(HostFile::close);
        files.clear();
    }
}
