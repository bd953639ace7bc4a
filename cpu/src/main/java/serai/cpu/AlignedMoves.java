package serai.cpu;

import org.jspecify.annotations.Nullable;

/**
 * (V)MOVAPS, (V)MOVAPD and (V)MOVDQA of 16 bytes from and to memory. A processor that has AVX does these in one piece as seen by the
 * others (SDM vol. 3, 9.1.1); one that has not need not, nor one that is alone.
 */
final class AlignedMoves {
    private AlignedMoves() {}

    /** The node, or null for another instruction, operand or size. */
    static @Nullable Node make(Decoded d) {
        return switch (d.row.operation()) {
            case "MOVAPS", "MOVAPD", "MOVDQA" ->
                d.isMem(0) && d.size[0] == 16 ? new Store(d) : d.isMem(1) && d.size[1] == 16 ? new Load(d) : null;
            default -> null;
        };
    }

    private static long aligned(Cpu c, long linear) {
        if ((linear & 15) != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        return linear;
    }

    private static void check(Cpu c, boolean vex) {
        if (vex) {
            VexNodes.check(c);
        } else {
            SseNodes.check(c);
        }
    }

    private static final class Load extends MemNode {
        private final int destination;
        private final boolean vex;

        Load(Decoded d) {
            super(d, 16, false);
            destination = SseNodes.xmm(d, 0);
            vex = d.row.isVex();
        }

        @Override
        void execute(Cpu c) {
            check(c, vex);
            long a = aligned(c, address(c));
            long[] v = c.vec;
            long h = c.inOnePiece() ? c.hostForRead(a) : 0;
            if (h != 0 && Atomic16.MOVES) {
                c.atomic16.load(h);
                v[destination] = c.atomic16.foundLow();
                v[destination + 1] = c.atomic16.foundHigh();
            } else {
                if (h != 0) {
                    c.exclusiveForUpdate(); // nobody stores meanwhile
                }
                long low = c.load64(a);
                v[destination + 1] = c.load64(a + 8);
                v[destination] = low;
            }
            if (vex) {
                v[destination + 2] = 0;
                v[destination + 3] = 0;
            }
        }
    }

    private static final class Store extends MemNode {
        private final int source;
        private final boolean vex;

        Store(Decoded d) {
            super(d, 16, true);
            source = SseNodes.xmm(d, 1);
            vex = d.row.isVex();
        }

        @Override
        void execute(Cpu c) {
            check(c, vex);
            long a = aligned(c, address(c));
            long low = c.vec[source];
            long high = c.vec[source + 1];
            if (c.inOnePiece()) {
                long h = c.hostForUpdate(a, 16);
                if (h != 0 && Atomic16.MOVES) {
                    c.atomic16.store(h, low, high);
                    return;
                }
                c.exclusiveForUpdate(); // a page with code in it, or a host that can't: nobody loads meanwhile
            }
            c.store64(a, low);
            c.store64(a + 8, high);
        }
    }
}
