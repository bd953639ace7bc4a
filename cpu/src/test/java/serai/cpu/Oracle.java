package serai.cpu;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The native processor as the judge of what an instruction does: {@code src/test/c/oracle.c}, compiled when a test
 * first asks for it, runs instructions one at a time in ring 3.
 */
final class Oracle implements AutoCloseable {
    /** What /proc/cpuinfo says of this host's first processor. */
    private static final String HOST = cpuinfo();

    /** Whether the host's processor follows Intel where vendors differ. */
    static final boolean INTEL = HOST.contains("GenuineIntel");

    /** As a vector: the instruction did not come to an end. */
    static final int NO_END = 998;

    /** Bytes of the child's struct request and struct response. */
    private static final int REQUEST = 16 + 3 * 8 + 128 + 3 * 8 + 16 + OracleState.XSAVE + OracleMemory.WINDOW;

    private static final int RESPONSE = 8 + 4 * 8 + 128 + 3 * 8 + 16 + OracleState.XSAVE + OracleMemory.WINDOW;

    private static final int SIGTRAP = 5, SIGPROF = 27;
    private static final int DEBUG_VECTOR = 1;
    /** Where the child is linked to: no address that a test makes by chance. */
    static final long TEXT = 0x6b6c0000L;

    private final Process process;
    private final OutputStream out;
    private final InputStream in;

    private Oracle(Process process) throws IOException {
        this.process = process;
        out = new BufferedOutputStream(process.getOutputStream(), 1 << 16);
        in = new BufferedInputStream(process.getInputStream(), 1 << 16);
        out.write(OracleSegments.userDescriptors());
    }

    private static String cpuinfo() {
        try {
            String all = Files.readString(Path.of("/proc/cpuinfo"));
            int end = all.indexOf("\n\n");
            return end < 0 ? all : all.substring(0, end);
        } catch (IOException e) {
            return "";
        }
    }

    /** The processor's name. */
    static String hostName() {
        return HOST.lines()
                .filter(l -> l.startsWith("model name"))
                .map(l -> l.substring(l.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("an unknown processor");
    }

    /** Whether the host's processor has what /proc/cpuinfo calls {@code flag}. */
    static boolean hostHas(String flag) {
        return HOST.matches("(?s).*\\sflags\\s*:[^\n]*\\s" + flag + "\\b.*");
    }

    /** The capability that is missing to have an oracle here, or the empty string. */
    static String missing() {
        if (!System.getProperty("os.arch").equals("amd64")
                || !System.getProperty("os.name").equals("Linux")
                || !hostHas("fsgsbase")) {
            return "x86-64";
        }
        try {
            Process p = new ProcessBuilder("gcc", "--version")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return p.waitFor() == 0 ? "" : "gcc";
        } catch (IOException e) {
            return "gcc";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "gcc";
        }
    }

    /** Compiles and starts. */
    static Oracle start() throws IOException, InterruptedException {
        Path source = Path.of("src/test/c/oracle.c");
        if (!Files.exists(source)) {
            source = Path.of("cpu").resolve(source);
        }
        Path target = source.resolve("../../../../target").normalize();
        Files.createDirectories(target);
        Path program = target.resolve("oracle");
        if (!Files.exists(program)
                || Files.getLastModifiedTime(program).compareTo(Files.getLastModifiedTime(source)) < 0) {
            Path fresh = Files.createTempFile(target, "oracle", "");
            // no library, no TLS, no stack protector: the segment registers are not the program's
            Process gcc = new ProcessBuilder(
                            "gcc",
                            "-O2",
                            "-mfsgsbase",
                            "-mno-avx",
                            "-ffreestanding",
                            "-fno-stack-protector",
                            "-fcf-protection=none",
                            "-fno-pie",
                            "-no-pie",
                            "-static",
                            "-nostdlib",
                            "-DTEXT_START=%#xUL".formatted(TEXT),
                            "-Wl,-Ttext-segment=%#x".formatted(TEXT),
                            "-o",
                            fresh.toString(),
                            source.toString())
                    .redirectErrorStream(true)
                    .start();
            String said = new String(gcc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (gcc.waitFor() != 0) {
                throw new IOException("gcc failed on " + source + ": " + said);
            }
            Files.move(fresh, program, StandardCopyOption.REPLACE_EXISTING);
        }
        return new Oracle(new ProcessBuilder(program.toAbsolutePath().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** Executes cases; the answers are in their order. */
    List<OracleState> execute(List<OracleCase> cases) {
        try {
            ByteBuffer b = OracleState.view(new byte[4 + cases.size() * REQUEST]);
            b.putInt(cases.size());
            for (OracleCase c : cases) {
                put(b, c);
            }
            out.write(b.array());
            out.flush();
            byte[] answers = in.readNBytes(cases.size() * RESPONSE);
            if (answers.length != cases.size() * RESPONSE) {
                throw new IOException("the oracle died; the last of its cases was "
                        + cases.get(Math.min(cases.size() - 1, answers.length / RESPONSE)));
            }
            ByteBuffer a = OracleState.view(answers);
            List<OracleState> states = new ArrayList<>();
            for (int i = 0; i < cases.size(); i++) {
                states.add(get(a));
            }
            return states;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void put(ByteBuffer b, OracleCase c) {
        byte[] code = Arrays.copyOf(c.code(), 16);
        Arrays.fill(code, c.code().length, 16, OracleMemory.FILLER);
        OracleState s = c.before();
        b.put(code).putLong(c.codeAt()).putLong(s.rip()).putLong(s.rflags());
        for (long g : s.gpr()) {
            b.putLong(g);
        }
        b.putLong(s.fsBase()).putLong(s.gsBase()).putLong(c.dataAt());
        for (int sel : s.selector()) {
            b.putShort((short) sel);
        }
        b.putShort((short) (c.repeats() ? 1 : 0)).putShort((short) 0);
        b.put(s.xs()).put(s.data());
    }

    private static OracleState get(ByteBuffer a) {
        int signal = a.getInt();
        int trap = a.getInt();
        int error = (int) a.getLong();
        long cr2 = a.getLong();
        long rip = a.getLong();
        long rflags = a.getLong();
        long[] gpr = new long[16];
        for (int j = 0; j < 16; j++) {
            gpr[j] = a.getLong();
        }
        long fsBase = a.getLong();
        long gsBase = a.getLong();
        long outside = a.getLong();
        int[] selector = new int[6];
        for (int j = 0; j < 6; j++) {
            selector[j] = a.getShort() & 0xffff;
        }
        int steps = a.getShort() & 0xffff;
        a.getShort();
        byte[] xs = new byte[OracleState.XSAVE];
        a.get(xs);
        byte[] data = new byte[OracleMemory.WINDOW];
        a.get(data);
        int vector = signal == SIGPROF ? NO_END : signal == SIGTRAP && trap == DEBUG_VECTOR ? -1 : trap;
        return new OracleState(
                vector, error, cr2, rip, rflags, gpr, selector, fsBase, gsBase, xs, data, outside, steps);
    }

    @Override
    public void close() {
        try {
            out.close();
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
