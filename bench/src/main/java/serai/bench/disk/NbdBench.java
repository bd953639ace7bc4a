package serai.bench.disk;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import serai.storage.BlockDevice;
import serai.storage.RawDisk;
import serai.storage.nbd.NbdExport;
import serai.storage.nbd.NbdServer;

/**
 * The same clients with Serai's NBD server and with {@code qemu-nbd}, in turns: each server has a raw file of its own, of the same content, in the
 * page cache, and a Unix socket. The seconds are those of the client's process.
 *
 * <pre>
 * NbdBench DIRECTORY ROUNDS [MIB]
 * </pre>
 */
public final class NbdBench {
    private static final int MIB = 1 << 20;
    private static final int MINUTES = 10;

    /** What is measured: a command, in which URI stands for the export. */
    private record Load(String name, boolean sparse, List<String> command) {
        Load(String name, boolean sparse, String... command) {
            this(name, sparse, List.of(command));
        }

        static Load bench(String name, String... options) {
            List<String> c = new ArrayList<>(List.of("qemu-img", "bench", "-f", "raw"));
            c.addAll(List.of(options));
            c.add("URI");
            return new Load(name, false, c);
        }
    }

    private static final List<Load> LOADS = List.of(
            new Load("nbdcopy from it, 4 connections", false, "nbdcopy", "URI", "null:"),
            new Load("nbdcopy from it, 1 connection", false, "nbdcopy", "--connections=1", "URI", "null:"),
            new Load("nbdcopy from it, 1 MiB in 16 is data", true, "nbdcopy", "URI", "null:"),
            new Load("nbdcopy to it, and flush", false, "nbdcopy", "--flush", "--target-is-zero", "FILE", "URI"),
            Load.bench("20,000 reads of 4 KiB, 1 at once", "-c", "20000", "-d", "1", "-s", "4k", "-S", "1028k"),
            Load.bench("50,000 reads of 4 KiB, 32 at once", "-c", "50000", "-d", "32", "-s", "4k", "-S", "1028k"),
            Load.bench(
                    "50,000 writes of 4 KiB, 32 at once", "-w", "-c", "50000", "-d", "32", "-s", "4k", "-S", "1028k"),
            Load.bench("4,000 reads of 256 KiB, 8 at once", "-c", "4000", "-d", "8", "-s", "256k"));

    private final Path directory;
    private final int mib;

    private NbdBench(Path directory, int mib) {
        this.directory = directory;
        this.mib = mib;
    }

    /** See the class. */
    public static void main(String[] args) throws Exception {
        new NbdBench(Path.of(args[0]), args.length > 2 ? Integer.parseInt(args[2]) : 1024)
                .run(Integer.parseInt(args[1]));
    }

    private void run(int rounds) throws Exception {
        System.out.printf(
                Locale.ROOT,
                "raw file of %d MiB, page cache, Unix socket; %d rounds in turns, medians of seconds%n%-40s %9s %9s %10s%n",
                mib,
                rounds,
                "",
                "qemu-nbd",
                "Serai",
                "QEMU/Serai");
        for (boolean sparse : new boolean[] {false, true}) {
            Path source = file("source", sparse);
            Path qemuFile = file("qemu", sparse);
            Path seraiFile = file("serai", sparse);
            Path qemuSocket = directory.resolve("q");
            Path seraiSocket = directory.resolve("s");
            Process qemu = new ProcessBuilder(
                            "qemu-nbd", "-t", "-e", "16", "-f", "raw", "-k", qemuSocket.toString(), qemuFile.toString())
                    .inheritIO()
                    .start();
            try (BlockDevice disk = RawDisk.open(seraiFile, false);
                    NbdServer server = new NbdServer()) {
                server.add(NbdExport.of("", disk));
                server.listen(UnixDomainSocketAddress.of(seraiSocket));
                while (Files.notExists(qemuSocket)) {
                    Thread.sleep(10);
                }
                for (Load l : LOADS) {
                    if (l.sparse == sparse) {
                        measure(l, rounds, source, qemuSocket, seraiSocket);
                    }
                }
            } finally {
                qemu.destroy();
                qemu.waitFor();
            }
            for (Path f : List.of(source, qemuFile, seraiFile)) {
                Files.delete(f);
            }
        }
    }

    private Path file(String name, boolean sparse) throws IOException {
        Path f = directory.resolve(name);
        byte[] data = new byte[MIB];
        Arrays.fill(data, (byte) 7);
        try (FileChannel c = FileChannel.open(f, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            for (int i = 0; i < mib; i += sparse ? 16 : 1) {
                c.write(ByteBuffer.wrap(data), (long) i * MIB);
            }
            if (sparse && mib % 16 != 1) {
                c.write(ByteBuffer.allocate(1), (long) mib * MIB - 1);
            }
        }
        return f;
    }

    private static void measure(Load l, int rounds, Path source, Path qemuSocket, Path seraiSocket) throws Exception {
        double[] qemu = new double[rounds];
        double[] serai = new double[rounds];
        for (int i = -1; i < rounds; i++) { // the first is for the JIT compilers and the page cache
            double q = seconds(l, source, qemuSocket);
            double s = seconds(l, source, seraiSocket);
            if (i >= 0) {
                qemu[i] = q;
                serai[i] = s;
            }
        }
        Arrays.sort(qemu);
        Arrays.sort(serai);
        double q = qemu[rounds / 2];
        double s = serai[rounds / 2];
        System.out.printf(Locale.ROOT, "%-40s %9.3f %9.3f %10.2f%n", l.name, q, s, q / s);
    }

    private static double seconds(Load l, Path source, Path socket) throws Exception {
        List<String> command = l.command.stream()
                .map(w -> w.equals("URI") ? "nbd+unix:///?socket=" + socket : w.equals("FILE") ? source.toString() : w)
                .toList();
        long start = System.nanoTime();
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!p.waitFor(MINUTES, TimeUnit.MINUTES) || p.exitValue() != 0) {
            p.destroyForcibly();
            throw new IOException(command + ": " + said);
        }
        return (System.nanoTime() - start) / 1e9;
    }
}
