package serai.cpu;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Compares what the two sides made of a case. */
final class OracleComparison {
    private static final int PAGE_FAULT = 14;
    /** CF to OF, TF, IF, DF, IOPL, NT, RF, AC, ID. */
    private static final long FLAGS = 0x257fd5;

    private static final String[] SEGMENTS = {"es", "cs", "ss", "ds", "fs", "gs"};

    private final Decoder decoder = new Decoder(OracleCpu.HOST_FEATURES);
    private final Decoded decoded = new Decoded();

    /** How a case decodes; null if it does not. */
    @Nullable
    Decoded decode(OracleCase c) {
        byte[] code = c.code();
        Decoder.Result result =
                decoder.decode(decoded, i -> i < code.length ? code[i] & 0xff : 0xcc, c.mode().size, c.mode().size);
        return result == Decoder.Result.OK ? decoded : null;
    }

    /** What is different, in words; empty if nothing is. */
    String difference(OracleCase c, OracleState want, OracleState got) {
        Decoded d = decode(c);
        OracleMask mask = OracleRules.mask(c, d, want, got);
        if (mask.everything || cutOff(c, want, got) || strayed(got) || d == null && OracleBytes.foreign(c)) {
            return "";
        }
        StringBuilder s = new StringBuilder();
        if (mask.which && want.vector() >= 0 && got.vector() >= 0) {
            // the rest is compared
        } else if (want.vector() != got.vector()) {
            s.append(" vector: %s, got %s;".formatted(fault(want), fault(got)));
        } else {
            exception(s, want, got);
        }
        boolean wide = c.mode() == OracleMode.LONG;
        if (!mask.rip) {
            unequal(s, "rip", want.rip(), got.rip());
        }
        long flags = FLAGS & ~mask.flags;
        unequal(s, "flags", want.rflags() & flags, got.rflags() & flags);
        for (int i = 0; i < 16; i++) {
            unequal(s, "gpr" + i, want.gpr()[i] & ~mask.gpr[i], got.gpr()[i] & ~mask.gpr[i]);
        }
        for (int i = 0; i < 6; i++) {
            unequal(s, SEGMENTS[i], selector(want, i), selector(got, i));
        }
        if (!mask.bases) {
            unequal(s, "fsbase", want.fsBase(), got.fsBase());
            unequal(s, "gsbase", want.gsBase(), got.gsBase());
        }
        if (!mask.steps) {
            unequal(s, "steps", want.steps(), got.steps());
        }
        registers(s, mask, OracleState.view(want.xs()), OracleState.view(got.xs()));
        memory(s, mask, want, got);
        return s.isEmpty() ? "" : s + inputs(c, wide);
    }

    /** A selector; all null ones are equal, as Linux's IRET to the signal handler has made them. */
    private static int selector(OracleState s, int i) {
        return (s.selector()[i] & 0xfffc) == 0 ? 0 : s.selector()[i];
    }

    /** How many bytes of an instruction that does not exist are fetched before that is found is nobody's promise. */
    private static boolean cutOff(OracleCase c, OracleState want, OracleState got) {
        long end = OracleMemory.CODE + OracleMemory.CODE_SIZE;
        return c.codeAt() + 15 > end
                && want.vector() != got.vector()
                && (want.vector() == CpuSegments.UD || got.vector() == CpuSegments.UD);
    }

    /** Whether a random address happens to be in the native program itself. */
    private static boolean strayed(OracleState got) {
        return got.vector() == PAGE_FAULT && got.cr2() >>> 18 == Oracle.TEXT >>> 18;
    }

    private static String fault(OracleState s) {
        return s.vector() < 0
                ? "none"
                : s.vector() == PAGE_FAULT
                        ? "14(%x) at %x".formatted(s.error(), s.cr2())
                        : "%d(%x)".formatted(s.vector(), s.error());
    }

    private static void exception(StringBuilder s, OracleState want, OracleState got) {
        if (want.vector() == PAGE_FAULT) {
            unequal(s, "cr2", want.cr2(), got.cr2());
            // Linux tells no secrets: pages of the kernel are always "present"
            int known = want.cr2() >>> 47 != 0 ? ~1 : -1;
            unequal(s, "error", want.error() & known, got.error() & known);
        } else if (CpuEvents.pushesError(want.vector())) {
            unequal(s, "error", want.error(), got.error());
        }
    }

    private static void registers(StringBuilder s, OracleMask mask, ByteBuffer a, ByteBuffer b) {
        if (!mask.x87) {
            x87(s, mask, a, b);
        }
        unequal(s, "mxcsr", a.getInt(24), b.getInt(24));
        for (int i = 0; i < 32; i++) {
            if ((mask.vectors >>> i / 2 & 1) != 0) {
                continue;
            }
            String half = i / 2 + (i % 2 == 0 ? "l" : "h");
            vector(s, mask, "xmm" + half, a.getLong(160 + i * 8), b.getLong(160 + i * 8));
            int high = OracleState.YMM_HIGH + i * 8;
            vector(s, mask, "ymm" + half, a.getLong(high), b.getLong(high));
        }
    }

    private static void x87(StringBuilder s, OracleMask mask, ByteBuffer a, ByteBuffer b) {
        unequal(s, "fcw", a.getShort(0) & 0xffff, b.getShort(0) & 0xffff);
        int status = 0xffff & ~mask.fsw;
        unequal(s, "fsw", a.getShort(2) & status, b.getShort(2) & status);
        unequal(s, "ftw", a.getShort(4) & 0xffff, b.getShort(4) & 0xffff);
        for (int i = 0; i < 8; i++) {
            int at = 32 + i * 16;
            if ((a.getLong(at) != b.getLong(at) || a.getShort(at + 8) != b.getShort(at + 8))
                    && !(mask.approximate && closeExtended(a, b, at))) {
                s.append(" st%d: %s, got %s;".formatted(i, extended(a, at), extended(b, at)));
            }
        }
    }

    private static void vector(StringBuilder s, OracleMask mask, String what, long want, long got) {
        if (!(mask.approximate && close(want, got))) {
            unequal(s, what, want, got);
        }
    }

    private static void memory(StringBuilder s, OracleMask mask, OracleState want, OracleState got) {
        byte[] a = want.data();
        byte[] b = got.data();
        if (mask.memoryBytes > 0) {
            a = a.clone();
            System.arraycopy(b, mask.memoryAt, a, mask.memoryAt, mask.memoryBytes);
        }
        int at = Arrays.mismatch(a, b);
        if (at >= 0) {
            int from = at & ~7;
            unequal(
                    s,
                    "mem+" + from,
                    OracleState.view(a).getLong(from),
                    OracleState.view(b).getLong(from));
        }
        if (!mask.outside && want.outside() != got.outside()) {
            s.append(" memory outside the window;");
        }
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

    private static String inputs(OracleCase c, boolean wide) {
        OracleState before = c.before();
        ByteBuffer f = OracleState.view(before.xs());
        StringBuilder s = new StringBuilder(" | before: rip %x rflags %x".formatted(before.rip(), before.rflags()));
        for (int i = 0; i < (wide ? 16 : 8); i++) {
            s.append(" %x".formatted(wide ? before.gpr()[i] : before.gpr()[i] & 0xffffffffL));
        }
        for (int i = 0; i < 6; i++) {
            s.append(" %s %x".formatted(SEGMENTS[i], before.selector()[i]));
        }
        if (c.row().source().contains("x87")) {
            s.append(" fcw %04x fsw %04x ftw %02x".formatted(f.getShort(0), f.getShort(2), f.get(4)));
            for (int i = 0; i < 8; i++) {
                s.append(' ').append(extended(f, 32 + i * 16));
            }
        } else if (!c.row().source().contains("base")) {
            s.append(" mxcsr %x".formatted(f.getInt(24)));
            for (int i = 0; i < 16; i++) {
                s.append(" %x:%x".formatted(f.getLong(168 + i * 16), f.getLong(160 + i * 16)));
                if (!c.row().vex().isEmpty()) {
                    int high = OracleState.YMM_HIGH + i * 16;
                    s.append("(%x:%x)".formatted(f.getLong(high + 8), f.getLong(high)));
                }
            }
        }
        int at = (int) (c.target() - c.dataAt());
        if (c.target() >= 0 && at >= 0 && at <= OracleMemory.WINDOW - 16) {
            ByteBuffer d = OracleState.view(before.data());
            s.append(" [%x] = %x:%x".formatted(c.target(), d.getLong(at + 8), d.getLong(at)));
        }
        return s.toString();
    }
}
