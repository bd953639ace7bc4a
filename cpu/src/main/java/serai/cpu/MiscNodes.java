package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/** Flags, stack frames, and what fits nowhere else. */
final class MiscNodes {
    /** A node for the row, or null if it is none of the rows here. */
    static @Nullable Node make(Decoded d) {
        int size = d.opSize;
        return switch (d.row.mnemonic()) {
            case "NOP" -> new Simple(c -> {});
            case "PAUSE" -> new Simple(Cpu::pauseHint);
            case "LFENCE", "SFENCE", "MFENCE" -> new Simple(c -> GuestMemory.fence());
            case "CLC" -> new Simple(c -> c.cf(false));
            case "STC" -> new Simple(c -> c.cf(true));
            case "CMC" -> new Simple(c -> c.cf(!c.cf()));
            case "CLD" -> new Simple(c -> c.flagsRest &= ~CpuRegisters.DF);
            case "STD" -> new Simple(c -> c.flagsRest |= CpuRegisters.DF);
            case "LAHF" -> new Simple(c -> c.set8(20, (int) c.flags() & 0xd7 | 2));
            case "SAHF" -> new Simple(c -> c.arithmeticFlags(c.get8(20), 0xd5));
            case "SALC" -> new Simple(c -> c.set8(0, c.cf() ? 0xff : 0));
            case "BSWAP" -> {
                int n = d.operand[0];
                int s = d.size[0];
                // of 16 bits it is undefined: Intel's processors clear them
                boolean word = d.opSize == 2;
                yield new Simple(c -> {
                    if (word) {
                        c.set(n, 2, 0);
                    } else {
                        c.set(n, s, s == 8 ? Long.reverseBytes(c.r[n]) : Integer.reverseBytes((int) c.r[n]));
                    }
                });
            }
            case "XLAT" -> new Xlat(d);
            case "LEAVE" -> new Simple(c -> leave(c, size));
            case "ENTER" -> {
                int bytes = (int) d.immediate & 0xffff;
                int level = (int) d.immediate2 & 31;
                yield new Simple(c -> enter(c, size, bytes, level));
            }
            case "PUSHA" -> new Simple(c -> pusha(c, size));
            case "POPA" -> new Simple(c -> popa(c, size));
            case "BOUND" -> new Bound(d);
            default -> null;
        };
    }

    private static void leave(Cpu c, int size) {
        long frame = c.r[CpuRegisters.RBP];
        long v = c.load(c.stackAddress(frame, size, false), size);
        c.setStackPointer(frame + size);
        c.set(CpuRegisters.RBP, size, v);
    }

    private static void enter(Cpu c, int size, int bytes, int level) {
        long sp = c.r[CpuRegisters.RSP];
        c.checkWrite(c.stackAddress(sp - size, size, true), size);
        long mark = sp - size;
        long frame = c.r[CpuRegisters.RBP];
        try {
            c.push(c.r[CpuRegisters.RBP], size);
            for (int i = 1; i < level; i++) {
                frame -= size;
                c.push(c.load(c.stackAddress(frame, size, false), size), size);
            }
            if (level > 0) {
                c.push(mark, size);
            }
            // the new top has to be writable, or the instruction faults
            c.checkWrite(c.stackAddress(c.r[CpuRegisters.RSP] - bytes, size, true), 1);
        } catch (CpuException e) {
            c.r[CpuRegisters.RSP] = sp;
            throw e;
        }
        c.set(CpuRegisters.RBP, size == 2 ? 2 : size, mark);
        c.setStackPointer(c.r[CpuRegisters.RSP] - bytes);
    }

    private static void pusha(Cpu c, int size) {
        long sp = c.r[CpuRegisters.RSP];
        c.checkWrite(c.stackAddress(sp - 8 * size, size, true), size);
        c.checkWrite(c.stackAddress(sp - size, size, true), size);
        for (int n = 0; n < 8; n++) {
            c.push(n == CpuRegisters.RSP ? sp : c.r[n], size);
        }
    }

    private static void popa(Cpu c, int size) {
        long[] v = new long[8];
        for (int n = 0; n < 8; n++) {
            v[7 - n] = c.peek(n * size, size);
        }
        for (int n = 0; n < 8; n++) {
            if (n != CpuRegisters.RSP) {
                c.set(n, size, v[n]);
            }
        }
        c.setStackPointer(c.r[CpuRegisters.RSP] + 8 * size);
    }

    private static final class Xlat extends Node {
        private final int addrSize;
        private final int segment;

        Xlat(Decoded d) {
            addrSize = d.addrSize;
            segment = d.segment;
        }

        @Override
        void execute(Cpu c) {
            long offset = Alu.zero(addrSize, c.r[CpuRegisters.RBX] + c.get8(0));
            c.set8(0, c.load8(c.linear(segment, offset, 1, false)));
        }
    }

    private static final class Bound extends MemNode {
        private final int size;
        private final int reg;

        Bound(Decoded d) {
            super(d, d.opSize * 2, false);
            size = d.opSize;
            reg = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long v = Alu.sign(size, c.r[reg]);
            if (v < Alu.sign(size, c.load(a, size)) || v > Alu.sign(size, c.load(a + size, size))) {
                throw c.fault(CpuEvents.BR, 0);
            }
        }
    }

    private MiscNodes() {}
}
