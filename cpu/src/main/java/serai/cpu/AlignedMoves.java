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

    /** What loads and stores have in common: the checks, and the address. */
    private abstract static class Move extends MemNode {
        final int register;
        final boolean vex;

        Move(Decoded d, int operand, boolean write) {
            super(d, 16, write);
            register = SseNodes.xmm(d, operand);
            vex = d.row.isVex();
        }

        final long operand(Cpu c) {
            if (vex) {
                VexNodes.check(c);
            } else {
                SseNodes.check(c);
            }
            long a = address(c);
            if ((a & 15) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            return a;
        }
    }

    private static final class Load extends Move {
        Load(Decoded d) {
            super(d, 0, false);
        }

        @Override
        void execute(Cpu c) {
            long a = operand(c);
            long[] v = c.vec;
            long h = c.inOnePiece() ? c.hostForRead(a) : 0;
            if (h != 0 && Atomic16.MOVES) {
                c.atomic16.load(h);
                v[register] = c.atomic16.foundLow();
                v[register + 1] = c.atomic16.foundHigh();
            } else {
                if (h != 0) {
                    c.exclusiveForUpdate(); // nobody stores meanwhile
                }
                long low = c.load64(a);
                v[register + 1] = c.load64(a + 8);
                v[register] = low;
            }
            if (vex) {
                v[register + 2] = 0;
                v[register + 3] = 0;
            }
        }
    }

    private static final class Store extends Move {
        Store(Decoded d) {
            super(d, 1, true);
        }

        @Override
        void execute(Cpu c) {
            long a = operand(c);
            long low = c.vec[register];
            long high = c.vec[register + 1];
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
