package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/** VEX forms that store to memory, load and store by a mask, or deal with all of the vector state. */
final class VexMoves {
    private VexMoves() {}

    static @Nullable Node make(Decoded d) {
        boolean toMemory = d.isMem(0);
        return switch (d.row.operation()) {
            case "MOVAPS", "MOVAPD", "MOVDQA" -> {
                Node n = AlignedMoves.make(d);
                yield n == null && toMemory ? new Store(d, 0) : n;
            }
            case "MOVUPS", "MOVUPD", "MOVDQU", "MOVNTPS", "MOVNTPD", "MOVNTDQ" -> toMemory ? new Store(d, 0) : null;
            case "EXTRACTF128", "EXTRACTI128" -> toMemory ? new Store(d, (int) d.immediate & 1) : null;
            case "MOVSS", "MOVSD", "MOVLPS", "MOVLPD", "MOVHPS", "MOVHPD", "MOVQ", "MOVD" ->
                toMemory ? new StorePart(d) : null;
            case "PEXTRB", "PEXTRW", "PEXTRD", "EXTRACTPS" -> toMemory ? new StorePart(d) : null;
            case "CVTPS2PH" -> toMemory ? new HalfPrecision.Store(d) : null;
            case "MASKMOVPS", "PMASKMOVD" -> toMemory ? new MaskedStore(d, 4) : new MaskedLoad(d, 4);
            case "MASKMOVPD", "PMASKMOVQ" -> toMemory ? new MaskedStore(d, 8) : new MaskedLoad(d, 8);
            case "MASKMOVDQU" -> new MaskedBytes(d);
            case "LDMXCSR" -> new Mxcsr(d, false);
            case "STMXCSR" -> new Mxcsr(d, true);
            case "ZEROUPPER" -> clear(d, 2);
            case "ZEROALL" -> clear(d, 0);
            default -> null;
        };
    }

    /** Clears the words of all registers that the mode has, from word {@code from} of each. */
    private static Node clear(Decoded d, int from) {
        int registers = d.codeSize == 8 ? 16 : 8;
        return new Simple(c -> {
            VexNodes.check(c);
            for (int i = 0; i < registers; i++) {
                for (int j = from; j < 4; j++) {
                    c.vec[i * 8 + j] = 0;
                }
            }
        });
    }

    /** Stores 16 or 32 bytes. */
    private static final class Store extends MemNode {
        private final int source;
        private final boolean wide;
        private final int alignment;

        /** @param half which half of the register the bytes start with */
        Store(Decoded d, int half) {
            super(d, d.size[0], true);
            source = SseNodes.xmm(d, 1) + half * 2;
            wide = d.size[0] == 32;
            alignment = d.row.has("align") ? d.size[0] - 1 : 0;
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            long a = address(c);
            if ((a & alignment) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            long[] v = c.vec;
            long h = c.hostForUpdate(a, wide ? 32 : 16);
            if (h != 0) {
                GuestMemory.putLong(h, v[source]);
                GuestMemory.putLong(h + 8, v[source + 1]);
                if (wide) {
                    GuestMemory.putLong(h + 16, v[source + 2]);
                    GuestMemory.putLong(h + 24, v[source + 3]);
                }
                return;
            }
            for (int i = 0; i < (wide ? 4 : 2); i++) {
                c.store64(a + i * 8, v[source + i]);
            }
        }
    }

    /** Stores 1, 2, 4 or 8 bytes of the low half. */
    private static final class StorePart extends MemNode {
        private final int word;
        private final int shift;
        private final int bytes;

        StorePart(Decoded d) {
            super(d, d.size[0], true);
            int from = SseMoves.storedFrom(d);
            word = SseNodes.xmm(d, 1) + (from >> 3);
            shift = (from & 7) * 8;
            bytes = d.size[0];
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            c.store(address(c), bytes, c.vec[word] >>> shift);
        }
    }

    /** Whether the top bit of element {@code i} is set. */
    static boolean selected(long[] v, int register, int i, int bytes) {
        return bytes == 8 ? v[register + i] < 0 : (v[register + (i >> 1)] >>> (i & 1) * 32 & 0x80000000L) != 0;
    }

    /** Sets element {@code i} of 4 or 8 bytes. */
    static void element(long[] v, int register, int i, int bytes, long value) {
        if (bytes == 8) {
            v[register + i] = value;
        } else {
            int shift = (i & 1) * 32;
            int word = register + (i >> 1);
            v[word] = v[word] & ~(0xffffffffL << shift) | (value & 0xffffffffL) << shift;
        }
    }

    /** Loads the elements that the mask selects and clears the others; memory of those is not touched. */
    private static final class MaskedLoad extends MemNode {
        private final int destination;
        private final int mask;
        private final int bytes;
        private final int elements;

        MaskedLoad(Decoded d, int bytes) {
            super(d, bytes, false);
            destination = SseNodes.xmm(d, 0);
            mask = SseNodes.xmm(d, 1);
            this.bytes = bytes;
            elements = d.vectorSize / bytes;
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            long[] v = c.vec;
            int t = CpuRegisters.SCRATCH;
            for (int i = 0; i < 4; i++) {
                v[t + i] = 0;
            }
            for (int i = 0; i < elements; i++) {
                if (selected(v, mask, i, bytes)) {
                    element(v, t, i, bytes, c.load(address(c, (long) i * bytes), bytes));
                }
            }
            System.arraycopy(v, t, v, destination, 4);
        }
    }

    /** Stores the elements that the mask selects: all faults before the first byte. */
    private static final class MaskedStore extends MemNode {
        private final int source;
        private final int mask;
        private final int bytes;
        private final int elements;

        MaskedStore(Decoded d, int bytes) {
            super(d, bytes, true);
            mask = SseNodes.xmm(d, 1);
            source = SseNodes.xmm(d, 2);
            this.bytes = bytes;
            elements = d.vectorSize / bytes;
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            long[] v = c.vec;
            for (int pass = 0; pass < 2; pass++) {
                for (int i = 0; i < elements; i++) {
                    if (selected(v, mask, i, bytes)) {
                        long a = address(c, (long) i * bytes);
                        if (pass == 0) {
                            c.checkWrite(a, bytes);
                        } else {
                            c.store(a, bytes, bytes == 8 ? v[source + i] : v[source + (i >> 1)] >>> (i & 1) * 32);
                        }
                    }
                }
            }
        }
    }

    /** VMASKMOVDQU. */
    private static final class MaskedBytes extends MemNode {
        private final int source;
        private final int mask;

        MaskedBytes(Decoded d) {
            super(MmxNodes.atDestinationIndex(d), 16, true);
            source = SseNodes.xmm(d, 0);
            mask = SseNodes.xmm(d, 1);
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            long[] v = c.vec;
            MmxNodes.storeMasked(c, address(c), v[source], v[mask], v[source + 1], v[mask + 1], 16);
        }
    }

    /** VLDMXCSR and VSTMXCSR. */
    private static final class Mxcsr extends MemNode {
        private final boolean store;

        Mxcsr(Decoded d, boolean store) {
            super(d, 4, store);
            this.store = store;
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            if (store) {
                c.store32(address(c), c.mxcsr);
            } else {
                SseState.loadMxcsr(c, c.load32(address(c)));
            }
        }
    }
}
