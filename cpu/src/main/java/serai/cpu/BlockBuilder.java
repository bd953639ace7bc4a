package serai.cpu;

import java.util.ArrayList;
import serai.machine.memory.GuestMemory;

/** Decodes blocks. */
final class BlockBuilder {
    private final Cpu cpu;
    private final Decoder decoder;
    private final Decoded decoded = new Decoded();
    private final ArrayList<Node> nodes = new ArrayList<>();

    /** Linear address of the instruction being decoded, its physical page's start, and the host address of that. */
    private long linear;

    private long physical;
    private long host;
    private long tailPage;
    /** CS's limit. */
    private long limit;

    BlockBuilder(Cpu cpu) {
        this.cpu = cpu;
        decoder = new Decoder(cpu.features);
    }

    /**
     * Decodes the block at RIP {@code start}.
     *
     * @param physicalStart its physical address
     * @param max at most so many instructions
     */
    Block build(long start, long physicalStart, int max) {
        return build(start, physicalStart, max, Integer.MAX_VALUE);
    }

    /** The same of instructions that begin within the first {@code bytes}, or of one. */
    Block build(long start, long physicalStart, int max, int bytes) {
        int codeSize = cpu.codeSize;
        long linearStart = codeSize == 8 ? start : cpu.base[CpuRegisters.CS] + start & 0xffffffffL;
        int toPageEnd = GuestMemory.PAGE_SIZE - (int) (linearStart & 0xfff);
        limit = cpu.limit[CpuRegisters.CS] & 0xffffffffL;
        nodes.clear();
        tailPage = -1;
        boolean vectors = false;
        int offset = 0;
        while (nodes.size() < max && offset < toPageEnd && (offset < bytes || offset == 0)) {
            linear = linearStart + offset;
            physical = physicalStart + offset;
            host = cpu.memory.host(physical);
            tailPage = -1;
            decoded.blockOffset = offset;
            Decoder.Result result = Decoder.Result.SHORT;
            if (host != 0 && codeSize == 8) {
                result = decoder.decode(decoded, host, toPageEnd - offset, codeSize, cpu.stackSize);
            }
            if (result != Decoder.Result.SHORT) {
                // it lies within its page of RAM, and there is no segment limit
            } else if (offset == 0) {
                result = decoder.decode(decoded, this::at, codeSize, cpu.stackSize);
            } else {
                long cr2 = cpu.cr2;
                try {
                    result = decoder.decode(decoded, this::at, codeSize, cpu.stackSize);
                } catch (CpuException e) {
                    // past the segment, or the next page is not there: reported when the instruction is reached
                    cpu.cr2 = cr2;
                    break;
                }
            }
            if (tailPage >= 0 && offset > 0) {
                tailPage = -1;
                break; // an instruction that crosses the page's end gets a block of its own
            }
            Node node;
            boolean ends;
            if (result == Decoder.Result.OK) {
                node = NodeFactory.make(decoded);
                ends = decoded.plan.has(RowPlan.END);
                vectors |= InstructionTable.INSTANCE.vectors(decoded.row);
            } else {
                int vector = result == Decoder.Result.UNDEFINED ? CpuSegments.UD : CpuSegments.GP;
                node = new SystemNodes.Raise(vector);
                ends = true;
                decoded.length = 1;
            }
            node.blockOffset = offset;
            node.length = decoded.length;
            node.stackOperand = decoded.segment == CpuRegisters.SS;
            nodes.add(node);
            offset += decoded.length;
            if (ends || tailPage >= 0) {
                break;
            }
        }
        return new Block(nodes.toArray(Node[]::new), offset, physicalStart, cpu.mode, tailPage, vectors);
    }

    private int at(int i) {
        long a = linear + i;
        if (cpu.codeSize != 8 && (a - cpu.base[CpuRegisters.CS] & 0xffffffffL) > limit) {
            throw cpu.fault(CpuSegments.GP, 0);
        }
        if ((a ^ linear) >>> 12 == 0) {
            return host == 0 ? (int) cpu.host.mmioRead(physical + i, 1) & 0xff : GuestMemory.getByte(host + i) & 0xff;
        }
        long p = cpu.fetchPhysical(cpu.codeSize == 8 ? a : a & 0xffffffffL);
        tailPage = p & -GuestMemory.PAGE_SIZE;
        long h = cpu.memory.host(p);
        return h == 0 ? (int) cpu.host.mmioRead(p, 1) & 0xff : GuestMemory.getByte(h) & 0xff;
    }
}
