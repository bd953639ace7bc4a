package serai.storage;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Host memory for a while, page-aligned and zeroed; for one thread at a time. */
public final class NativeBuffer implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    /** Of that many bytes. */
    public NativeBuffer(long bytes) {
        segment = arena.allocate(bytes, 4096);
    }

    /** Where it is. */
    public long address() {
        return segment.address();
    }

    /** It. */
    public MemorySegment segment() {
        return segment;
    }

    /** Any host memory, unchecked: {@code length} bytes at {@code address} have to be mapped. */
    public static MemorySegment at(long address, long length) {
        return MemorySegment.ofAddress(address).reinterpret(length);
    }

    @Override
    public void close() {
        arena.close();
    }
}
