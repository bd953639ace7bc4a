package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SseNodes.VectorOp;

/**
 * Nodes of VEX forms on vector registers: AVX, AVX2, FMA and F16C.
 *
 * <p>Most instructions are a {@link VectorOp}, one of the SSE groups' where there is a legacy form. It works on a copy of the first
 * source in {@link CpuRegisters#SCRATCH}, once for each 128-bit half, and the copy becomes the destination when no exception has
 * come up: so three operands cost the legacy forms nothing. {@link VexNode} does that, after a {@link VexPlan}. The groups that
 * are new here stand in {@link VexShuffle}, {@link FusedMultiply} and {@link HalfPrecision}; loads and stores of parts in
 * {@link VexMoves} and {@link Gather}.
 *
 * <p>Bits past 255 of a destination are not cleared: no CPU model has AVX-512, so nobody sees them.
 */
final class VexNodes {
    private VexNodes() {}

    /** An operation that crosses the halves of a register. */
    @FunctionalInterface
    interface WideOp {
        /**
         * Makes words {@code c.vec[t]} to {@code c.vec[t + 3]}, which start as the first source, of those and the words of the second
         * source at {@code c.vec[s]}. The two never overlap.
         */
        void apply(Cpu c, int t, int s);
    }

    /** The node of a VEX row, or null if it is none of a vector instruction. */
    static @Nullable Node make(Decoded d) {
        Node node = VexMoves.make(d);
        if (node == null) {
            node = Gather.make(d);
        }
        if (node == null) {
            VexPlan plan = VexPlan.of(d);
            node = plan == null ? null : Specializer.make(VexNode.class, VexNode.ID, plan.spec(d), d);
        }
        return node;
    }

    /** Whether the guest has enabled AVX, but for CR0.TS. */
    static boolean enabled(CpuRegisters c) {
        return (c.cr4 & CpuRegisters.CR4_OSXSAVE) != 0 && (c.xcr0 & XsaveImage.SSE_AND_AVX) == XsaveImage.SSE_AND_AVX;
    }

    /** Raises what VEX forms raise by control registers: SDM vol. 2, table 2-18 and its like (#UD before #NM). */
    static void check(Cpu c) {
        if (!enabled(c) || (c.cr0 & CpuRegisters.CR0_TS) != 0) {
            refuse(c);
        }
    }

    private static void refuse(Cpu c) {
        throw c.fault(enabled(c) ? CpuSegments.NM : CpuSegments.UD, 0);
    }

    /** Raises #UD in real-address and virtual-8086 mode, which don't know VEX. */
    static final class ProtectedOnly extends Node {
        private final Node node;

        ProtectedOnly(Node node) {
            this.node = node;
        }

        @Override
        void execute(Cpu c) {
            if (c.paragraphs()) {
                throw c.fault(CpuSegments.UD, 0);
            }
            node.execute(c);
        }

        @Override
        boolean stack() {
            return node.stack();
        }
    }

    /** The operand that is combined into the first source: the third where the row has VEX.vvvv, else the second. */
    static int sourceOperand(Decoded d) {
        boolean three = d.row.operands().size() > 2
                && (d.row.operands().get(1).charAt(0) == 'H'
                        || d.row.operands().get(0).charAt(0) == 'H');
        return three ? 2 : 1;
    }

    /** Whether the operation computes with floating-point numbers and so raises SIMD exceptions. */
    static boolean floating(String operation) {
        String[] stems = {
            "ADD", "SUB", "MUL", "DIV", "MIN", "MAX", "SQRT", "CMP", "HADD", "HSUB", "ROUND", "DP", "CVT", "FM", "FNM"
        };
        for (String s : stems) {
            if (operation.startsWith(s)) {
                return true;
            }
        }
        return false;
    }
}
