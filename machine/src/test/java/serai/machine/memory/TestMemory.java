package serai.machine.memory;

import java.lang.foreign.Arena;
import java.util.List;

/** Guest memory for tests, on the host's heap. */
public final class TestMemory {
    /** RAM of {@code size} bytes from guest-physical 0. */
    public static GuestMemory ram(long size) {
        return new GuestMemory(List.of(new RamRegion(0, size, allocate(size), false, -1, 0)));
    }

    static long allocate(long size) {
        return Arena.global().allocate(size, 4096).address();
    }

    private TestMemory() {}
}
