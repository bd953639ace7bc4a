package serai.cpu;

import org.jspecify.annotations.Nullable;

/** FXSAVE, FXRSTOR, LDMXCSR and STMXCSR. */
final class SseState {
    private SseState() {}

    static @Nullable Node make(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "FXSAVE" -> new SaveRestore(d, true);
            case "FXRSTOR" -> new SaveRestore(d, false);
            case "LDMXCSR" -> new LoadMxcsr(d);
            case "STMXCSR" -> new StoreMxcsr(d);
            default -> null;
        };
    }

    private static final class SaveRestore extends MemNode {
        private static final int XMM8 = 288;

        private final boolean save;
        private final int xmm;
        private final boolean wide;

        SaveRestore(Decoded d, boolean save) {
            super(d, XsaveImage.LEGACY_SIZE, save);
            this.save = save;
            xmm = d.codeSize == 8 ? 16 : 8;
            wide = (d.rex & 8) != 0;
        }

        @Override
        void execute(Cpu c) {
            if ((c.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) != 0) {
                throw c.fault(7, 0);
            }
            long a = address(c);
            if ((a & 15) != 0) {
                throw c.fault(13, 0);
            }
            byte[] b = new byte[XsaveImage.LEGACY_SIZE];
            if (save) {
                c.checkWrite(a, XsaveImage.LEGACY_SIZE);
                XsaveImage.saveLegacy(c, b, xmm, wide);
                int end = xmm == 16 ? 416 : XMM8;
                for (int i = 0; i < end; i += 8) {
                    c.store64(a + i, XsaveImage.get64(b, i));
                }
                return;
            }
            for (int i = 0; i < 416; i += 8) {
                XsaveImage.put64(b, i, c.load64(a + i));
            }
            if ((XsaveImage.mxcsr(b) & ~XsaveImage.MXCSR_MASK) != 0) {
                throw c.fault(13, 0);
            }
            XsaveImage.restoreLegacy(c, b, xmm, wide);
        }
    }

    static void loadMxcsr(Cpu c, int v) {
        if ((v & ~XsaveImage.MXCSR_MASK) != 0) {
            throw c.fault(13, 0);
        }
        c.mxcsr = v;
    }

    private static final class LoadMxcsr extends MemNode {
        LoadMxcsr(Decoded d) {
            super(d, 4, false);
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            loadMxcsr(c, c.load32(address(c)));
        }
    }

    private static final class StoreMxcsr extends MemNode {
        StoreMxcsr(Decoded d) {
            super(d, 4, true);
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            c.store32(address(c), c.mxcsr);
        }
    }
}
