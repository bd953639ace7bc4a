package serai.bench.lockstep;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** A QEMU that starts in a given state, and its log of registers. */
final class QemuOracle implements AutoCloseable {
    private final Path directory;
    private final Process process;
    private final GdbClient gdb;
    private final FileInputStream fifo;
    private final FileChannel ram;
    private final long ramSize;
    private final QemuLog log;

    /**
     * Starts QEMU.
     *
     * @param codePage guest-physical page that RIP lies in
     * @param model what follows {@code -cpu}
     * @param fpu whether to log x87 and SSE registers, too
     * @param extra further arguments
     */
    QemuOracle(CpuState start, long codePage, GuestMemory memory, String model, boolean fpu, List<String> extra)
            throws IOException {
        Path shm = Path.of("/dev/shm");
        directory = Files.isDirectory(shm)
                ? Files.createTempDirectory(shm, "serai-lockstep")
                : Files.createTempDirectory("serai-lockstep");
        Path ramFile = directory.resolve("ram");
        long top = 0;
        for (RamRegion r : memory.regions()) {
            if (!r.readOnly() && r.base() < 0xb0000000L) {
                top = Math.max(top, r.base() + r.size());
            }
        }
        ramSize = top;
        try (RandomAccessFile f = new RandomAccessFile(ramFile.toFile(), "rw")) {
            f.setLength(top);
            copyRam(memory, f.getChannel());
        }
        boolean wide = (start.msr(Msr.EFER, 0) & 0x400) != 0;
        ram = FileChannel.open(ramFile, StandardOpenOption.READ, StandardOpenOption.WRITE);
        byte[] original = new byte[StartRom.TRAMPOLINE.length];
        if (wide) {
            memory.read(codePage, original, 0, original.length);
            ram.write(ByteBuffer.wrap(StartRom.TRAMPOLINE), codePage);
        }
        Path rom = directory.resolve("rom");
        byte[] shadow = new byte[0x20000];
        for (int p = 0; p < shadow.length; p += 4096) {
            if (memory.host(0xe0000 + p) != 0) {
                memory.read(0xe0000 + p, shadow, p, 4096);
            }
        }
        Files.write(rom, StartRom.build(start, codePage, shadow));
        Path logFile = directory.resolve("log");
        run("mkfifo", logFile.toString());
        int port;
        try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = s.getLocalPort();
        }
        List<String> command = new ArrayList<>(List.of(
                "qemu-system-x86_64",
                "-accel",
                "tcg",
                "-singlestep",
                "-cpu",
                model,
                "-machine",
                "q35,memory-backend=ram",
                "-object",
                "memory-backend-file,id=ram,size=" + top + ",share=on,mem-path=" + ramFile,
                "-m",
                top / 1024 + "K",
                "-nodefaults",
                "-display",
                "none",
                "-serial",
                "null",
                "-monitor",
                "none",
                "-no-reboot",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=1",
                "-bios",
                rom.toString(),
                "-gdb",
                "tcp:127.0.0.1:" + port,
                "-D",
                logFile.toString()));
        command.addAll(extra);
        process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        Thread hook = new Thread(this::close);
        Runtime.getRuntime().addShutdownHook(hook);
        FileInputStream[] opened = new FileInputStream[1];
        Thread opener = Thread.ofPlatform().daemon().start(() -> {
            try {
                opened[0] = new FileInputStream(logFile.toFile()); // waits until QEMU opens its end
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        gdb = new GdbClient(port);
        sleep(300);
        // connecting has stopped it, in its reset code or at the spin; let it come to the spin
        gdb.send("c");
        sleep(300);
        interrupt(gdb);
        if (wide) {
            gdb.write(start.rip() & ~0xfffL, original);
        }
        setRegisters(start);
        gdb.monitor("log cpu,nochain" + (fpu ? ",fpu" : ""));
        try {
            opener.join(2000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (opened[0] == null) {
            throw new IOException("QEMU wrote no log");
        }
        fifo = opened[0];
        log = new QemuLog(fifo);
        log.fpuFollows = fpu;
        gdb.send("c");
    }

    private static void sleep(long millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static void run(String... command) throws IOException {
        try {
            if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
                throw new IOException(String.join(" ", command) + " failed");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static void interrupt(GdbClient gdb) throws IOException {
        gdb.interruptAndWait();
    }

    private static void copyRam(GuestMemory memory, FileChannel out) throws IOException {
        byte[] page = new byte[4096];
        for (RamRegion r : memory.regions()) {
            if (r.readOnly() || r.base() >= 0xb0000000L) {
                continue;
            }
            for (long p = 0; p < r.size(); p += 4096) {
                memory.read(r.base() + p, page, 0, 4096);
                boolean zero = true;
                for (byte b : page) {
                    if (b != 0) {
                        zero = false;
                        break;
                    }
                }
                if (!zero) {
                    out.write(ByteBuffer.wrap(page), r.base() + p);
                }
            }
        }
    }

    /** gdb's numbers in QEMU's description: i386/64bit-core.xml and what follows it. */
    private void setRegisters(CpuState s) throws IOException {
        int[] order = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
        gdb.ask("qXfer:features:read:target.xml:0,fff"); // single registers can be set after this only
        for (int i = 0; i < 16; i++) {
            gdb.register(i, s.gpr()[order[i]]);
        }
        gdb.register(17, s.rflags());
        gdb.register(16, s.rip());
    }

    /** Waits for the next entry; false when QEMU has ended. */
    boolean next(QemuState into) throws IOException {
        return log.next(into);
    }

    /** Bytes of QEMU's RAM as they are now: QEMU may be some dozen instructions ahead of its log. */
    byte[] ram(long physical, int length) throws IOException {
        byte[] b = new byte[length];
        if (physical >= 0 && physical + length <= ramSize) {
            ram.read(ByteBuffer.wrap(b), physical);
        }
        return b;
    }

    @Override
    public void close() {
        process.destroyForcibly();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path p : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(p);
            }
        } catch (IOException e) {
            // it lies in a temporary directory
            return;
        }
    }
}
