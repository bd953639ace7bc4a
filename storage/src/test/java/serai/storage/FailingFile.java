package serai.storage;

import java.io.IOException;
import java.nio.file.Path;

/** A file that fails now and then: what is to be written is not, or a flush does nothing; and says so. Reading always works. */
public final class FailingFile implements ImageFile {
    /** Is asked before each operation that changes the file. */
    @FunctionalInterface
    public interface Fault {
        /** Throws if it is to fail. */
        void before(String operation) throws IOException;
    }

    private final ImageFile file;
    private volatile Fault fault = operation -> {};

    public FailingFile(ImageFile file) {
        this.file = file;
    }

    public void fault(Fault f) {
        fault = f;
    }

    /** Fails {@code count} times, after {@code good} operations that work. */
    public void failAfter(int good, int count) {
        fault = new Fault() {
            private int n;

            @Override
            public synchronized void before(String operation) throws IOException {
                n++;
                if (n > good && n <= good + count) {
                    throw new IOException("made to fail: " + operation);
                }
            }
        };
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public boolean writable() {
        return file.writable();
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        file.read(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        fault.before("write");
        file.write(position, hostAddress, length);
    }

    @Override
    public void flush() throws IOException {
        fault.before("flush");
        file.flush();
    }

    @Override
    public void resize(long size) throws IOException {
        fault.before("resize");
        file.resize(size);
    }

    @Override
    public void punch(long position, long length) throws IOException {
        fault.before("punch");
        file.punch(position, length);
    }

    @Override
    public void zero(long position, long length) throws IOException {
        fault.before("zero");
        file.zero(position, length);
    }

    @Override
    public long allocated() throws IOException {
        return file.allocated();
    }

    @Override
    public long nextData(long position) throws IOException {
        return file.nextData(position);
    }

    @Override
    public long nextHole(long position) throws IOException {
        return file.nextHole(position);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
