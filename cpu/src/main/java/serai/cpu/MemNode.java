package serai.cpu;

/** A node with a memory operand. */
abstract class MemNode extends Node {
    final int base;
    final int index;
    final int scale;
    final long disp;
    /** 64-bit addressing with a segment whose base is zero: no more to do than to add up. */
    private final boolean flat;

    private final int segment;
    private final int addrSize;
    private final boolean long64;
    private final int size;
    private final boolean write;

    /**
     * @param size bytes accessed, for the limit check
     * @param write whether the operand is written, for the segment's type check
     */
    MemNode(Decoded d, int size, boolean write) {
        base = d.base;
        index = d.index;
        scale = d.scale;
        // RIP-relative: the base register holds the start of the block
        disp = d.base == Decoded.RIP_BASE ? d.disp + d.blockOffset + d.length : d.disp;
        segment = d.segment;
        addrSize = d.addrSize;
        long64 = d.codeSize == 8;
        flat = long64 && addrSize == 8 && segment < Cpu.FS;
        this.size = size;
        this.write = write;
    }

    /** The effective address, cut to the address size, without the segment. */
    final long offset(Cpu c) {
        long a = c.r[base] + (c.r[index] << scale) + disp;
        return switch (addrSize) {
            case 8 -> a;
            case 4 -> a & 0xffffffffL;
            default -> a & 0xffff;
        };
    }

    /** The linear address of what stands {@code extra} bytes past the operand, after segment checks. */
    final long address(Cpu c, long extra) {
        long a = c.r[base] + (c.r[index] << scale) + disp + extra;
        a = switch (addrSize) {
            case 8 -> a;
            case 4 -> a & 0xffffffffL;
            default -> a & 0xffff;
        };
        return long64 ? c.segBase(segment) + a : c.linear(segment, a, size, write);
    }

    /** The linear address, after segment checks. */
    final long address(Cpu c) {
        if (flat) {
            return c.r[base] + (c.r[index] << scale) + disp;
        }
        return segmented(c, size);
    }

    /** The linear address, after segment checks, of an operand whose size is known only now. */
    final long segmented(Cpu c, int bytes) {
        long a = offset(c);
        return long64 ? c.segBase(segment) + a : c.linear(segment, a, bytes, write);
    }
}
