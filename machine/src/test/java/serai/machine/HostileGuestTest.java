package serai.machine;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever a guest does, nothing is thrown out of the machine, nothing hangs, and a reset makes all as new. */
class HostileGuestTest {
    private static final int ROUNDS = 60;
    private static final int BYTES = 4000;

    @ParameterizedTest
    @EnumSource
    @Timeout(60)
    void randomAccesses(Part part) {
        long seed = 20261125 + part.ordinal();
        System.out.println(part + ": seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < ROUNDS; i++) {
            round(part, random);
        }
    }

    private static void round(Part part, Random random) {
        byte[] b = new byte[random.nextInt(BYTES)];
        random.nextBytes(b);
        HostileGuest.run(part, b);
    }

    /** Every port, in every size, read and written with what a guest may well write. */
    @Test
    void everyPort() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            for (int port = 0; port < 0x10000; port++) {
                for (int size = 1; size <= 4; size *= 2) {
                    pc.host().portRead(port, size);
                    pc.host().portWrite(port, size, port * 0x9e3779b1);
                    pc.host().portRead(port, size);
                }
            }
        }
    }

    /** Every offset of every claimed address range and its edges, in every size that stays within a page. */
    @Test
    void everyAddressOfEveryDevice() {
        try (TestPc pc = TestPc.withAll()) {
            for (String line : pc.machine.addressMap()) {
                if (!line.startsWith("memory")) {
                    continue;
                }
                long from = Long.parseLong(line.substring(7, 17), 16);
                long to = Long.parseLong(line.substring(18, 28), 16);
                range(pc, from - 8, Math.min(to + 8, from + 0x8000));
            }
            range(pc, Layout.LAPIC_BASE - 8, Layout.LAPIC_BASE + 0x1008);
        }
    }

    private static void range(TestPc pc, long from, long to) {
        for (long at = from; at < to; at++) {
            for (int size = 1; size <= 8; size *= 2) {
                if ((at & 0xfff) + size <= 0x1000) {
                    pc.host().mmioRead(at, size);
                    pc.host().mmioWrite(at, size, at * 0x9e3779b97f4a7c15L & (size == 8 ? -1 : (1L << size * 8) - 1));
                }
            }
        }
    }

    /** Ever new seeds for as long as {@code serai.fuzz.seconds} says, ten minutes without. */
    @Test
    @Tag("soak")
    void randomAccessesForLong() {
        long end = System.nanoTime()
                + Duration.ofSeconds(Long.getLong("serai.fuzz.seconds", 600)).toNanos();
        for (long seed = System.nanoTime(); System.nanoTime() < end; seed++) {
            for (Part part : Part.values()) {
                try {
                    round(part, new Random(seed));
                } catch (RuntimeException | AssertionError e) {
                    throw new AssertionError(part + " fails with seed " + seed, e);
                }
            }
        }
    }
}
