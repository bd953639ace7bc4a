package serai.machine.boot;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** A fuzz target for each kind of kernel: a file is loaded or refused by a BootException, and nothing else. */
public class LoaderFuzzTest {
    private static final long RAM = 4 << 20;

    /** What is left of one kernel in it does not matter to the next. */
    private static final GuestMemory MEMORY = new GuestMemory(
            List.of(new RamRegion(0, RAM, Arena.global().allocate(RAM, 4096).address(), false, -1, 0)));

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        LoaderFuzzTest t = new LoaderFuzzTest();
        switch (System.getProperty("serai.fuzz.kernel", "")) {
            case "elf" -> t.elf(input);
            case "multiboot" -> t.multiboot(input);
            default -> t.bzImage(input);
        }
    }

    @FuzzTest
    void bzImage(byte[] input) {
        byte[] b = Arrays.copyOf(input, Math.max(input.length, 0x206));
        Le.put16(b, 0x1fe, 0xaa55);
        Le.put32(b, 0x202, 0x53726448);
        load(b);
    }

    @FuzzTest
    void elf(byte[] input) {
        byte[] b = Arrays.copyOf(input, Math.max(input.length, 4));
        Le.put32(b, 0, 0x464c457f);
        load(b);
    }

    @FuzzTest
    void multiboot(byte[] input) {
        byte[] b = Arrays.copyOf(input, Math.max(input.length, 12));
        Le.put32(b, 0, 0x1badb002);
        Le.put32(b, 8, -0x1badb002L - Le.i32(b, 4));
        load(b);
    }

    private static void load(byte[] file) {
        try {
            Path kernel = Files.createTempFile("serai-fuzz", null);
            try {
                Files.write(kernel, file);
                Loader.load(MEMORY, new BootSource(kernel, null, "console"), 0xf0000);
            } catch (BootException e) {
                // refused, which it may be
            } finally {
                Files.delete(kernel);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sound files of each kind with a few bytes changed, and their ends cut off. */
    @Test
    void damagedKernels() {
        long seed = 20261127;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 300; i++) {
            byte[] b = seed(random.nextInt(4), random);
            int changes = random.nextInt(6);
            for (int k = 0; k < changes; k++) {
                int at = random.nextInt(random.nextBoolean() ? b.length : Math.min(b.length, 0x270));
                b[at] = (byte) (random.nextBoolean() ? random.nextInt() : random.nextBoolean() ? 0xff : 0);
            }
            load(random.nextInt(4) == 0 ? Arrays.copyOf(b, random.nextInt(b.length)) : b);
        }
    }

    /** Writes sound files of each kind into a directory, to begin with. */
    public static void seeds(Path directory) throws IOException {
        Random random = new Random(20261127);
        for (int i = 0; i < 24; i++) {
            Files.write(directory.resolve("kernel" + i), seed(i % 4, random));
        }
    }

    private static byte[] seed(int kind, Random random) {
        byte[] code = new byte[256];
        switch (kind) {
            case 0, 1 -> {
                return new ElfBuilder(kind == 0)
                        .entry(0x100000)
                        .load(0x100000, code, 0x2000)
                        .note("Xen", 18, new byte[] {0, 0, 16, 0})
                        .build();
            }
            case 2 -> {
                byte[] b = new byte[512];
                long[] fields = {0x1badb002, 1 << 16, 0, 0x100000, 0x100000, 0, 0x101000, 0x100020};
                for (int i = 0; i < fields.length; i++) {
                    Le.put32(b, i * 4, fields[i]);
                }
                Le.put32(b, 8, -(0x1badb002L + (1 << 16)));
                return b;
            }
            default -> {
                byte[] b = new byte[0x1000];
                b[0x1f1] = 1;
                Le.put16(b, 0x1fe, 0xaa55);
                b[0x201] = 0x66;
                Le.put32(b, 0x202, 0x53726448);
                Le.put16(b, 0x206, 0x20f);
                Le.put16(b, 0x236, 1);
                Le.put32(b, 0x238, 255);
                Le.put32(b, 0x248, 0x100);
                Le.put32(b, 0x24c, 0x200);
                Le.put64(b, 0x258, 0x100000);
                Le.put32(b, 0x260, 0x10000);
                int[][] magics = {
                    {0x1f, 0x8b, 8},
                    {0xfd, '7', 'z', 'X', 'Z', 0},
                    {0x5d, 0, 0},
                    {2, 0x21, 0x4c, 0x18},
                    {0x28, 0xb5, 0x2f, 0xfd},
                    {0}
                };
                int[] magic = magics[random.nextInt(magics.length)];
                for (int i = 0; i < magic.length; i++) {
                    b[0x500 + i] = (byte) magic[i];
                }
                return b;
            }
        }
    }
}
