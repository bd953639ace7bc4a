package serai.cpu;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The native processor as the judge of what an instruction does: {@code src/test/c/oracle.c}, compiled when a test
 * first asks for it, runs instructions one at a time in ring 3.
 */
final class Oracle implements AutoCloseable {
    /** The memory that instructions may use: a window across the boundary of two pages. */
    static final long DATA = 0x10000000L;

    static final int WINDOW = 1024;
    static final long WINDOW_START = DATA + 4096 - WINDOW / 2;
    /** Where the instruction stands. */
    static final long CODE_START = 0x20000800L;

    static final long GS_BASE = 0x40;

    /** Bytes of the XSAVE image, and where its upper halves of YMM0 to YMM15 begin. */
    static final int XSAVE = 832;

    static final int YMM_HIGH = 576;

    /**
     * The state before or after an instruction.
     *
     * @param vector -1 if it completed, else the exception it raised
     * @param fx an XSAVE image in standard format: the FXSAVE area in its 64-bit form, the header (not looked at) and
     *     the upper halves of YMM0 to YMM15
     * @param data the window
     */
    record State(int vector, long rip, long rflags, long[] gpr, byte[] fx, byte[] data) {}

    /** What /proc/cpuinfo says of this host's first processor. */
    private static final String HOST = cpuinfo();

    /** Whether the host's processor follows Intel where vendors differ. */
    static final boolean INTEL = HOST.contains("GenuineIntel");

    private static final int REQUEST = 16 + 8 + 128 + 8 + XSAVE + WINDOW;
    private static final int RESPONSE = 16 + 8 + 8 + 128 + XSAVE + WINDOW;
    private static final int SIGTRAP = 5;
    private static final int DEBUG_VECTOR = 1;

    private final Process process;
    private final OutputStream out;
    private final InputStream in;

    private Oracle(Process process) {
        this.process = process;
        out = new BufferedOutputStream(process.getOutputStream(), 1 << 16);
        in = new BufferedInputStream(process.getInputStream(), 1 << 16);
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

    /** Whether the host's processor has what /proc/cpuinfo calls {@code flag}. */
    static boolean hostHas(String flag) {
        return HOST.matches("(?s).*\\sflags\\s*:[^\n]*\\s" + flag + "\\b.*");
    }

    /** The capability that is missing to have an oracle here, or the empty string. */
    static String missing() {
        if (!System.getProperty("os.arch").equals("amd64")
                || !System.getProperty("os.name").equals("Linux")) {
            return "native x86-64 Linux";
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
        Path target = Path.of("target");
        Files.createDirectories(target);
        Path program = target.resolve("oracle");
        if (!Files.exists(program)
                || Files.getLastModifiedTime(program).compareTo(Files.getLastModifiedTime(source)) < 0) {
            Path fresh = Files.createTempFile(target, "oracle", "");
            Process gcc = new ProcessBuilder("gcc", "-O1", "-o", fresh.toString(), source.toString())
                    .redirectErrorStream(true)
                    .start();
            String said = new String(gcc.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            if (gcc.waitFor() != 0) {
                throw new IOException("gcc failed on " + source + ": " + said);
            }
            Files.move(fresh, program, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        }
        return new Oracle(new ProcessBuilder(program.toAbsolutePath().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** Executes cases; the answers are in their order. */
    List<State> execute(List<OracleCase> cases) {
        try {
            ByteBuffer b = ByteBuffer.allocate(4 + cases.size() * REQUEST).order(ByteOrder.LITTLE_ENDIAN);
            b.putInt(cases.size());
            for (OracleCase c : cases) {
                byte[] code = java.util.Arrays.copyOf(c.code(), 16);
                java.util.Arrays.fill(code, c.code().length, 16, (byte) 0xcc);
                b.put(code).putInt(c.code().length).putInt(0);
                for (long g : c.before().gpr()) {
                    b.putLong(g);
                }
                b.putLong(c.before().rflags());
                b.put(c.before().fx());
                b.put(c.before().data());
            }
            out.write(b.array());
            out.flush();
            List<State> answers = new ArrayList<>();
            for (int i = 0; i < cases.size(); i++) {
                byte[] r = in.readNBytes(RESPONSE);
                if (r.length != RESPONSE) {
                    throw new IOException("the oracle died");
                }
                ByteBuffer a = ByteBuffer.wrap(r).order(ByteOrder.LITTLE_ENDIAN);
                int signal = a.getInt();
                int trap = a.getInt();
                a.getLong();
                long rip = a.getLong();
                long rflags = a.getLong();
                long[] gpr = new long[16];
                for (int j = 0; j < 16; j++) {
                    gpr[j] = a.getLong();
                }
                byte[] fx = new byte[XSAVE];
                a.get(fx);
                byte[] data = new byte[WINDOW];
                a.get(data);
                int vector = signal == SIGTRAP && trap == DEBUG_VECTOR ? -1 : trap;
                answers.add(new State(vector, rip, rflags, gpr, fx, data));
            }
            return answers;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
