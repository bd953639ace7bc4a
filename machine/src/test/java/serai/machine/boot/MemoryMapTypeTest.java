package serai.machine.boot;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.machine.Golden;
import serai.machine.Layout;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The memory map that machine type pc-1.0 tells Linux, read from boot_params as Linux does. */
class MemoryMapTypeTest {
    private static final long BACKED = 4 << 20;

    @TempDir
    Path dir = Path.of("");

    @Test
    void e820() throws BootException, IOException {
        Path kernel = Files.write(
                dir.resolve("kernel"),
                new ElfBuilder(true)
                        .entry(0x200000)
                        .load(0x200000, new byte[16], 16)
                        .build());
        StringBuilder s = new StringBuilder();
        for (long mib : new long[] {512, 3072, 5120}) {
            try (Arena arena = Arena.ofConfined()) {
                GuestMemory m = ram(arena, mib << 20);
                Loader.load(m, new BootSource(kernel, null, ""), Layout.ACPI_RSDP);
                s.append(mib).append(" MiB\n");
                for (int i = 0; i < m.readByte(BootLayout.INFO + 0x1e8); i++) {
                    long at = BootLayout.INFO + 0x2d0 + i * 20L;
                    long base = m.readLong(at);
                    s.append(
                            "%010x-%010x type %d\n".formatted(base, base + m.readLong(at + 8) - 1, m.readInt(at + 16)));
                }
            }
        }
        Golden.check("e820.txt", s.toString());
    }

    /** As Layout divides it. Only the first {@link #BACKED} bytes are there; nothing touches more. */
    private static GuestMemory ram(Arena arena, long bytes) {
        long host = arena.allocate(BACKED, 4096).address();
        long low = Math.min(bytes, Layout.LOW_RAM_END);
        List<RamRegion> regions = new ArrayList<>();
        regions.add(new RamRegion(0, low, host, false, -1, 0));
        if (bytes > low) {
            regions.add(new RamRegion(Layout.HIGH_RAM, bytes - low, host, false, -1, low));
        }
        return new GuestMemory(regions);
    }
}
