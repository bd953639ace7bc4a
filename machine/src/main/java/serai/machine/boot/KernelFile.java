package serai.machine.boot;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** An opened input file. */
final class KernelFile implements ByteSource, Closeable {
    private final String what;
    private final Path path;
    private final FileChannel channel;
    private final long size;

    private KernelFile(String what, Path path, FileChannel channel, long size) {
        this.what = what;
        this.path = path;
        this.channel = channel;
        this.size = size;
    }

    /**
     * Opens a regular file that is not empty.
     *
     * @param what "kernel" or "initrd", for messages
     */
    static KernelFile open(String what, Path path) throws BootException {
        if (Files.isDirectory(path)) {
            throw new BootException(what + " " + path + " is a directory");
        }
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new BootException(what + " " + path + " is not a regular file");
        }
        try {
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
            long size = channel.size();
            if (size == 0) {
                channel.close();
                throw new BootException(what + " " + path + " is empty");
            }
            return new KernelFile(what, path, channel, size);
        } catch (NoSuchFileException e) {
            throw new BootException(what + " " + path + " does not exist", e);
        } catch (AccessDeniedException e) {
            throw new BootException(what + " " + path + " can't be read: permission denied", e);
        } catch (IOException e) {
            throw new BootException(what + " " + path + " can't be read: " + e.getMessage(), e);
        }
    }

    long size() {
        return size;
    }

    Path path() {
        return path;
    }

    /** "kernel /boot/vmlinuz", to begin a message with. */
    @Override
    public String toString() {
        return what + " " + path;
    }

    @Override
    public void read(long offset, byte[] into, int at, int length) throws BootException, IOException {
        if (offset < 0 || length > size - offset) {
            throw truncated();
        }
        ByteBuffer b = ByteBuffer.wrap(into, at, length);
        while (b.hasRemaining()) {
            if (channel.read(b, offset + b.position() - at) < 0) {
                throw truncated();
            }
        }
    }

    BootException truncated() {
        return new BootException(this + " is truncated");
    }

    /** Up to {@code max} bytes from the start. */
    byte[] head(int max) throws BootException, IOException {
        return read(0, (int) Math.min(max, size));
    }

    /** A part of the file as a stream; it must lie within the file. */
    InputStream stream(long offset, long length) throws BootException {
        if (offset < 0 || length < 0 || length > size - offset) {
            throw truncated();
        }
        return new InputStream() {
            private long position;

            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] into, int at, int n) throws IOException {
                if (n == 0) {
                    return 0;
                }
                int wanted = (int) Math.min(n, length - position);
                if (wanted == 0) {
                    return -1;
                }
                int got = channel.read(ByteBuffer.wrap(into, at, wanted), offset + position);
                if (got > 0) {
                    position += got;
                }
                return got;
            }
        };
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
