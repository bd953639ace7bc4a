package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.machine.engine.CpuFeature;

/** Any bytes decode, in each mode, to an instruction of at most 15 bytes or to none; twice the same. */
public class DecoderFuzzTest {
    private static final int[] SIZES = {2, 4, 8};

    @FuzzTest
    void decode(byte[] input) {
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        Decoded d = new Decoded();
        for (int at = 0; at < Math.min(input.length, 256); at++) {
            int from = at;
            Decoder.Bytes bytes = offset -> {
                assertTrue(offset >= 0 && offset < 15, "byte " + offset + " of an instruction");
                return from + offset < input.length ? input[from + offset] & 0xff : 0;
            };
            for (int size : SIZES) {
                Decoder.Result r = decoder.decode(d, bytes, size, size);
                if (r == Decoder.Result.OK) {
                    int length = d.length;
                    assertTrue(length >= 1 && length <= 15, "length " + length);
                    assertEquals(r, decoder.decode(d, bytes, size, size));
                    assertEquals(length, d.length);
                }
            }
        }
    }

    @Test
    void randomBytes() {
        long seed = 20261128;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        byte[] b = new byte[256];
        for (int i = 0; i < 200; i++) {
            random.nextBytes(b);
            decode(b);
        }
    }

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        new DecoderFuzzTest().decode(input);
    }

    @Test
    @Tag("e2e")
    void guided_aFewSeconds(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.BRIEFLY);
    }

    @Test
    @Tag("soak")
    void guided_forLong(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.LONG);
    }

    private static GuidedFuzz guided(Path dir) {
        return new GuidedFuzz(DecoderFuzzTest.class, "serai.cpu.Decode**", dir);
    }
}
