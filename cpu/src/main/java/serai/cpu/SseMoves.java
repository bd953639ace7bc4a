package serai.cpu;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import serai.cpu.SseNodes.VectorOp;

/** Loads, stores and moves of XMM registers, also from and to general registers. */
final class SseMoves {
    private SseMoves() {}

    static @Nullable Node make(Decoded d) {
        boolean toMemory = d.kind[0] == Decoded.Kind.MEM;
        boolean fromMemory = d.kind[1] == Decoded.Kind.MEM;
        return switch (d.row.operation()) {
            case "MOVAPS", "MOVAPD", "MOVDQA" -> AlignedMoves.make(d);
            case "MOVUPS", "MOVUPD", "MOVDQU" -> toMemory ? new Store16(d) : null;
            case "MOVNTPS", "MOVNTPD", "MOVNTDQ" -> new Store16(d);
            case "MOVSS", "MOVSD", "MOVLPS", "MOVLPD", "MOVHPS", "MOVHPD", "MOVQ" -> toMemory ? storePart(d) : null;
            case "MOVD" -> toMemory ? storePart(d) : fromMemory ? null : moveGeneral(d);
            case "MOVMSKPS", "MOVMSKPD", "PMOVMSKB" -> toGeneral(d);
            case "PEXTRB", "PEXTRW", "PEXTRD", "EXTRACTPS" -> toMemory ? storePart(d) : toGeneral(d);
            case "PINSRB", "PINSRW", "PINSRD" -> {
                int bytes = elementBytes(d);
                yield fromMemory ? new InsertMemory(d, bytes) : new InsertRegister(d, bytes);
            }
            case "MASKMOVDQU" -> new MaskedStore(d);
            default -> null;
        };
    }

    /** Moves into a vector register. A value from a general register or memory comes as the low word. */
    static @Nullable VectorOp op(Decoded d) {
        return switch (d.row.operation()) {
            case "MOVAPS", "MOVAPD", "MOVDQA", "MOVUPS", "MOVUPD", "MOVDQU", "LDDQU", "MOVNTDQA", "MOVD" ->
                SseMoves::copy;
            // a load clears the rest of the register, a move between registers leaves it
            case "MOVSS" ->
                d.hasMemory()
                        ? SseMoves::copy
                        : (c, x, low, high) -> c.vec[x] = c.vec[x] & ~0xffffffffL | low & 0xffffffffL;
            case "MOVSD" -> d.hasMemory() ? SseMoves::copy : (c, x, low, high) -> c.vec[x] = low;
            case "MOVLPS", "MOVLPD" -> (c, x, low, high) -> c.vec[x] = low;
            case "MOVHPS", "MOVHPD", "MOVLHPS" -> (c, x, low, high) -> c.vec[x + 1] = low;
            case "MOVHLPS" -> (c, x, low, high) -> c.vec[x] = high;
            case "MOVQ" ->
                (c, x, low, high) -> {
                    c.vec[x] = low;
                    c.vec[x + 1] = 0;
                };
            case "PINSRB", "PINSRW", "PINSRD" -> {
                int bytes = elementBytes(d);
                int at = place(d, bytes);
                yield (c, x, low, high) -> insert(c, x, at, bytes, low);
            }
            default -> null;
        };
    }

    /** What a general register gets of a vector register. */
    static @Nullable Extract extract(Decoded d) {
        return switch (d.row.operation()) {
            case "MOVD" -> d.size[0] == 8 ? (low, high) -> low : (low, high) -> low & 0xffffffffL;
            case "MOVMSKPS" -> (low, high) -> low >>> 31 & 1 | low >>> 62 & 2 | high >>> 29 & 4 | high >>> 60 & 8;
            case "MOVMSKPD" -> (low, high) -> low >>> 63 | high >>> 62 & 2;
            case "PMOVMSKB" -> (low, high) -> PackedLanes.topBits(low) | PackedLanes.topBits(high) << 8;
            case "PEXTRB", "PEXTRW", "PEXTRD", "EXTRACTPS" -> {
                int bytes = elementBytes(d);
                int at = place(d, bytes);
                int shift = (at & 7) * 8;
                long mask = -1L >>> 64 - bytes * 8;
                yield (low, high) -> (at < 8 ? low : high) >>> shift & mask;
            }
            default -> null;
        };
    }

    /** Bytes of the element that an insertion or extraction names. */
    static int elementBytes(Decoded d) {
        return switch (d.row.operation()) {
            case "PEXTRB", "PINSRB" -> 1;
            case "PEXTRW", "PINSRW" -> 2;
            case "EXTRACTPS" -> 4;
            case "PEXTRD" -> d.size[0];
            default -> d.row.isVex() ? d.size[2] : d.size[1];
        };
    }

    /** First byte, in the register, of what a move or extraction stores to memory. */
    static int storedFrom(Decoded d) {
        return switch (d.row.operation()) {
            case "MOVHPS", "MOVHPD" -> 8;
            case "PEXTRB", "PEXTRW", "PEXTRD", "EXTRACTPS" -> place(d, elementBytes(d));
            default -> 0;
        };
    }

    private static Node storePart(Decoded d) {
        int from = storedFrom(d);
        return new StorePart(d, xmm(d, 1) + (from >> 3), (from & 7) * 8, d.size[0]);
    }

    private static Node moveGeneral(Decoded d) {
        return d.kind[0] == Decoded.Kind.XMM ? new FromGeneral(d) : toGeneral(d);
    }

    private static Node toGeneral(Decoded d) {
        return new ToGeneral(d, Objects.requireNonNull(extract(d)));
    }

    private static int xmm(Decoded d, int i) {
        return SseNodes.xmm(d, i);
    }

    private static void copy(Cpu c, int x, long low, long high) {
        c.vec[x] = low;
        c.vec[x + 1] = high;
    }

    /** Stores 16 bytes. */
    private static final class Store16 extends MemNode {
        private final int source;
        private final int alignment;

        Store16(Decoded d) {
            super(d, 16, true);
            source = xmm(d, 1);
            alignment = d.row.has("align") ? 15 : 0;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            long a = address(c);
            if ((a & alignment) != 0) {
                throw c.fault(13, 0);
            }
            if ((a & 15) != 0) {
                // the second half may be on another page: all faults before the first byte
                c.checkWrite(a, 16);
            }
            c.store64(a, c.vec[source]);
            c.store64(a + 8, c.vec[source + 1]);
        }
    }

    /** Stores 1, 2, 4 or 8 bytes of a word of a vector register, the low ones unless shifted. */
    private static final class StorePart extends MemNode {
        private final int word;
        private final int shift;
        private final int bytes;

        StorePart(Decoded d, int word, int shift, int bytes) {
            super(d, bytes, true);
            this.word = word;
            this.shift = shift;
            this.bytes = bytes;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            c.store(address(c), bytes, c.vec[word] >>> shift);
        }
    }

    /** MOVD and MOVQ from a general register. */
    private static final class FromGeneral extends Node {
        private final int destination;
        private final int source;
        private final int size;

        FromGeneral(Decoded d) {
            destination = xmm(d, 0);
            source = d.operand[1];
            size = d.size[1];
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            c.vec[destination] = c.get(source, size);
            c.vec[destination + 1] = 0;
        }
    }

    /** What goes from an XMM register into a general one, zero-extended to 64 bits. */
    @FunctionalInterface
    interface Extract {
        long apply(long low, long high);
    }

    private static final class ToGeneral extends Node {
        private final int destination;
        private final int source;
        private final Extract extract;

        ToGeneral(Decoded d, Extract extract) {
            destination = d.operand[0];
            source = xmm(d, 1);
            this.extract = extract;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            c.r[destination] = extract.apply(c.vec[source], c.vec[source + 1]);
        }
    }

    private static void insert(Cpu c, int destination, int at, int bytes, long value) {
        int x = destination + (at >> 3);
        int shift = (at & 7) * 8;
        long mask = -1L >>> 64 - bytes * 8;
        c.vec[x] = c.vec[x] & ~(mask << shift) | (value & mask) << shift;
    }

    private static int place(Decoded d, int bytes) {
        return ((int) d.immediate & 16 / bytes - 1) * bytes;
    }

    private static final class InsertRegister extends Node {
        private final int destination;
        private final int source;
        private final int at;
        private final int bytes;

        InsertRegister(Decoded d, int bytes) {
            destination = xmm(d, 0);
            source = d.operand[1];
            at = place(d, bytes);
            this.bytes = bytes;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            insert(c, destination, at, bytes, c.r[source]);
        }
    }

    private static final class InsertMemory extends MemNode {
        private final int destination;
        private final int at;
        private final int bytes;

        InsertMemory(Decoded d, int bytes) {
            super(d, bytes, false);
            destination = xmm(d, 0);
            at = place(d, bytes);
            this.bytes = bytes;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            insert(c, destination, at, bytes, c.load(address(c), bytes));
        }
    }

    /** MASKMOVDQU: stores to DS:rDI the bytes whose mask has the top bit. */
    private static final class MaskedStore extends MemNode {
        private final int source;
        private final int mask;

        MaskedStore(Decoded d) {
            super(MmxNodes.atDestinationIndex(d), 16, true);
            source = xmm(d, 0);
            mask = xmm(d, 1);
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            long a = address(c);
            MmxNodes.storeMasked(c, a, c.vec[source], c.vec[mask], c.vec[source + 1], c.vec[mask + 1], 16);
        }
    }
}
