package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * String instructions. Repeated MOVS and STOS go by the page where both sides are plain memory; every iteration is
 * complete in the registers before the next, so that a fault or an interrupt finds a state to continue from.
 */
final class StringNodes {
    private abstract static class StringNode extends Node {
        final int size;
        final int addrSize;
        final int segment;
        final boolean repeat;

        StringNode(Decoded d, int size) {
            this.size = size;
            addrSize = d.addrSize;
            segment = d.segment;
            repeat = d.rep != Decoded.NO_REP;
        }

        /** One iteration; false ends a repetition. */
        abstract boolean step(Cpu c);

        /** As many iterations as can be done at once, at most {@code n}; 0 if none can. */
        int bulk(Cpu c, long n) {
            return 0;
        }

        @Override
        final void execute(Cpu c) {
            if (!repeat) {
                step(c);
                return;
            }
            long n;
            while ((n = c.get(CpuRegisters.RCX, addrSize)) != 0) {
                int done = (c.flagsRest & CpuRegisters.TF) == 0 ? bulk(c, n) : 0;
                if (done > 0) {
                    c.set(CpuRegisters.RCX, addrSize, n - done);
                } else {
                    boolean more = step(c);
                    c.set(CpuRegisters.RCX, addrSize, n - 1);
                    if (!more) {
                        return;
                    }
                    done = 1;
                }
                if (n != done && c.attentionDue()) {
                    throw CpuException.AGAIN;
                }
            }
        }

        final long delta(Cpu c) {
            return (c.flagsRest & CpuRegisters.DF) == 0 ? size : -size;
        }

        final long sourceAddress(Cpu c, int bytes) {
            return c.linear(segment, c.get(CpuRegisters.RSI, addrSize), bytes, false);
        }

        final long targetAddress(Cpu c, int bytes, boolean write) {
            return c.linear(CpuRegisters.ES, c.get(CpuRegisters.RDI, addrSize), bytes, write);
        }

        final void advance(Cpu c, int reg, long by) {
            c.set(reg, addrSize, c.get(reg, addrSize) + by);
        }

        /** How many elements fit from here to the end of the page. */
        static int inPage(long address, int size) {
            return (GuestMemory.PAGE_SIZE - (int) (address & 0xfff)) / size;
        }
    }

    static final class Movs extends StringNode {
        Movs(Decoded d) {
            super(d, d.size[0]);
        }

        @Override
        boolean step(Cpu c) {
            long v = c.load(sourceAddress(c, size), size);
            c.store(targetAddress(c, size, true), size, v);
            advance(c, CpuRegisters.RSI, delta(c));
            advance(c, CpuRegisters.RDI, delta(c));
            return true;
        }

        @Override
        int bulk(Cpu c, long n) {
            if (c.codeSize != 8 || addrSize != 8 || (c.flagsRest & CpuRegisters.DF) != 0 || n < 4) {
                return 0;
            }
            long from = sourceAddress(c, size);
            long to = targetAddress(c, size, true);
            int k = (int) Math.min(n, Math.min(inPage(from, size), inPage(to, size)));
            if (k < 2 || c.stepping()) {
                return 0;
            }
            int bytes = k * size;
            long hf = c.hostForRead(from);
            long ht = c.hostForUpdate(to, bytes);
            if (hf == 0 || ht == 0 || ht > hf && ht < hf + bytes) {
                return 0; // an overlap that repeats a pattern: one by one
            }
            GuestMemory.copy(hf, ht, bytes);
            c.r[CpuRegisters.RSI] += bytes;
            c.r[CpuRegisters.RDI] += bytes;
            return k;
        }
    }

    static final class Stos extends StringNode {
        Stos(Decoded d) {
            super(d, d.size[0]);
        }

        @Override
        boolean step(Cpu c) {
            c.store(targetAddress(c, size, true), size, c.r[CpuRegisters.RAX]);
            advance(c, CpuRegisters.RDI, delta(c));
            return true;
        }

        @Override
        int bulk(Cpu c, long n) {
            if (c.codeSize != 8 || addrSize != 8 || (c.flagsRest & CpuRegisters.DF) != 0 || n < 4) {
                return 0;
            }
            long to = targetAddress(c, size, true);
            int k = (int) Math.min(n, inPage(to, size));
            if (k < 2 || c.stepping()) {
                return 0;
            }
            long h = c.hostForUpdate(to, k * size);
            if (h == 0) {
                return 0;
            }
            long v = c.r[CpuRegisters.RAX];
            if (size == 1 || Alu.zero(size, v) == 0) {
                GuestMemory.fill(h, k * size, (byte) v);
            } else {
                for (int i = 0; i < k; i++) {
                    AluNodes.storeHost(h + (long) i * size, size, v);
                }
            }
            c.r[CpuRegisters.RDI] += (long) k * size;
            return k;
        }
    }

    static final class Lods extends StringNode {
        Lods(Decoded d) {
            super(d, d.size[1]);
        }

        @Override
        boolean step(Cpu c) {
            c.set(CpuRegisters.RAX, size, c.load(sourceAddress(c, size), size));
            advance(c, CpuRegisters.RSI, delta(c));
            return true;
        }
    }

    /** CMPS and SCAS; REPE goes on while equal, REPNE while not. */
    static final class Compare extends StringNode {
        private final boolean scan;
        private final boolean whileEqual;

        Compare(Decoded d, boolean scan) {
            super(d, d.size[1]);
            this.scan = scan;
            whileEqual = d.rep == 0xf3;
        }

        @Override
        boolean step(Cpu c) {
            long a = scan ? c.r[CpuRegisters.RAX] : c.load(sourceAddress(c, size), size);
            long b = c.load(targetAddress(c, size, false), size);
            Alu.sub(c, size, a, b, 0);
            if (!scan) {
                advance(c, CpuRegisters.RSI, delta(c));
            }
            advance(c, CpuRegisters.RDI, delta(c));
            return c.zf() == whileEqual;
        }
    }

    static final class Ins extends StringNode {
        Ins(Decoded d) {
            super(d, d.size[0]);
        }

        @Override
        boolean step(Cpu c) {
            int port = (int) c.r[CpuRegisters.RDX] & 0xffff;
            SystemNodes.checkPort(c, port, size);
            long to = targetAddress(c, size, true);
            c.checkWrite(to, size);
            c.aloneForUpdate();
            c.debug().port(port, size);
            c.portReads++;
            c.store(to, size, c.host.portRead(port, size) & 0xffffffffL);
            advance(c, CpuRegisters.RDI, delta(c));
            return true;
        }
    }

    static final class Outs extends StringNode {
        Outs(Decoded d) {
            super(d, d.size[0]);
        }

        @Override
        boolean step(Cpu c) {
            int port = (int) c.r[CpuRegisters.RDX] & 0xffff;
            SystemNodes.checkPort(c, port, size);
            long v = c.load(sourceAddress(c, size), size);
            c.aloneForUpdate();
            c.debug().port(port, size);
            c.portWrites++;
            c.host.portWrite(port, size, (int) v);
            advance(c, CpuRegisters.RSI, delta(c));
            return true;
        }
    }

    private StringNodes() {}
}
