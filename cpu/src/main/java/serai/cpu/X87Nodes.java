package serai.cpu;

import org.jspecify.annotations.Nullable;

final class X87Nodes {
    private X87Nodes() {}

    static @Nullable Node make(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "FNINIT" -> new Init();
            case "FNSTCW", "FNSTSW" -> d.isMem(0) ? new StoreWord(d) : new StatusToAx();
            case "FNCLEX" -> new ClearExceptions();
            case "FWAIT" -> new Wait();
            case "FLDCW" -> new LoadControl(d);
            default -> null;
        };
    }

    static void available(Cpu c) {
        if ((c.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) != 0) {
            throw c.fault(7, 0);
        }
    }

    /** A pending exception before a waiting instruction: #MF, or with CR0.NE clear FERR#, which nobody is wired to. */
    static void pending(Cpu c) {
        if ((c.cr0 & CpuRegisters.CR0_NE) != 0) {
            throw c.fault(16, 0);
        }
    }

    private static final class Init extends Node {
        @Override
        void execute(Cpu c) {
            available(c);
            c.fpu.initialize();
        }
    }

    private static final class ClearExceptions extends Node {
        @Override
        void execute(Cpu c) {
            available(c);
            c.fpu.statusWord &= ~(0x7f | Fpu.ES | Fpu.BUSY);
        }
    }

    private static final class Wait extends Node {
        @Override
        void execute(Cpu c) {
            int both = CpuRegisters.CR0_MP | CpuRegisters.CR0_TS;
            if ((c.cr0 & both) == both) {
                throw c.fault(7, 0);
            }
            if ((c.fpu.statusWord & Fpu.ES) != 0) {
                pending(c);
            }
        }
    }

    private static final class StatusToAx extends Node {
        @Override
        void execute(Cpu c) {
            available(c);
            c.set(CpuRegisters.RAX, 2, c.fpu.status());
        }
    }

    private static final class StoreWord extends MemNode {
        private final boolean status;

        StoreWord(Decoded d) {
            super(d, 2, true);
            status = d.row.mnemonic().equals("FNSTSW");
        }

        @Override
        void execute(Cpu c) {
            available(c);
            c.store16(address(c), status ? c.fpu.status() : c.fpu.controlWord);
        }
    }

    private static final class LoadControl extends MemNode {
        LoadControl(Decoded d) {
            super(d, 2, false);
        }

        @Override
        void execute(Cpu c) {
            available(c);
            if ((c.fpu.statusWord & Fpu.ES) != 0) {
                pending(c);
            }
            c.fpu.control(c.load16(address(c)));
        }
    }
}
