package serai.cpu;

import org.jspecify.annotations.Nullable;

/**
 * Nodes of instructions on XMM registers, from SSE to SSE4.2, AES and SHA.
 *
 * <p>Most instructions are a {@link VectorOp} behind one of a few node shapes here, which differ in where the source
 * comes from: a register, or 2, 4, 8 or 16 bytes of memory. The groups stand in {@link SseMoves}, {@link SseInteger},
 * {@link SseShuffle}, {@link SseFloat}, {@link SseConvert}, {@link Sse4}, {@link SseStrings} and {@link SseCrypto}; instructions that touch an MMX register in {@link
 * MmxNodes}.
 */
final class SseNodes {
    private SseNodes() {}

    /** What an instruction does with its source; may raise a fault before it writes anything. */
    @FunctionalInterface
    interface VectorOp {
        /**
         * Combines the source into XMM register words {@code c.vec[d]} and {@code c.vec[d + 1]}.
         *
         * @param low the low 64 bits of the source; memory of fewer bytes is zero-extended
         * @param high the high 64 bits of the source
         */
        void apply(Cpu c, int d, long low, long high);
    }

    /** The node of an instruction, or null if it is not one of SSE on XMM registers. */
    static @Nullable Node make(Decoded d) {
        if (d.row.map() == 0 || d.row.has("mmx")) {
            return null;
        }
        Node node = SseMoves.make(d);
        if (node == null) {
            node = SseState.make(d);
        }
        if (node == null) {
            node = XsaveNodes.make(d);
        }
        if (node == null) {
            node = SseConvert.make(d);
        }
        if (node != null) {
            return node;
        }
        VectorOp op = op(d);
        return op == null ? null : vector(d, op);
    }

    /** What an instruction does with an XMM register, or with each half of a YMM one; null if it is not a {@link VectorOp}. */
    static @Nullable VectorOp op(Decoded d) {
        VectorOp op = SseMoves.op(d);
        if (op == null) {
            op = SseInteger.op(d);
        }
        if (op == null) {
            op = SseShuffle.op(d);
        }
        if (op == null) {
            op = SseFloat.op(d);
        }
        if (op == null) {
            op = SseConvert.op(d);
        }
        if (op == null) {
            op = Sse4.op(d);
        }
        if (op == null) {
            op = SseStrings.op(d);
        }
        if (op == null) {
            op = SseCrypto.op(d);
        }
        return op;
    }

    /** Raises what SSE instructions raise by control registers: SDM vol. 3, table 14-1 (#UD before #NM). */
    static void check(Cpu c) {
        if ((c.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) != 0 || (c.cr4 & CpuRegisters.CR4_OSFXSR) == 0) {
            refuse(c);
        }
    }

    private static void refuse(Cpu c) {
        if ((c.cr0 & CpuRegisters.CR0_EM) != 0 || (c.cr4 & CpuRegisters.CR4_OSFXSR) == 0) {
            throw c.fault(6, 0);
        }
        throw c.fault(7, 0);
    }

    /** Index into {@link CpuRegisters#vec} of XMM operand {@code i}. */
    static int xmm(Decoded d, int i) {
        return d.operand[i] * 8;
    }

    /** A node that applies {@code op} to operand 0 and, as the source, operand 1 or the immediate. */
    static Node vector(Decoded d, VectorOp op) {
        return switch (d.kind[1]) {
            case XMM -> new RegisterSource(d, op);
            case IMM -> new ImmediateSource(d, op);
            default ->
                switch (d.size[1]) {
                    case 16 -> new MemorySource16(d, op);
                    case 8 -> new MemorySource8(d, op);
                    default -> new MemorySourceSmall(d, op);
                };
        };
    }

    private static final class RegisterSource extends Node {
        private final VectorOp op;
        private final int destination;
        private final int source;

        RegisterSource(Decoded d, VectorOp op) {
            this.op = op;
            destination = xmm(d, 0);
            source = xmm(d, 1);
        }

        @Override
        void execute(Cpu c) {
            check(c);
            op.apply(c, destination, c.vec[source], c.vec[source + 1]);
        }
    }

    private static final class ImmediateSource extends Node {
        private final VectorOp op;
        private final int destination;
        private final long immediate;

        ImmediateSource(Decoded d, VectorOp op) {
            this.op = op;
            destination = xmm(d, 0);
            immediate = d.immediate & 0xff;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            op.apply(c, destination, immediate, 0);
        }
    }

    private static final class MemorySource16 extends MemNode {
        private final VectorOp op;
        private final int destination;
        private final int alignment;

        MemorySource16(Decoded d, VectorOp op) {
            super(d, 16, false);
            this.op = op;
            destination = xmm(d, 0);
            alignment = d.row.has("align") ? 15 : 0;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long a = address(c);
            if ((a & alignment) != 0) {
                throw c.fault(13, 0);
            }
            op.apply(c, destination, c.load64(a), c.load64(a + 8));
        }
    }

    private static final class MemorySource8 extends MemNode {
        private final VectorOp op;
        private final int destination;

        MemorySource8(Decoded d, VectorOp op) {
            super(d, 8, false);
            this.op = op;
            destination = xmm(d, 0);
        }

        @Override
        void execute(Cpu c) {
            check(c);
            op.apply(c, destination, c.load64(address(c)), 0);
        }
    }

    private static final class MemorySourceSmall extends MemNode {
        private final VectorOp op;
        private final int destination;
        private final int size;

        MemorySourceSmall(Decoded d, VectorOp op) {
            super(d, d.size[1], false);
            this.op = op;
            destination = xmm(d, 0);
            size = d.size[1];
        }

        @Override
        void execute(Cpu c) {
            check(c);
            op.apply(c, destination, c.load(address(c), size), 0);
        }
    }
}
