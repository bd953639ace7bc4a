package serai.storage;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Host memory for a while, page-aligned and zeroed; for one thread at a time. */
public final class NativeBuffer implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment segment;

    private NativeBuffer(Arena arena, long bytes, int alignment) {
        this.arena = arena;
        segment = arena.allocate(bytes, alignment);
    }

    /** Of that many bytes. */
    public NativeBuffer(long bytes) {
        this(Arena.ofShared(), bytes, 4096);
    }

    /** For a moment, and for the thread that makes it, which is much cheaper; aligned to 64 bytes only. */
    public static NativeBuffer confined(long bytes) {
        return new NativeBuffer(Arena.ofConfined(), bytes, 64);
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
