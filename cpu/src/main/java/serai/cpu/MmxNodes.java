package serai.cpu;

import java.util.function.IntBinaryOperator;
import org.jspecify.annotations.Nullable;
import serai.cpu.PackedLanes.Lane;

/**
 * Nodes of instructions on MMX registers: MMX itself and the MMX forms of SSE, SSE2 and SSSE3 but for conversions
 * ({@link SseConvert}). All but EMMS make the whole x87 stack valid with TOP = 0 (SDM vol. 1, 9.5.1), and what they
 * write gets an exponent of all ones.
 */
final class MmxNodes {
    private MmxNodes() {}

    static @Nullable Node make(Decoded d) {
        if (d.row.map() == 0 || !d.row.has("mmx")) {
            return null;
        }
        String mnemonic = d.row.mnemonic();
        int imm = (int) d.immediate & 0xff;
        boolean toMemory = d.kind[0] == Decoded.Kind.MEM;
        switch (mnemonic) {
            case "EMMS":
                return new Empty();
            case "MOVQ", "MOVNTQ":
                return toMemory ? new Store(d, 8) : source(d, (a, b) -> b);
            case "MOVD":
                return toMemory
                        ? new Store(d, d.size[0])
                        : d.kind[0] == Decoded.Kind.MM ? source(d, (a, b) -> b) : new ToGeneral(d, -1);
            case "MOVQ2DQ":
                return new ToXmm(d);
            case "MOVDQ2Q":
                return new FromXmm(d);
            case "MASKMOVQ":
                return new MaskedStore(d);
            case "PEXTRW":
                return new ToGeneral(d, imm & 3);
            case "PINSRW":
                int shift = (imm & 3) * 16;
                return source(d, (a, b) -> a & ~(0xffffL << shift) | (b & 0xffff) << shift);
            case "PMOVMSKB":
                return new Mask(d);
            default:
        }
        Lane lane = PackedLanes.of(mnemonic);
        if (lane == null) {
            lane = PackedLanes.shift(mnemonic);
        }
        if (lane == null) {
            lane = crossing(mnemonic, imm);
        }
        return lane == null ? SseConvert.makeMmx(d) : source(d, lane);
    }

    /** Operations that move elements between lanes, in their 64-bit form. */
    private static @Nullable Lane crossing(String mnemonic, int imm) {
        return switch (mnemonic) {
            case "PUNPCKLBW" -> (a, b) -> PackedLanes.interleaveLow(a, b, 8);
            case "PUNPCKLWD" -> (a, b) -> PackedLanes.interleaveLow(a, b, 16);
            case "PUNPCKLDQ" -> (a, b) -> PackedLanes.interleaveLow(a, b, 32);
            case "PUNPCKHBW" -> (a, b) -> PackedLanes.interleaveHigh(a, b, 8);
            case "PUNPCKHWD" -> (a, b) -> PackedLanes.interleaveHigh(a, b, 16);
            case "PUNPCKHDQ" -> (a, b) -> PackedLanes.interleaveHigh(a, b, 32);
            case "PACKSSWB" -> PackedLanes::packSignedBytes;
            case "PACKUSWB" -> PackedLanes::packUnsignedBytes;
            case "PACKSSDW" -> PackedLanes::packSignedWords;
            case "PSHUFW" -> (a, b) -> SseShuffle.shuffleWords(b, imm);
            case "PSHUFB" ->
                (a, b) -> {
                    long r = 0;
                    for (int i = 0; i < 64; i += 8) {
                        int n = (int) (b >>> i) & 0xff;
                        r |= n < 0x80 ? (a >>> (n & 7) * 8 & 0xff) << i : 0;
                    }
                    return r;
                };
            case "PALIGNR" ->
                (a, b) ->
                        imm == 0 ? b : imm < 8 ? b >>> imm * 8 | a << 64 - imm * 8 : imm < 16 ? a >>> imm * 8 - 64 : 0;
            case "PHADDW", "PHADDSW", "PHSUBW", "PHSUBSW" -> {
                IntBinaryOperator f = horizontal(mnemonic);
                yield (a, b) -> PackedLanes.horizontalWords(a, f) | PackedLanes.horizontalWords(b, f) << 32;
            }
            case "PHADDD", "PHSUBD" -> {
                IntBinaryOperator f = horizontal(mnemonic);
                yield (a, b) -> PackedLanes.horizontalDwords(a, f) | PackedLanes.horizontalDwords(b, f) << 32;
            }
            default -> null;
        };
    }

    /** What PHADD and PHSUB do with two neighbours, sign-extended. */
    static IntBinaryOperator horizontal(String mnemonic) {
        return switch (mnemonic) {
            case "PHADDW", "PHADDD" -> Integer::sum;
            case "PHADDSW" -> (x, y) -> PackedLanes.signedWord(x + y);
            case "PHSUBSW" -> (x, y) -> PackedLanes.signedWord(x - y);
            default -> (x, y) -> x - y;
        };
    }

    /** What every MMX instruction checks, in the order of SDM vol. 3, table 12-1. */
    static void check(Cpu c) {
        if ((c.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) != 0) {
            throw c.fault((c.cr0 & CpuRegisters.CR0_EM) != 0 ? 6 : 7, 0);
        }
        if ((c.fpu.statusWord & Fpu.ES) != 0) {
            X87Nodes.pending(c);
        }
    }

    /** Makes the stack valid. */
    static void enter(Fpu f) {
        f.top = 0;
        f.empty = 0;
    }

    static void write(Fpu f, int register, long value) {
        enter(f);
        f.significand[register] = value;
        f.signExponent[register] = (short) 0xffff;
    }

    private static Node source(Decoded d, Lane op) {
        return d.kind[1] == Decoded.Kind.MEM ? new MemorySource(d, op) : new RegisterSource(d, op);
    }

    private static final class RegisterSource extends Node {
        private final Lane op;
        private final int destination;
        private final int source;
        private final int size;
        private final Decoded.Kind kind;
        private final long immediate;

        RegisterSource(Decoded d, Lane op) {
            this.op = op;
            destination = d.operand[0] & 7;
            source = d.kind[1] == Decoded.Kind.MM ? d.operand[1] & 7 : d.operand[1];
            size = d.size[1];
            kind = d.kind[1];
            immediate = d.immediate & 0xff;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long b =
                    switch (kind) {
                        case MM -> c.fpu.significand[source];
                        case IMM -> immediate;
                        default -> c.get(source, size);
                    };
            write(c.fpu, destination, op.apply(c.fpu.significand[destination], b));
        }
    }

    private static final class MemorySource extends MemNode {
        private final Lane op;
        private final int destination;
        private final int size;

        MemorySource(Decoded d, Lane op) {
            super(d, d.size[1], false);
            this.op = op;
            destination = d.operand[0] & 7;
            size = d.size[1];
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long b = c.load(address(c), size);
            write(c.fpu, destination, op.apply(c.fpu.significand[destination], b));
        }
    }

    private static final class Store extends MemNode {
        private final int source;
        private final int size;

        Store(Decoded d, int size) {
            super(d, size, true);
            source = d.operand[1] & 7;
            this.size = size;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            c.store(address(c), size, c.fpu.significand[source]);
            enter(c.fpu);
        }
    }

    /** MOVD and PEXTRW into a general register. */
    private static final class ToGeneral extends Node {
        private final int destination;
        private final int source;
        private final int size;
        /** The word to extract, or -1 for all. */
        private final int word;

        ToGeneral(Decoded d, int word) {
            destination = d.operand[0];
            source = d.operand[1] & 7;
            size = d.size[0];
            this.word = word;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long v = c.fpu.significand[source];
            enter(c.fpu);
            c.set(destination, word < 0 ? size : 8, word < 0 ? v : v >>> word * 16 & 0xffff);
        }
    }

    /** PMOVMSKB. */
    private static final class Mask extends Node {
        private final int destination;
        private final int source;

        Mask(Decoded d) {
            destination = d.operand[0];
            source = d.operand[1] & 7;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            c.r[destination] = PackedLanes.topBits(c.fpu.significand[source]);
            enter(c.fpu);
        }
    }

    private static final class ToXmm extends Node {
        private final int destination;
        private final int source;

        ToXmm(Decoded d) {
            destination = SseNodes.xmm(d, 0);
            source = d.operand[1] & 7;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            check(c);
            c.vec[destination] = c.fpu.significand[source];
            c.vec[destination + 1] = 0;
            enter(c.fpu);
        }
    }

    private static final class FromXmm extends Node {
        private final int destination;
        private final int source;

        FromXmm(Decoded d) {
            destination = d.operand[0] & 7;
            source = SseNodes.xmm(d, 1);
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            check(c);
            write(c.fpu, destination, c.vec[source]);
        }
    }

    private static final class Empty extends Node {
        @Override
        void execute(Cpu c) {
            check(c);
            c.fpu.empty = 0xff;
            c.fpu.top = 0;
        }
    }

    /** Makes DS:rDI (or the overriding segment) the memory operand: MASKMOVQ and MASKMOVDQU have no other. */
    static Decoded atDestinationIndex(Decoded d) {
        d.base = CpuRegisters.RDI;
        d.index = Decoded.NO_REG;
        d.scale = 0;
        d.disp = 0;
        if (!d.segmentOverride) {
            d.segment = CpuRegisters.DS;
        }
        return d;
    }

    /** Stores the bytes whose mask byte has its top bit; {@code bytes} is 8 or 16. */
    static void storeMasked(Cpu c, long a, long low, long lowMask, long high, long highMask, int bytes) {
        int mask = PackedLanes.topBits(lowMask) | (bytes == 16 ? PackedLanes.topBits(highMask) << 8 : 0);
        for (int pass = 0; pass < 2; pass++) {
            for (int i = 0; i < bytes; i++) {
                if ((mask >>> i & 1) != 0) {
                    if (pass == 0) {
                        c.checkWrite(a + i, 1);
                    } else {
                        c.store8(a + i, (int) ((i < 8 ? low : high) >>> (i & 7) * 8));
                    }
                }
            }
        }
    }

    private static final class MaskedStore extends MemNode {
        private final int source;
        private final int mask;

        MaskedStore(Decoded d) {
            super(atDestinationIndex(d), 8, true);
            source = d.operand[0] & 7;
            mask = d.operand[1] & 7;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            storeMasked(c, address(c), c.fpu.significand[source], c.fpu.significand[mask], 0, 0, 8);
            enter(c.fpu);
        }
    }
}
