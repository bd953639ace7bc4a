package serai.cpu;

import org.jspecify.annotations.Nullable;

/**
 * Gathers: each element whose mask has the top bit is loaded from an address with an index of its own.
 *
 * <p>A fault leaves what has been done before it: the elements below are loaded and their masks clear, whether they were
 * selected or not, so that the instruction goes on when it is run again (SDM vol. 2, VPGATHERDD). The masks above keep all of
 * their bits, as on AMD's processors; the manual would have them extended from the top one, which selects the same.
 */
final class Gather extends MemNode {
    private final int destination;
    private final int index;
    private final int mask;
    private final int bytes;
    private final int indexBytes;
    private final int elements;

    private Gather(Decoded d) {
        super(d, d.size[1], false);
        destination = SseNodes.xmm(d, 0);
        index = d.vectorIndex * 8;
        mask = SseNodes.xmm(d, 2);
        bytes = d.size[1];
        indexBytes = (d.row.opcode() & 1) != 0 ? 8 : 4;
        elements = d.vectorSize / Math.max(bytes, indexBytes);
    }

    static @Nullable Node make(Decoded d) {
        if (!d.row.has("vsib")) {
            return null;
        }
        if (d.operand[0] == d.vectorIndex || d.operand[0] == d.operand[2] || d.vectorIndex == d.operand[2]) {
            return new SystemNodes.Raise(CpuSegments.UD);
        }
        return new Gather(d);
    }

    @Override
    void execute(Cpu c) {
        VexNodes.check(c);
        long[] v = c.vec;
        for (int i = 0; i < elements; i++) {
            if (VexMoves.selected(v, mask, i, bytes)) {
                long n = indexBytes == 8 ? v[index + i] : (int) (v[index + (i >> 1)] >>> (i & 1) * 32);
                long value = c.load(address(c, n << scale), bytes);
                VexMoves.element(v, destination, i, bytes, value);
            }
            VexMoves.element(v, mask, i, bytes, 0);
        }
        for (int i = 0; i < 4; i++) {
            v[mask + i] = 0;
            if (i * 8 >= elements * bytes) {
                v[destination + i] = 0;
            }
        }
    }
}
