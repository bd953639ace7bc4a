package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Every row of the instruction table against the processor that the tests run on: random cases, the whole state
 * compared but for what the architecture leaves undefined. The seed is printed; {@code -Dserai.seed=N} repeats a run.
 */
final class OracleTest {
    private static final int BATCH = 256;
    private static final int PAGE_FAULT = 14;

    /** How many cases a row disagreed in, and the first of them. */
    record Disagreement(InstructionRow row, int cases, int of, List<String> examples) {
        @Override
        public String toString() {
            return "%s: %d of %d cases%n    %s"
                    .formatted(row.mnemonic() + " " + row.source(), cases, of, String.join("\n    ", examples));
        }
    }

    private static long seed() {
        return Long.getLong("serai.seed", 20250101L);
    }

    @Test
    void integerRowsAgreeWithTheProcessor() throws Exception {
        check("instructions-base", 40);
    }

    @Test
    void sseRowsAgreeWithTheProcessor() throws Exception {
        check("instructions-sse", 60);
    }

    @Test
    void avxRowsAgreeWithTheProcessor() throws Exception {
        check("instructions-avx", 60);
    }

    @Test
    void fmaRowsAgreeWithTheProcessor() throws Exception {
        check("instructions-fma", 100);
    }

    @Test
    void x87RowsAgreeWithTheProcessor() throws Exception {
        check("instructions-x87", 60);
    }

    @Test
    @Tag("soak")
    void allRowsAgreeWithTheProcessorInManyCases() throws Exception {
        check("instructions", 5000);
    }

    private static void check(String source, int cases) throws Exception {
        String missing = Oracle.missing();
        assumeTrue(missing.isEmpty(), "capability: " + missing);
        long seed = seed();
        System.out.println("seed " + seed);
        List<Disagreement> all = compare(source, "", cases, seed);
        assertEquals(
                "",
                String.join("\n", all.stream().limit(20).map(Object::toString).toList()),
                all.size() + " rows disagree, seed " + seed);
    }

    /** Compares {@code cases} cases of each row whose source starts with {@code source}. */
    static List<Disagreement> compare(String source, String mnemonic, int cases, long seed)
            throws IOException, InterruptedException {
        List<Disagreement> all = new ArrayList<>();
        OracleCpu cpu = new OracleCpu();
        try (Oracle oracle = Oracle.start()) {
            for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
                if (!row.source().startsWith(source)
                        || !OracleCases.usable(row)
                        || !mnemonic.isEmpty() && !row.mnemonic().matches(mnemonic)) {
                    continue;
                }
                Disagreement d =
                        compare(oracle, cpu, row, cases, seed ^ row.source().hashCode());
                if (d.cases > 0) {
                    all.add(d);
                }
            }
        }
        return all;
    }

    private static Disagreement compare(Oracle oracle, OracleCpu cpu, InstructionRow row, int cases, long seed) {
        OracleCases generator = new OracleCases(seed);
        int wrong = 0;
        List<String> examples = new ArrayList<>();
        for (int done = 0; done < cases; done += BATCH) {
            List<OracleCase> batch = new ArrayList<>();
            for (int i = 0; i < Math.min(BATCH, cases - done); i++) {
                batch.add(generator.make(row));
            }
            List<Oracle.State> expected = oracle.execute(batch);
            for (int i = 0; i < batch.size(); i++) {
                int raised = expected.get(i).vector();
                if (raised == PAGE_FAULT
                        || row.has("vsib") && (raised == CpuSegments.GP || raised == CpuSegments.SS_VECTOR)) {
                    continue; // the interpreter's side has no paging, and so no canonical addresses
                }
                String difference;
                try {
                    Oracle.State got = cpu.execute(batch.get(i));
                    difference = difference(batch.get(i), cpu.row(), expected.get(i), got);
                } catch (RuntimeException e) {
                    StackTraceElement[] t = e.getStackTrace();
                    difference = e + (t.length > 0 ? " at " + t[0] : "");
                }
                if (!difference.isEmpty()) {
                    wrong++;
                    if (examples.size() < 3) {
                        examples.add(batch.get(i) + " " + difference);
                    }
                }
            }
        }
        return new Disagreement(row, wrong, cases, examples);
    }

    // ---- comparison ----

    /** The flags to compare after a row: those that the manual does not leave undefined. */
    private static long comparedFlags(@Nullable InstructionRow row) {
        long mask = CpuRegisters.ARITHMETIC | CpuRegisters.DF | CpuRegisters.AC;
        if (row != null) {
            String undefined = row.value("u");
            for (int i = 0; i < undefined.length(); i++) {
                mask &= ~flag(undefined.charAt(i));
            }
        }
        return mask;
    }

    /** Shifts and rotates leave flags undefined by their count: OF for all but 1, more past the operand's size. */
    private static long undefinedByCount(OracleCase c) {
        int count = count(c);
        if (count <= 1) {
            return 0;
        }
        boolean past = count >= shiftedBits(c);
        boolean both = c.row().mnemonic().endsWith("D");
        return CpuRegisters.OF | (past ? both ? CpuRegisters.ARITHMETIC : CpuRegisters.CF : 0);
    }

    /** SHLD and SHRD by more than the operand's size: even the result is undefined. We do as Intel's processors. */
    private static boolean undefinedResult(OracleCase c) {
        return c.row().mnemonic().matches("SH[LR]D") && count(c) > shiftedBits(c) && !Oracle.INTEL;
    }

    private static boolean rexW(OracleCase c) {
        for (byte b : c.code()) {
            int u = b & 0xff;
            if ((u & 0xf0) == 0x40) {
                return (u & 8) != 0;
            } else if (u != 0x65 && u != 0x66 && u != 0x67) {
                return false;
            }
        }
        return false;
    }

    private static int shiftedBits(OracleCase c) {
        if (c.row().operands().getFirst().equals("Eb")) {
            return 8;
        }
        for (byte b : c.code()) {
            if ((b & 0xff) == 0x66) {
                return rexW(c) ? 64 : 16;
            } else if (b != 0x65 && b != 0x67) {
                break;
            }
        }
        return rexW(c) ? 64 : 32;
    }

    /** The count of a shift or rotate, masked; 0 for other instructions. */
    private static int count(OracleCase c) {
        switch (c.row().mnemonic()) {
            case "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR", "SHLD", "SHRD" -> {}
            default -> {
                return 0;
            }
        }
        String by = c.row().operands().getLast();
        int count = by.equals("1")
                ? 1
                : by.equals("CL") ? (int) c.before().gpr()[CpuRegisters.RCX] : c.code()[c.code().length - 1];
        return count & (rexW(c) ? 0x3f : 0x1f);
    }

    private static long flag(char c) {
        return switch (c) {
            case 'o' -> CpuRegisters.OF;
            case 's' -> CpuRegisters.SF;
            case 'z' -> CpuRegisters.ZF;
            case 'a' -> CpuRegisters.AF;
            case 'p' -> CpuRegisters.PF;
            default -> CpuRegisters.CF;
        };
    }

    private static String difference(OracleCase c, @Nullable InstructionRow row, Oracle.State want, Oracle.State got) {
        StringBuilder s = new StringBuilder();
        if (!Oracle.INTEL && c.row().value("cpuid").equals("SHA") && c.target() >= 0 && (c.target() & 15) != 0) {
            return ""; // AMD's processors take any address in these
        }
        if (want.vector() != got.vector()) {
            return "vector: " + want.vector() + ", got " + got.vector() + inputs(c);
        }
        if (undefinedResult(c)) {
            return "";
        }
        if (c.row().mnemonic().matches("FXSAVE|XSAVE.*") && want.vector() < 0) {
            // MXCSR_MASK is the processor's own
            int at = (int) (c.target() - Oracle.WINDOW_START) + 28;
            System.arraycopy(want.data(), at, got.data(), at, 4);
        }
        unequal(s, "rip", want.rip(), got.rip());
        if (want.vector() < 0) {
            long mask = comparedFlags(row) & ~undefinedByCount(c);
            if (((want.rflags() ^ got.rflags()) & mask) != 0) {
                unequal(s, "flags", want.rflags() & mask, got.rflags() & mask);
            }
        }
        for (int i = 0; i < 16; i++) {
            unequal(s, "gpr" + i, want.gpr()[i], got.gpr()[i]);
        }
        ByteBuffer a = OracleCpu.view(want.fx());
        ByteBuffer b = OracleCpu.view(got.fx());
        boolean approximate = c.row().has("approximate");
        unequal(s, "fcw", a.getShort(0) & 0xffff, b.getShort(0) & 0xffff);
        // a transcendental result may be rounded the other way, or to an exact one
        int status = approximate && row != null && row.map() == 0
                ? 0xffff & ~(Fpu.C1 | Fpu.PE | Fpu.UE | Fpu.ES | Fpu.BUSY)
                : 0xffff;
        unequal(s, "fsw", a.getShort(2) & status, b.getShort(2) & status);
        unequal(s, "ftw", a.getShort(4) & 0xffff, b.getShort(4) & 0xffff);
        unequal(s, "mxcsr", a.getInt(24), b.getInt(24));
        for (int i = 0; i < 8; i++) {
            int at = 32 + i * 16;
            if ((a.getLong(at) != b.getLong(at) || a.getShort(at + 8) != b.getShort(at + 8))
                    && !(approximate && closeExtended(a, b, at))) {
                s.append(" st%d: %s, got %s;".formatted(i, extended(a, at), extended(b, at)));
            }
        }
        for (int i = 0; i < 32; i++) {
            long x = a.getLong(160 + i * 8);
            long y = b.getLong(160 + i * 8);
            if (x != y && !(approximate && close(x, y))) {
                unequal(s, "xmm" + i / 2 + (i % 2 == 0 ? "l" : "h"), x, y);
            }
            x = a.getLong(Oracle.YMM_HIGH + i * 8);
            y = b.getLong(Oracle.YMM_HIGH + i * 8);
            if (x != y && !(approximate && close(x, y))) {
                unequal(s, "ymm" + i / 2 + (i % 2 == 0 ? "l" : "h"), x, y);
            }
        }
        // a CALL to a non-canonical address: processors have pushed when they fault, the manual has not
        boolean calls = c.row().mnemonic().equals("CALLN") && want.vector() >= 0;
        if (!calls && !Arrays.equals(want.data(), got.data())) {
            int from = Arrays.mismatch(want.data(), got.data()) & ~7;
            ByteBuffer wd = OracleCpu.view(want.data());
            ByteBuffer gd = OracleCpu.view(got.data());
            unequal(s, "mem+" + (from - 512), wd.getLong(from), gd.getLong(from));
            if (from + 16 <= Oracle.WINDOW) {
                unequal(s, "mem+" + (from - 504), wd.getLong(from + 8), gd.getLong(from + 8));
            }
        }
        return s.isEmpty() ? "" : s + inputs(c);
    }

    /** Transcendental functions: two units in the last place, one for the processor and one for us. */
    private static boolean closeExtended(ByteBuffer a, ByteBuffer b, int at) {
        int e = a.getShort(at + 8) - b.getShort(at + 8);
        long d = a.getLong(at) - b.getLong(at);
        if ((a.getShort(at + 8) & 0x7fff) <= 1 && (b.getShort(at + 8) & 0x7fff) <= 1) {
            return Math.abs(d) <= 2; // denormals have the exponent of the least normal ones
        }
        return e == 0 ? Math.abs(d) <= 2 : Math.abs(e) == 1 && Math.abs(d - e * Long.MIN_VALUE) <= 4;
    }

    /** RCPPS and RSQRTPS: relative error at most 1.5 * 2^-12 of the exact result on both sides. */
    private static boolean close(long x, long y) {
        return closeFloat((int) x, (int) y) && closeFloat((int) (x >>> 32), (int) (y >>> 32));
    }

    private static boolean closeFloat(int x, int y) {
        float a = Float.intBitsToFloat(x);
        float b = Float.intBitsToFloat(y);
        return x == y || Math.abs(a - b) <= Math.abs(a) * 3 / 4096;
    }

    private static void unequal(StringBuilder s, String what, long want, long got) {
        if (want != got) {
            s.append(" %s: %x, got %x;".formatted(what, want, got));
        }
    }

    private static String extended(ByteBuffer b, int at) {
        return "%04x:%016x".formatted(b.getShort(at + 8), b.getLong(at));
    }

    private static String inputs(OracleCase c) {
        ByteBuffer f = OracleCpu.view(c.before().fx());
        StringBuilder s = new StringBuilder(" | before:");
        if (c.row().source().contains("base")) {
            for (int i = 0; i < 16; i++) {
                s.append(" %x".formatted(c.before().gpr()[i]));
            }
        } else if (c.row().source().contains("x87")) {
            s.append(" fcw %04x fsw %04x ftw %02x".formatted(f.getShort(0), f.getShort(2), f.get(4)));
            for (int i = 0; i < 8; i++) {
                s.append(' ').append(extended(f, 32 + i * 16));
            }
        } else {
            s.append(" mxcsr %x rax %x".formatted(f.getInt(24), c.before().gpr()[0]));
            for (int i = 0; i < 16; i++) {
                s.append(" %x:%x".formatted(f.getLong(168 + i * 16), f.getLong(160 + i * 16)));
                if (!c.row().vex().isEmpty()) {
                    int high = Oracle.YMM_HIGH + i * 16;
                    s.append("(%x:%x)".formatted(f.getLong(high + 8), f.getLong(high)));
                }
            }
        }
        s.append(" rflags %x".formatted(c.before().rflags()));
        int at = (int) (c.target() - Oracle.WINDOW_START);
        if (c.target() >= 0 && at >= 0 && at <= Oracle.WINDOW - 16) {
            ByteBuffer d = OracleCpu.view(c.before().data());
            s.append(" [%x] = %x:%x".formatted(c.target(), d.getLong(at + 8), d.getLong(at)));
        }
        return s.toString();
    }

    /** Prints all disagreements: {@code source-prefix cases seed [mnemonic-regex]}. */
    public static void main(String[] args) throws Exception {
        String regex = args.length > 3 ? args[3].toUpperCase(Locale.ROOT) : "";
        List<Disagreement> all = compare(args[0], regex, Integer.parseInt(args[1]), Long.parseLong(args[2]));
        all.forEach(System.out::println);
        System.out.println(all.size() + " rows disagree");
    }
}
