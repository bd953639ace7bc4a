package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table that is made of samples. */
final class ProfileTest {
    private static final ProfileConfig WANTED = new ProfileConfig(Path.of("p"), null, null);

    private static Symbols symbols(Path directory) throws Exception {
        return Symbols.read(Files.writeString(directory.resolve("map"), """
                ffffffff81000000 T first
                ffffffff81000100 T second
                ffffffff81a00000 T entry_SYSCALL_64
                """));
    }

    private static void sample(Profile p, long address, boolean translated, int times) {
        for (int i = 0; i < times; i++) {
            p.sample(address, translated);
        }
    }

    private static List<String> lines(Profile p, long offset) {
        return p.table(offset).lines().filter(l -> !l.startsWith("#")).toList();
    }

    @Test
    void samplesAreSummedByTheSymbolBeforeThem(@TempDir Path directory) throws Exception {
        Profile p = new Profile(WANTED, symbols(directory));
        sample(p, 0xffffffff81000004L, true, 3);
        sample(p, 0xffffffff81000100L, true, 4);
        sample(p, 0xffffffff81000130L, false, 2);
        sample(p, 0x401234, true, 1);
        assertEquals(
                List.of(
                        " 60.00 %        6  33.3 %  0xffffffff81000100  second",
                        " 30.00 %        3   0.0 %  0xffffffff81000000  first",
                        " 10.00 %        1   0.0 %  0x0000000000401000  [user]"),
                lines(p, 0));
        assertTrue(p.table(0)
                .startsWith("# 10 samples of the vCPUs' time on the host's processors, 20.0 % of them in the VMM"));
    }

    @Test
    void linuxTellsByLstarHowFarItWasMoved(@TempDir Path directory) throws Exception {
        Profile p = new Profile(WANTED, symbols(directory));
        assertEquals(0x1a000000, p.offset(0xffffffff81a00000L + 0x1a000000));
        assertEquals(-0x200000, p.offset(0xffffffff81800000L));
        assertEquals(0, p.offset(0), "not set");
        assertEquals(0, p.offset(0xffffffff81a00040L), "not aligned: another way in");
        assertEquals(0, p.offset(0x400000), "too far");
        assertEquals(0, new Profile(WANTED, null).offset(0xffffffff82a00000L));
        sample(p, 0xffffffff9b000110L, true, 1);
        assertEquals(List.of("100.00 %        1   0.0 %  0xffffffff9b000100  second"), lines(p, 0x1a000000));
        assertEquals(List.of("100.00 %        1   0.0 %  0xffffffff9b000000  [kernel]"), lines(p, 0));
    }

    @Test
    void addressesBeyondTheBoundAreCountedTogether() {
        Profile p = new Profile(WANTED, null);
        for (int i = 0; i < Profile.ADDRESSES + 7; i++) {
            p.sample(0x1000L + i, true);
        }
        sample(p, 0x1000, true, 5);
        assertTrue(p.table(0).startsWith("# %d samples".formatted(Profile.ADDRESSES + 12)));
        assertEquals(
                1,
                lines(p, 0).stream()
                        .filter(l -> l.endsWith("[more addresses than are told apart]") && l.contains(" 7 "))
                        .count());
    }
}
