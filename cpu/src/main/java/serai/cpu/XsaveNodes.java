package serai.cpu;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;

/**
 * XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV and XSETBV: SDM vol. 1, chapter 13. There are three state components: x87, SSE and,
 * where the CPU model has it, AVX, whose place is the same in both formats.
 *
 * <p>A component counts as in use (XINUSE) unless it has its initial value; MXCSR counts for XSAVEC and
 * XGETBV alone.
 */
final class XsaveNodes {
    private static final long X87 = 1, SSE = 2, AVX = 4;
    private static final int LEGACY_END = 416, XMM8 = 288, HEADER = 512, XCOMP_BV = 520, HEADER_END = 576;
    private static final long COMPACTED = Long.MIN_VALUE;

    private XsaveNodes() {}

    static @Nullable Node make(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "XSAVE" -> new Save(d, false, false);
            case "XSAVEOPT" -> new Save(d, true, false);
            case "XSAVEC" -> new Save(d, true, true);
            case "XRSTOR" -> new Restore(d);
            case "XGETBV" -> new Simple(XsaveNodes::getBv);
            case "XSETBV" -> new Simple(XsaveNodes::setBv);
            default -> null;
        };
    }

    /** The bits that XCR0 can have. */
    static long supported(Cpu c) {
        return X87
                | (c.features.contains(CpuFeature.XSAVE) ? SSE : 0)
                | (c.features.contains(CpuFeature.AVX) ? AVX : 0);
    }

    /** Whether XCR0 may have this value: SDM vol. 1, 13.3. */
    static boolean valid(Cpu c, long xcr0) {
        return (xcr0 & ~supported(c)) == 0 && (xcr0 & X87) != 0 && ((xcr0 & AVX) == 0 || (xcr0 & SSE) != 0);
    }

    /** Bytes of the area in standard format that has all components of a mask. */
    static int areaSize(long components) {
        return (components & AVX) != 0 ? XsaveImage.AVX_END : HEADER_END;
    }

    private static void enabled(Cpu c) {
        if ((c.cr4 & CpuRegisters.CR4_OSXSAVE) == 0) {
            throw c.fault(CpuSegments.UD, 0);
        }
    }

    private static void check(Cpu c) {
        enabled(c);
        if ((c.cr0 & CpuRegisters.CR0_TS) != 0) {
            throw c.fault(CpuSegments.NM, 0);
        }
    }

    private static long requested(Cpu c) {
        return c.xcr0 & (c.r[CpuRegisters.RDX] << 32 | c.r[CpuRegisters.RAX] & 0xffffffffL);
    }

    /**
     * XINUSE: the components that don't have their initial values.
     *
     * @param mxcsr whether SSE's includes that of MXCSR
     */
    private static long inUse(Cpu c, boolean mxcsr) {
        long xmm = mxcsr ? c.mxcsr ^ XsaveImage.MXCSR_INITIAL : 0;
        long ymm = 0;
        for (int i = 0; i < 16; i++) {
            xmm |= c.vec[i * 8] | c.vec[i * 8 + 1];
            ymm |= c.vec[i * 8 + 2] | c.vec[i * 8 + 3];
        }
        return (c.fpu.initial() ? 0 : X87) | (xmm == 0 ? 0 : SSE) | (ymm == 0 ? 0 : AVX);
    }

    private static void getBv(Cpu c) {
        enabled(c);
        int index = (int) c.r[CpuRegisters.RCX];
        if (index != 0 && !(index == 1 && c.features.contains(CpuFeature.XGETBV1))) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long v = index == 0 ? c.xcr0 : c.xcr0 & inUse(c, true);
        c.r[CpuRegisters.RAX] = v & 0xffffffffL;
        c.r[CpuRegisters.RDX] = v >>> 32;
    }

    private static void setBv(Cpu c) {
        enabled(c);
        long v = c.r[CpuRegisters.RDX] << 32 | c.r[CpuRegisters.RAX] & 0xffffffffL;
        if (c.cpl != 0 || (int) c.r[CpuRegisters.RCX] != 0 || !valid(c, v)) {
            throw c.fault(CpuSegments.GP, 0);
        }
        c.xcr0 = v;
    }

    /** The stores of XSAVE and its kin. */
    private static final class Save extends MemNode {
        /** Components with their initial values need not be written. */
        private final boolean optimized;

        private final boolean compacted;
        private final int registers;
        private final boolean wide;

        Save(Decoded d, boolean optimized, boolean compacted) {
            super(d, HEADER_END, true);
            this.optimized = optimized;
            this.compacted = compacted;
            registers = d.codeSize == 8 ? 16 : 8;
            wide = (d.rex & 8) != 0;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long asked = requested(c);
            long a = segmented(c, areaSize(asked));
            if ((a & 63) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            long used = inUse(c, compacted) & asked;
            long written = optimized ? used : asked;
            boolean mxcsr = compacted ? (written & SSE) != 0 : (asked & (SSE | AVX)) != 0;
            long present = compacted ? used : c.load64(a + HEADER) & ~asked | used;
            byte[] b = c.xsaveArea;
            XsaveImage.saveLegacy(c, b, registers, wide);
            // all faults come before the first byte
            for (int pass = 0; pass < 2; pass++) {
                boolean store = pass == 1;
                if ((written & X87) != 0) {
                    write(c, a, b, 0, 24, store);
                    write(c, a, b, 32, 160, store);
                }
                if (mxcsr) {
                    write(c, a, b, 24, 32, store);
                }
                // a component is accessed whole also where half of its registers are not there (SDM vol. 1, 13.13)
                if ((written & SSE) != 0) {
                    write(c, a, b, 160, registers == 16 || !store ? LEGACY_END : XMM8, store);
                }
                if ((written & AVX) != 0) {
                    upperHalves(c, a, store);
                }
                if (store) {
                    c.store64(a + HEADER, present);
                    if (compacted) {
                        c.store64(a + XCOMP_BV, COMPACTED | asked);
                    }
                } else {
                    c.checkWrite(a + HEADER, 16);
                }
            }
        }

        private static void write(Cpu c, long a, byte[] b, int from, int to, boolean store) {
            if (!store) {
                c.checkWrite(a + from, to - from);
                return;
            }
            for (int i = from; i < to; i += 8) {
                c.store64(a + i, XsaveImage.get64(b, i));
            }
        }

        private void upperHalves(Cpu c, long a, boolean store) {
            if (!store) {
                c.checkWrite(a + HEADER_END, XsaveImage.AVX_END - HEADER_END);
                return;
            }
            for (int i = 0; i < registers; i++) {
                c.store64(a + HEADER_END + i * 16, c.vec[i * 8 + 2]);
                c.store64(a + HEADER_END + i * 16 + 8, c.vec[i * 8 + 3]);
            }
        }
    }

    /** XRSTOR: all is read and checked before anything changes. */
    private static final class Restore extends MemNode {
        private final int registers;
        private final boolean wide;

        Restore(Decoded d) {
            super(d, HEADER_END, false);
            registers = d.codeSize == 8 ? 16 : 8;
            wide = (d.rex & 8) != 0;
        }

        @Override
        void execute(Cpu c) {
            check(c);
            long asked = requested(c);
            long a = segmented(c, areaSize(asked));
            if ((a & 63) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            long present = c.load64(a + HEADER);
            boolean compacted = headerIsCompacted(c, a, present);
            long loaded = asked & present;
            byte[] b = c.xsaveArea;
            if ((loaded & X87) != 0) {
                read(c, a, b, 0, 24);
                read(c, a, b, 32, 160);
            } else {
                XsaveImage.initialX87(b);
            }
            int xmmEnd = registers == 16 ? LEGACY_END : XMM8;
            if ((loaded & SSE) != 0) {
                read(c, a, b, 160, xmmEnd);
            } else {
                Arrays.fill(b, 160, xmmEnd, (byte) 0);
            }
            // in standard format MXCSR goes with either component and has no initial value
            boolean mxcsr = (asked & (compacted ? SSE : SSE | AVX)) != 0;
            if (mxcsr && (!compacted || (loaded & SSE) != 0)) {
                read(c, a, b, 24, 32);
            } else {
                XsaveImage.initialMxcsr(b);
            }
            if ((XsaveImage.mxcsr(b) & ~XsaveImage.MXCSR_MASK) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            int avxEnd = HEADER_END + registers * 16;
            if ((loaded & AVX) != 0) {
                read(c, a, b, HEADER_END, avxEnd);
            } else {
                Arrays.fill(b, HEADER_END, avxEnd, (byte) 0);
            }

            if ((asked & X87) != 0) {
                XsaveImage.restoreX87(c, b, wide);
            }
            if (mxcsr) {
                c.mxcsr = XsaveImage.mxcsr(b);
            }
            if ((asked & SSE) != 0) {
                XsaveImage.restoreXmm(c, b, registers);
            }
            if ((asked & AVX) != 0) {
                for (int i = 0; i < registers; i++) {
                    c.vec[i * 8 + 2] = XsaveImage.get64(b, HEADER_END + i * 16);
                    c.vec[i * 8 + 3] = XsaveImage.get64(b, HEADER_END + i * 16 + 8);
                }
            }
        }

        /** Checks the header (SDM vol. 1, 13.8) and tells the format. */
        private static boolean headerIsCompacted(Cpu c, long a, long present) {
            long format = c.load64(a + XCOMP_BV);
            boolean compacted = format < 0 && c.features.contains(CpuFeature.XSAVEC);
            long rest = 0;
            for (int i = XCOMP_BV + 8; i < (compacted ? HEADER_END : HEADER + 24); i += 8) {
                rest |= c.load64(a + i);
            }
            long allowed = compacted ? format & ~COMPACTED : c.xcr0;
            boolean wrong = compacted ? (allowed & ~c.xcr0) != 0 : format != 0;
            if (wrong || rest != 0 || (present & ~allowed) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            return compacted;
        }

        private static void read(Cpu c, long a, byte[] b, int from, int to) {
            for (int i = from; i < to; i += 8) {
                XsaveImage.put64(b, i, c.load64(a + i));
            }
        }
    }
}
