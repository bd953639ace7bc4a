package serai.cpu;

import java.lang.invoke.MethodHandles;
import java.util.Objects;
import serai.cpu.PackedLanes.Lane;
import serai.cpu.SseFloat.Element;
import serai.cpu.SseNodes.VectorOp;
import serai.cpu.VexNodes.WideOp;
import serai.machine.memory.GuestMemory;

/**
 * A VEX form after its {@link VexPlan}: fetches the source, applies the operation to a copy of the first source, writes the
 * destination. A template for {@link Specializer}: each row has a class of its own, in which HotSpot sees one operation.
 */
final class VexNode extends MemNode {
    static final int ID = 0x5e;

    private static final int SPEC = Specializer.spec(MethodHandles.lookup());
    private static final int SHAPE = SPEC & 31;
    private static final int KIND = SPEC >> 5 & 3;
    /** Binary logarithm of the source's bytes. */
    private static final int SIZE = SPEC >> 7 & 7;
    /** Whether exceptions of two halves have to be gathered. */
    private static final boolean COLLECT =
            (SPEC & 1 << 10) != 0 && (SHAPE == VexPlan.HALVES || SHAPE == VexPlan.SPREAD || SHAPE == VexPlan.NARROW);

    private static final boolean WIDE_SOURCE = SIZE == 5;
    private static final int T = CpuRegisters.SCRATCH;

    private final int destination;
    private final int first;
    private final boolean hasFirst;
    private final int source;
    private final int alignment;
    private final long immediate;
    private final VectorOp op;
    private final VectorOp upper;
    private final WideOp wide;
    private final Lane lane;
    private final Element element;

    VexNode(Decoded d) {
        super(d, d.size[VexNodes.sourceOperand(d)], false);
        VexPlan plan = Objects.requireNonNull(VexPlan.of(d));
        destination = SseNodes.xmm(d, 0);
        hasFirst = plan.first() >= 0;
        first = SseNodes.xmm(d, Math.max(0, plan.first()));
        source = KIND == VexPlan.GENERAL ? d.operand[plan.source()] : SseNodes.xmm(d, plan.source());
        alignment = d.row.has("align") ? (1 << SIZE) - 1 : 0;
        immediate = d.immediate & 0xff;
        op = plan.op();
        upper = plan.upper();
        wide = plan.wide();
        lane = plan.lane();
        element = plan.element();
    }

    @Override
    void execute(Cpu c) {
        VexNodes.check(c);
        long[] v = c.vec;
        long w0;
        long w1 = 0;
        long w2 = 0;
        long w3 = 0;
        if (KIND == VexPlan.REGISTER) {
            w0 = v[source];
            w1 = v[source + 1];
            if (WIDE_SOURCE) {
                w2 = v[source + 2];
                w3 = v[source + 3];
            }
        } else if (KIND == VexPlan.MEMORY) {
            long a = address(c);
            if ((a & alignment) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            long h = WIDE_SOURCE && (a & 0xfff) <= GuestMemory.PAGE_SIZE - 32 ? c.hostForRead(a) : 0;
            if (h != 0) {
                w0 = GuestMemory.getLong(h);
                w1 = GuestMemory.getLong(h + 8);
                w2 = GuestMemory.getLong(h + 16);
                w3 = GuestMemory.getLong(h + 24);
            } else {
                w0 = SIZE >= 3 ? c.load64(a) : c.load(a, 1 << SIZE);
                if (SIZE >= 4) {
                    w1 = c.load64(a + 8);
                }
                if (WIDE_SOURCE) {
                    w2 = c.load64(a + 16);
                    w3 = c.load64(a + 24);
                }
            }
        } else if (KIND == VexPlan.GENERAL) {
            w0 = c.get(source, 1 << SIZE);
        } else {
            w0 = immediate;
            w2 = immediate;
        }

        if (SHAPE >= VexPlan.DOUBLES) {
            elements(c, v, w0, w1, w2, w3);
            return;
        }
        if (SHAPE >= VexPlan.LANES) {
            // nothing can fault any more, and each word of a source is read before that of the destination is written
            boolean shift = SHAPE >= VexPlan.SHIFT;
            v[destination] = lane.apply(v[first], w0);
            v[destination + 1] = lane.apply(v[first + 1], shift ? w0 : w1);
            boolean all = SHAPE == VexPlan.WIDE_LANES || SHAPE == VexPlan.WIDE_SHIFT;
            v[destination + 2] = all ? lane.apply(v[first + 2], shift ? w0 : w2) : 0;
            v[destination + 3] = all ? lane.apply(v[first + 3], shift ? w0 : w3) : 0;
            return;
        }
        if (SHAPE == VexPlan.READ) {
            op.apply(c, first, w0, w1);
            return;
        }
        if (SHAPE == VexPlan.ACROSS || SHAPE == VexPlan.READ_WIDE) {
            v[T + 4] = w0;
            v[T + 5] = w1;
            v[T + 6] = w2;
            v[T + 7] = w3;
        }
        if (SHAPE == VexPlan.READ_WIDE) {
            wide.apply(c, first, T + 4);
            return;
        }
        if (hasFirst) {
            v[T] = v[first];
            v[T + 1] = v[first + 1];
            if (SHAPE != VexPlan.LOW) {
                v[T + 2] = v[first + 2];
                v[T + 3] = v[first + 3];
            }
        }
        if (COLLECT) {
            c.fpu.soft.collect();
        }
        if (SHAPE == VexPlan.ACROSS) {
            wide.apply(c, T, T + 4);
        } else if (SHAPE == VexPlan.SPREAD) {
            op.apply(c, T, w0, w1);
            upper.apply(c, T + 2, SIZE == 4 ? w1 : w0 >>> (4 << SIZE), 0);
        } else {
            op.apply(c, T, w0, w1);
            if (SHAPE == VexPlan.SHARED) {
                upper.apply(c, T + 2, w0, w1);
            } else if (SHAPE != VexPlan.LOW) {
                upper.apply(c, T + 2, w2, w3);
            }
        }
        if (COLLECT) {
            SseFloat.endCollected(c, c.fpu.soft);
        }
        v[destination] = v[T];
        if (SHAPE == VexPlan.NARROW) {
            v[destination + 1] = v[T + 2];
            v[destination + 2] = 0;
            v[destination + 3] = 0;
        } else {
            v[destination + 1] = v[T + 1];
            v[destination + 2] = SHAPE == VexPlan.LOW ? 0 : v[T + 2];
            v[destination + 3] = SHAPE == VexPlan.LOW ? 0 : v[T + 3];
        }
    }

    /** Floating-point numbers, each by itself: all of them are computed before an exception of one is raised. */
    private void elements(Cpu c, long[] v, long w0, long w1, long w2, long w3) {
        SoftFloat f = SseFloat.begin(c);
        long r0 = number(f, v[first], w0);
        long r1 = v[first + 1];
        long r2 = 0;
        long r3 = 0;
        if (SHAPE < VexPlan.ONE_DOUBLE) {
            r1 = number(f, r1, w1);
        }
        if (SHAPE == VexPlan.WIDE_DOUBLES || SHAPE == VexPlan.WIDE_SINGLES) {
            r2 = number(f, v[first + 2], w2);
            r3 = number(f, v[first + 3], w3);
        }
        SseFloat.end(c, f);
        v[destination] = r0;
        v[destination + 1] = r1;
        v[destination + 2] = r2;
        v[destination + 3] = r3;
    }

    /** A double, or a pair of singles of which the upper one may stay. */
    private long number(SoftFloat f, long a, long b) {
        if (SHAPE == VexPlan.DOUBLES || SHAPE == VexPlan.WIDE_DOUBLES || SHAPE == VexPlan.ONE_DOUBLE) {
            return element.apply(f, a, b);
        }
        long low = element.apply(f, a & 0xffffffffL, b & 0xffffffffL);
        return low | (SHAPE == VexPlan.ONE_SINGLE ? a & ~0xffffffffL : element.apply(f, a >>> 32, b >>> 32) << 32);
    }
}
