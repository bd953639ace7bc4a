package serai.cpu;

/** A register or memory operand that is only read, for instructions too rare for classes of their own by shape. */
abstract class Source {
    /** The value, zero-extended. */
    abstract long get(Cpu c);

    static Source of(Decoded d, int operand) {
        int size = d.size[operand];
        if (d.isMem(operand)) {
            Address a = new Address(d, size, false);
            return new Source() {
                @Override
                long get(Cpu c) {
                    return c.load(a.address(c), size);
                }
            };
        }
        int n = d.operand[operand];
        return new Source() {
            @Override
            long get(Cpu c) {
                return c.get(n, size);
            }
        };
    }

    /** A memory operand's address alone. */
    static final class Address extends MemNode {
        Address(Decoded d, int size, boolean write) {
            super(d, size, write);
            blockOffset = d.blockOffset;
        }

        @Override
        void execute(Cpu c) {
            throw new IllegalStateException("an address is no instruction");
        }
    }
}
