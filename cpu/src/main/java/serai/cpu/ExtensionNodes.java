package serai.cpu;

import org.jspecify.annotations.Nullable;

/** What later processors added on general registers: counting, byte order, CRC32, ADX, BMI, random numbers, FS and GS bases. */
final class ExtensionNodes {
    /** A result of a source operand; may set flags. */
    @FunctionalInterface
    private interface Unary {
        long apply(Cpu c, long v);
    }

    /** A result of two operands; may set flags. */
    @FunctionalInterface
    private interface Binary {
        long apply(Cpu c, long a, long b);
    }

    private ExtensionNodes() {}

    /** A node for the row, or null if it is none of the rows here. */
    static @Nullable Node make(Decoded d) {
        int size = d.size[0];
        return switch (d.row.mnemonic()) {
            case "POPCNT" ->
                unary(d, (c, v) -> {
                    c.arithmeticFlags(v == 0 ? CpuRegisters.ZF : 0);
                    return Long.bitCount(v);
                });
            case "TZCNT" -> unary(d, (c, v) -> counted(c, size, v, Long.numberOfTrailingZeros(v)));
            case "LZCNT" -> unary(d, (c, v) -> counted(c, size, v, Long.numberOfLeadingZeros(v) - 64 + size * 8));
            case "MOVBE" -> d.isMem(0) ? new StoreSwapped(d) : unary(d, (c, v) -> swap(size, v));
            case "CRC32" -> {
                int bytes = d.size[1];
                yield binary(d, 0, 1, (c, a, b) -> Crc32c.update((int) a, b, bytes));
            }
            case "ADCX" -> binary(d, 0, 1, (c, a, b) -> addCarry(c, size, a, b));
            case "ADOX" -> binary(d, 0, 1, (c, a, b) -> addOverflow(c, size, a, b));
            case "RDRAND", "RDSEED" -> {
                int to = d.operand[0];
                yield new Simple(c -> {
                    c.set(to, size, c.host.random());
                    c.arithmeticFlags(CpuRegisters.CF);
                });
            }
            default -> bases(d);
        };
    }

    private static @Nullable Node bases(Decoded d) {
        int n = d.operand[0];
        int size = d.size[0];
        return switch (d.row.mnemonic()) {
            case "RDPID" -> new Simple(c -> c.r[n] = c.control().tscAux());
            case "RDFSBASE", "RDGSBASE" -> {
                int segment = d.row.mnemonic().equals("RDFSBASE") ? CpuRegisters.FS : CpuRegisters.GS;
                yield new Simple(c -> {
                    checkBases(c);
                    c.set(n, size, c.base[segment]);
                });
            }
            case "WRFSBASE", "WRGSBASE" -> {
                int segment = d.row.mnemonic().equals("WRFSBASE") ? CpuRegisters.FS : CpuRegisters.GS;
                yield new Simple(c -> {
                    checkBases(c);
                    c.base[segment] = c.canonical(c.get(n, size));
                });
            }
            case "CLFLUSH", "CLFLUSHOPT", "CLWB" -> {
                // faults as a load of a byte does, but an execute-only segment will do; there are no caches
                Source.Address a = new Source.Address(d, 1, false);
                int segment = d.segment;
                yield new Simple(c -> {
                    int code = c.attributes[segment];
                    boolean executeOnly = c.codeSize != 8 && !c.paragraphs() && (code & 0x1a) == 0x18;
                    c.attributes[segment] |= executeOnly ? 2 : 0;
                    try {
                        c.hostForRead(a.address(c));
                    } finally {
                        c.attributes[segment] = code;
                    }
                });
            }
            case "PREFETCHW" -> new MoveNodes.Nop();
            default -> bmi(d);
        };
    }

    private static @Nullable Node bmi(Decoded d) {
        int size = d.size[0];
        int mask = size * 8 - 1;
        return switch (d.row.mnemonic()) {
            case "ANDN" -> binary(d, 1, 2, (c, a, b) -> logic(c, size, ~a & b, false));
            case "BLSR" -> unary(d, (c, v) -> logic(c, size, v & v - 1, v == 0));
            case "BLSMSK" -> unary(d, (c, v) -> logic(c, size, v ^ v - 1, v == 0));
            case "BLSI" -> unary(d, (c, v) -> logic(c, size, v & -v, v != 0));
            case "BEXTR" ->
                binary(d, 1, 2, (c, v, control) -> {
                    int start = (int) control & 0xff;
                    int length = (int) (control >>> 8) & 0xff;
                    long field = start < 64 ? v >>> start : 0;
                    return logic(c, size, length < 64 ? field & (1L << length) - 1 : field, false);
                });
            case "BZHI" ->
                binary(d, 1, 2, (c, v, control) -> {
                    int n = (int) control & 0xff;
                    return logic(c, size, n < 64 ? v & (1L << n) - 1 : v, n > mask);
                });
            case "PEXT" -> binary(d, 1, 2, (c, v, m) -> Long.compress(v, m));
            case "PDEP" -> binary(d, 1, 2, (c, v, m) -> Long.expand(v, m));
            case "SHLX" -> binary(d, 1, 2, (c, v, n) -> v << (n & mask));
            case "SHRX" -> binary(d, 1, 2, (c, v, n) -> v >>> (n & mask));
            case "SARX" -> binary(d, 1, 2, (c, v, n) -> Alu.sign(size, v) >> (n & mask));
            case "RORX" -> {
                int n = (int) d.immediate & mask;
                yield unary(d, (c, v) -> v >>> n | v << size * 8 - n);
            }
            case "MULX" -> new Multiply(d);
            default -> null;
        };
    }

    /** Operand 0 becomes what the operation makes of operand 1. */
    private static Node unary(Decoded d, Unary op) {
        int to = d.operand[0];
        int size = d.size[0];
        Source from = Source.of(d, 1);
        return new Simple(c -> c.set(to, size, op.apply(c, from.get(c))));
    }

    /** Operand 0 becomes what the operation makes of operands {@code a} and {@code b}. */
    private static Node binary(Decoded d, int a, int b, Binary op) {
        int to = d.operand[0];
        int size = d.size[0];
        Source first = Source.of(d, a);
        Source second = Source.of(d, b);
        return new Simple(c -> c.set(to, size, op.apply(c, first.get(c), second.get(c))));
    }

    /** Flags of TZCNT and LZCNT. */
    private static long counted(Cpu c, int size, long v, int zeros) {
        int n = Math.min(zeros, size * 8);
        c.arithmeticFlags((v == 0 ? CpuRegisters.CF : 0) | (n == 0 ? CpuRegisters.ZF : 0));
        return n;
    }

    private static long logic(Cpu c, int size, long r, boolean carry) {
        Alu.flags(c, size, r, 0);
        c.cf(carry);
        if (carry) {
            c.cv |= 1L << 62; // no overflow
        }
        return r;
    }

    private static long swap(int size, long v) {
        return Long.reverseBytes(v) >>> 64 - size * 8;
    }

    /** ADCX: CF alone is read and written. */
    private static long addCarry(Cpu c, int size, long a, long b) {
        long r = a + b + (c.cf() ? 1 : 0);
        c.cf((a & b | (a | b) & ~r) >>> size * 8 - 1 << 63 != 0);
        return r;
    }

    /** ADOX: the same with OF. */
    private static long addOverflow(Cpu c, int size, long a, long b) {
        long r = a + b + (c.of() ? 1 : 0);
        boolean of = (a & b | (a | b) & ~r) >>> size * 8 - 1 << 63 != 0;
        if (of != c.of()) {
            c.cv ^= 1L << 62;
        }
        return r;
    }

    /** Not in legacy mode (the rows see to that), and only if the system allows it. */
    private static void checkBases(Cpu c) {
        if ((c.cr4 & CpuRegisters.CR4_FSGSBASE) == 0) {
            throw c.fault(CpuSegments.UD, 0);
        }
    }

    private static final class StoreSwapped extends MemNode {
        private final int from;
        private final int size;

        StoreSwapped(Decoded d) {
            super(d, d.size[0], true);
            from = d.operand[1];
            size = d.size[0];
        }

        @Override
        void execute(Cpu c) {
            c.store(address(c), size, swap(size, c.r[from]));
        }
    }

    /** MULX: the high half to operand 0, the low one to operand 1; no flags. */
    private static final class Multiply extends Node {
        private final int high;
        private final int low;
        private final int size;
        private final Source from;

        Multiply(Decoded d) {
            high = d.operand[0];
            low = d.operand[1];
            size = d.size[0];
            from = Source.of(d, 2);
        }

        @Override
        void execute(Cpu c) {
            long a = c.get(CpuRegisters.RDX, size);
            long b = from.get(c);
            long product = a * b;
            // if both are one register it gets the high half
            c.set(low, size, product);
            c.set(high, size, size == 8 ? Math.unsignedMultiplyHigh(a, b) : product >>> 32);
        }
    }
}
