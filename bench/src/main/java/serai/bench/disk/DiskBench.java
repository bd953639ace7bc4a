package serai.bench.disk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/**
 * Reads and writes an image through Serai's block stack and by {@code qemu-img bench}, in turns, with the same requests: each program's own
 * image, made by {@code qemu-img create}. "Random" is {@code qemu-img bench}'s stride, of 513 and a half MiB, which meets another L2 slice each
 * time. QEMU has 64 requests under way, Serai as many threads as there are processors (its requests are synchronous).
 *
 * <pre>
 * DiskBench DIRECTORY ROUNDS [MIB]
 * </pre>
 */
public final class DiskBench {
    private static final Pattern TIME = Pattern.compile("Run completed in ([0-9.]+) seconds");
    private static final long STRIDE = (513L << 20) + (512 << 10);
    private static final int QUEUE = 64;
    private static final int MINUTES = 10;

    /** What is measured: so many requests of so many bytes. */
    private record Load(String name, boolean write, boolean random, int bytes, boolean fresh) {
        long count(long total) {
            return Math.max(1, Math.min(total / bytes, 100_000));
        }

        long step() {
            return random ? STRIDE + bytes : bytes;
        }
    }

    private static final List<Load> LOADS = List.of(
            new Load("read 4k sequential", false, false, 4096, false),
            new Load("read 4k random", false, true, 4096, false),
            new Load("read 1M sequential", false, false, 1 << 20, false),
            new Load("write 4k sequential", true, false, 4096, false),
            new Load("write 4k random", true, true, 4096, false),
            new Load("write 1M sequential", true, false, 1 << 20, false),
            new Load("write 4k sequential, allocating", true, false, 4096, true),
            new Load("write 4k random, allocating", true, true, 4096, true),
            new Load("write 64k sequential, allocating", true, false, 65536, true),
            new Load("write 1M sequential, allocating", true, false, 1 << 20, true));

    private final Path directory;
    private final long size;

    private DiskBench(Path directory, long size) {
        this.directory = directory;
        this.size = size;
    }

    /** See the class. */
    public static void main(String[] args) throws Exception {
        Path directory = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        long size = (args.length > 2 ? Long.parseLong(args[2]) : 2048) << 20;
        new DiskBench(directory, size).run(rounds);
    }

    private void run(int rounds) throws Exception {
        System.out.printf(
                Locale.ROOT,
                "qcow2 of %d MiB, 64 KiB clusters, page cache; %d rounds in turns, medians%n%-34s %12s %12s %7s%n",
                size >> 20,
                rounds,
                "",
                "QEMU IO/s",
                "Serai IO/s",
                "Serai/QEMU");
        Path full = directory.resolve("full.qcow2");
        create(full);
        qemu("io", "-f", "qcow2", "-c", "write -P 7 0 " + size, full.toString());
        for (Load l : LOADS) {
            double[] qemu = new double[rounds];
            double[] serai = new double[rounds];
            for (int i = -1; i < rounds; i++) { // the first is for the JIT compilers and the page cache
                double q = fresh(l, full, f -> qemu(l, f));
                double s = fresh(l, full, f -> serai(l, f));
                if (i >= 0) {
                    qemu[i] = q;
                    serai[i] = s;
                }
            }
            double q = l.count(size) / median(qemu);
            double s = l.count(size) / median(serai);
            System.out.printf(Locale.ROOT, "%-34s %12.0f %12.0f %7.2f%n", l.name, q, s, s / q);
        }
        Files.delete(full);
    }

    private static double median(double[] v) {
        Arrays.sort(v);
        return v[v.length / 2];
    }

    private interface Timed {
        double run(Path image) throws Exception;
    }

    private double fresh(Load l, Path full, Timed what) throws Exception {
        if (!l.fresh) {
            return what.run(full);
        }
        Path image = directory.resolve("fresh.qcow2");
        create(image);
        try {
            return what.run(image);
        } finally {
            Files.delete(image);
        }
    }

    private void create(Path image) throws Exception {
        Files.deleteIfExists(image);
        qemu("img", "create", "-q", "-f", "qcow2", image.toString(), Long.toString(size));
    }

    private static String qemu(String tool, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("qemu-" + tool));
        command.addAll(List.of(arguments));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!p.waitFor(MINUTES, TimeUnit.MINUTES) || p.exitValue() != 0) {
            p.destroyForcibly();
            throw new IOException(command + ": " + said);
        }
        return said;
    }

    private double qemu(Load l, Path image) throws Exception {
        List<String> a = new ArrayList<>(List.of(
                "bench",
                "-f",
                "qcow2",
                "-d",
                "" + QUEUE,
                "-c",
                "" + l.count(size),
                "-s",
                "" + l.bytes,
                "-S",
                "" + l.step()));
        if (l.write) {
            a.addAll(List.of("-w", "--pattern=9"));
        }
        a.add(image.toString());
        Matcher m = TIME.matcher(qemu("img", a.toArray(String[]::new)));
        if (!m.find()) {
            throw new IOException("qemu-img bench tells no time");
        }
        return Double.parseDouble(m.group(1));
    }

    private double serai(Load l, Path image) throws Exception {
        long count = l.count(size);
        AtomicLong next = new AtomicLong();
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        try (BlockDevice disk = Opening.trusted().open(image, ImageFormat.QCOW2, !l.write)) {
            List<Thread> threads = new ArrayList<>();
            long start = System.nanoTime();
            for (int t = 0; t < Runtime.getRuntime().availableProcessors(); t++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    try (NativeBuffer b = new NativeBuffer(l.bytes)) {
                        b.segment().fill((byte) 9);
                        for (long i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                            long at = i * l.step() % size;
                            at = Math.min(at, size - l.bytes);
                            if (l.write) {
                                disk.write(at, b.address(), l.bytes);
                            } else {
                                disk.read(at, b.address(), l.bytes);
                            }
                        }
                    } catch (IOException | RuntimeException e) {
                        wrong.set(e);
                    }
                }));
            }
            for (Thread t : threads) {
                t.join();
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            if (wrong.get() != null) {
                throw new IOException(wrong.get());
            }
            return seconds;
        }
    }
}
