package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SseMoves.Extract;
import serai.cpu.SseNodes.VectorOp;
import serai.cpu.VexNodes.WideOp;

/** VEX forms whose result is flags or in a general register. */
final class VexReads {
    private VexReads() {}

    /** Those on 128 bits at most; null for others. */
    static @Nullable VectorOp op(Decoded d) {
        int general = d.operand[0];
        int size = d.size[0];
        switch (d.row.operation()) {
            case "UCOMISS", "UCOMISD", "COMISS", "COMISD", "PCMPESTRI", "PCMPISTRI":
                return SseNodes.op(d);
            case "PCMPESTRM", "PCMPISTRM":
                VectorOp mask = SseNodes.op(d);
                return mask == null
                        ? null
                        : (c, x, low, high) -> {
                            mask.apply(c, x, low, high);
                            c.vec[2] = 0; // the destination is XMM0
                            c.vec[3] = 0;
                        };
            case "CVTSS2SI", "CVTTSS2SI", "CVTSD2SI", "CVTTSD2SI":
                boolean truncate = d.row.operation().startsWith("CVTT");
                Format from = d.row.operation().endsWith("SS2SI") ? Format.SINGLE : Format.DOUBLE;
                return (c, x, low, high) -> SseConvert.toGeneral(c, general, size, low, from, truncate);
            default:
        }
        if (d.vectorSize == 32) {
            return null;
        }
        switch (d.row.operation()) {
            case "PTEST":
                return SseNodes.op(d);
            case "TESTPS", "TESTPD":
                long signs = signs(d);
                return (c, x, low, high) -> flags(
                        c,
                        (c.vec[x] & low | c.vec[x + 1] & high) & signs,
                        (~c.vec[x] & low | ~c.vec[x + 1] & high) & signs);
            default:
        }
        Extract extract = d.kind[0] == Decoded.Kind.REG ? SseMoves.extract(d) : null;
        return extract == null ? null : (c, x, low, high) -> c.r[general] = extract.apply(low, high);
    }

    /** Those on 256 bits; {@code t} is the first operand's register and must not be written. */
    static @Nullable WideOp wide(Decoded d) {
        int general = d.operand[0];
        return switch (d.row.operation()) {
            case "PMOVMSKB" ->
                (c, t, s) -> c.r[general] = (PackedLanes.topBits(c.vec[s])
                                | PackedLanes.topBits(c.vec[s + 1]) << 8
                                | PackedLanes.topBits(c.vec[s + 2]) << 16
                                | PackedLanes.topBits(c.vec[s + 3]) << 24)
                        & 0xffffffffL;
            case "MOVMSKPS" ->
                (c, t, s) -> {
                    long mask = 0;
                    for (int i = 0; i < 4; i++) {
                        long v = c.vec[s + i];
                        mask |= (v >>> 31 & 1 | v >>> 62 & 2) << i * 2;
                    }
                    c.r[general] = mask;
                };
            case "MOVMSKPD" ->
                (c, t, s) -> c.r[general] = c.vec[s] >>> 63
                        | c.vec[s + 1] >>> 63 << 1
                        | c.vec[s + 2] >>> 63 << 2
                        | c.vec[s + 3] >>> 63 << 3;
            case "PTEST", "TESTPS", "TESTPD" -> {
                long signs = signs(d);
                yield (c, t, s) -> {
                    long and = 0;
                    long andNot = 0;
                    for (int i = 0; i < 4; i++) {
                        and |= c.vec[t + i] & c.vec[s + i];
                        andNot |= ~c.vec[t + i] & c.vec[s + i];
                    }
                    flags(c, and & signs, andNot & signs);
                };
            }
            default -> null;
        };
    }

    /** The bits that a test looks at. */
    private static long signs(Decoded d) {
        return switch (d.row.operation()) {
            case "TESTPS" -> 0x8000000080000000L;
            case "TESTPD" -> Long.MIN_VALUE;
            default -> -1;
        };
    }

    private static void flags(Cpu c, long and, long andNot) {
        c.arithmeticFlags((and == 0 ? CpuRegisters.ZF : 0) | (andNot == 0 ? CpuRegisters.CF : 0));
    }
}
