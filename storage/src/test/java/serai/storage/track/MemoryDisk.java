package serai.storage.track;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** A disk in memory, with no lock around a transfer: what is read while it is written may be half of each. */
class MemoryDisk implements BlockDevice {
    private byte[] bytes;

    MemoryDisk(int size) {
        bytes = new byte[size];
    }

    /** Called in the middle of each transfer and change. */
    void pause() throws IOException {}

    @Override
    public long size() {
        return bytes.length;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        MemorySegment to = NativeBuffer.at(hostAddress, length);
        int half = (int) length / 2;
        MemorySegment.copy(bytes, (int) position, to, ValueLayout.JAVA_BYTE, 0, half);
        pause();
        MemorySegment.copy(bytes, (int) position + half, to, ValueLayout.JAVA_BYTE, half, (int) length - half);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        MemorySegment from = NativeBuffer.at(hostAddress, length);
        int half = (int) length / 2;
        MemorySegment.copy(from, ValueLayout.JAVA_BYTE, 0, bytes, (int) position, half);
        pause();
        MemorySegment.copy(from, ValueLayout.JAVA_BYTE, half, bytes, (int) position + half, (int) length - half);
    }

    @Override
    public void flush() {}

    @Override
    public void discard(long position, long length) throws IOException {
        zero(position, length, true);
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        BlockDevice.check(this, position, length);
        int half = (int) (position + length / 2);
        Arrays.fill(bytes, (int) position, half, (byte) 0);
        pause();
        Arrays.fill(bytes, half, (int) (position + length), (byte) 0);
    }

    @Override
    public Extent status(long position, long length) {
        int at = (int) position;
        boolean zero = bytes[at] == 0;
        while (at < position + length && (bytes[at] == 0) == zero) {
            at++;
        }
        return zero ? Extent.zeros(at - position) : Extent.data(at - position, position);
    }

    @Override
    public void resize(long size) {
        bytes = Arrays.copyOf(bytes, (int) size);
    }

    @Override
    public void close() {}

    // ---- for tests ----

    static void fill(BlockDevice disk, long position, int length, int value) throws IOException {
        try (NativeBuffer b = new NativeBuffer(length)) {
            b.segment().fill((byte) value);
            disk.write(position, b.address(), length);
        }
    }

    static byte[] read(BlockDevice disk, long position, int length) throws IOException {
        try (NativeBuffer b = new NativeBuffer(length)) {
            disk.read(position, b.address(), length);
            return b.segment().toArray(ValueLayout.JAVA_BYTE);
        }
    }
}
