package serai.machine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Guest memory for tests, on the host's heap. */
public final class TestMemory {
    /** RAM of {@code size} bytes from guest-physical 0. */
    public static GuestMemory ram(long size) {
        return new GuestMemory(List.of(new RamRegion(0, size, allocate(size), false, -1, 0)));
    }

    /**
     * The same with blocks of {@code block} bytes that can be plugged.
     *
     * @param base of the first of them, guest-physical
     */
    public static GuestMemory growing(long size, long base, long block, int blocks) {
        MemorySegment s = Arena.global().allocate(block * blocks, 4096);
        RamRegion r = new RamRegion(base, s.byteSize(), s.address(), false, -1, 0);
        return new GuestMemory(
                List.of(new RamRegion(0, size, allocate(size), false, -1, 0)),
                new PluggableRam(r, block, 3, (offset, length) -> s.asSlice(offset, length)
                        .fill((byte) 0)));
    }

    /** The same; pages that are given back are told to {@code discard}, and those that can be plugged zeroed. */
    public static GuestMemory givingBack(long size, long base, long block, int blocks, PluggableRam.Discard discard) {
        MemorySegment s = Arena.global().allocate(block * blocks, 4096);
        RamRegion r = new RamRegion(base, s.byteSize(), s.address(), false, -1, 0);
        return new GuestMemory(
                List.of(new RamRegion(0, size, allocate(size), false, -1, 0)),
                new PluggableRam(r, block, 3, (offset, length) -> s.asSlice(offset, length)
                        .fill((byte) 0)),
                discard);
    }

    static long allocate(long size) {
        return Arena.global().allocate(size, 4096).address();
    }

    private TestMemory() {}
}
