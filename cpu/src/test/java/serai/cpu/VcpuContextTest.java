package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;

/** The layout of a vCPU's native memory. */
final class VcpuContextTest {
    private final VcpuContext context = new VcpuContext();

    @Test
    void theBaseIsThatOfAPage() {
        assertEquals(0, context.base % GuestMemory.PAGE_SIZE);
    }

    @Test
    void nothingOverlapsAndAllOfItIsAllocated() {
        long at = context.memory.address();
        at = startsAfter(at, context.base, 0) + GuestMemory.PAGE_SIZE;
        for (int t = 0; t < 4; t++) {
            at = startsAfter(at, context.readTlb(t), VcpuContext.TLB_TABLE);
        }
        for (int t = 0; t < 4; t++) {
            at = startsAfter(at, context.writeTlb(t), VcpuContext.TLB_TABLE);
        }
        at = startsAfter(at, context.base + VcpuContext.JUMP_TABLES, VcpuContext.JUMP_ENTRIES * 8L);
        at = startsAfter(at, context.base + VcpuContext.jumpCode(0), VcpuContext.JUMP_ENTRIES * 8L);
        startsAfter(at, context.base + VcpuContext.END, 0);
        assertEquals(context.memory.address() + context.memory.byteSize(), context.base + VcpuContext.END);
        assertEquals(VcpuContext.STACK, context.base - context.memory.address());
    }

    private static long startsAfter(long end, long start, long bytes) {
        assertTrue(start >= end, () -> "%#x begins before %#x".formatted(start, end));
        return start + bytes;
    }
}
