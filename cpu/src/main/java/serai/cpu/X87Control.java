package serai.cpu;

import org.jspecify.annotations.Nullable;

/** x87 control instructions: initialize, environment, whole state. They change neither FIP nor FDP nor FOP. */
final class X87Control {
    private X87Control() {}

    static @Nullable Node make(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "FNINIT" -> new Unwaited(c -> c.fpu.initialize());
            case "FNCLEX" -> new Unwaited(c -> c.fpu.statusWord &= ~(0x7f | Fpu.ES | Fpu.BUSY));
            case "FNENI", "FNDISI", "FNSETPM" -> new Unwaited(c -> {});
            case "FNOP" -> new Waited((c, f) -> {});
            case "FWAIT" -> new Wait();
            case "FFREE" -> {
                int i = d.operand[0];
                yield new Waited((c, f) -> f.empty |= 1 << X87.physical(f, i));
            }
            case "FFREEP" -> {
                int i = d.operand[0];
                yield new Waited((c, f) -> {
                    f.empty |= 1 << X87.physical(f, i);
                    X87.pop(f);
                });
            }
            case "FNSTCW", "FNSTSW" ->
                d.isMem(0) ? new StoreWord(d) : new Unwaited(c -> c.set(CpuRegisters.RAX, 2, c.fpu.status()));
            case "FLDCW" -> new LoadControl(d);
            case "FNSTENV", "FNSAVE" -> new StoreEnvironment(d);
            case "FLDENV", "FRSTOR" -> new LoadEnvironment(d);
            default -> null;
        };
    }

    @FunctionalInterface
    private interface Action {
        void run(Cpu c);
    }

    /** An instruction that does not look for pending exceptions. */
    private static final class Unwaited extends Node {
        private final Action action;

        Unwaited(Action action) {
            this.action = action;
        }

        @Override
        void execute(Cpu c) {
            X87Nodes.available(c);
            action.run(c);
        }
    }

    private static final class Waited extends Node {
        private final X87Nodes.Operation operation;

        Waited(X87Nodes.Operation operation) {
            this.operation = operation;
        }

        @Override
        void execute(Cpu c) {
            operation.apply(c, X87Nodes.enter(c));
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
                X87Nodes.pending(c);
            }
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
            X87Nodes.available(c);
            c.store16(address(c), status ? c.fpu.status() : c.fpu.controlWord);
        }
    }

    private static final class LoadControl extends MemNode {
        LoadControl(Decoded d) {
            super(d, 2, false);
        }

        @Override
        void execute(Cpu c) {
            Fpu f = X87Nodes.enter(c);
            f.control(c.load16(address(c)));
        }
    }

    /** Bytes of the environment: 14 with 16-bit operands, else 28 (SDM vol. 1, 8.1.10). */
    private static int environmentSize(Decoded d) {
        return d.opSize == 2 ? 14 : 28;
    }

    private static boolean realMode(Cpu c) {
        return (c.cr0 & CpuRegisters.CR0_PE) == 0 || (c.flagsRest & CpuRegisters.VM) != 0;
    }

    /** FNSTENV, which masks all exceptions after it, and FNSAVE, which initializes after it. */
    private static final class StoreEnvironment extends MemNode {
        private final int size;
        private final boolean registers;

        StoreEnvironment(Decoded d) {
            super(d, environmentSize(d) + (d.row.mnemonic().equals("FNSAVE") ? 80 : 0), true);
            size = environmentSize(d);
            registers = d.row.mnemonic().equals("FNSAVE");
        }

        @Override
        void execute(Cpu c) {
            X87Nodes.available(c);
            Fpu f = c.fpu;
            long a = address(c);
            c.checkWrite(a, registers ? size + 80 : size);
            boolean real = realMode(c);
            int[] words = {f.controlWord, f.status(), f.tagWord(), (int) f.lastIp, 0, (int) f.lastData, 0};
            if (real) {
                words[4] = (int) (f.lastIp >>> 16 & 0xffff) << 12 | f.lastOpcode;
                words[6] = (int) (f.lastData >>> 16 & 0xffff) << 12;
            } else {
                words[4] = f.lastCs | f.lastOpcode << 16;
                words[6] = f.lastDs;
            }
            for (int i = 0; i < 7; i++) {
                if (size == 14) {
                    c.store16(a + i * 2, words[i]);
                } else {
                    // the upper halves of words that have 16 bits are ones
                    boolean narrow = i < 3 || i == 6 && !real || real && (i == 3 || i == 5);
                    c.store32(a + i * 4, narrow ? words[i] | 0xffff0000 : words[i]);
                }
            }
            if (registers) {
                for (int i = 0; i < 8; i++) {
                    int p = X87.physical(f, i);
                    c.store64(a + size + i * 10, f.significand[p]);
                    c.store16(a + size + i * 10 + 8, f.signExponent[p]);
                }
                f.initialize();
            } else {
                f.control(f.controlWord | 0x3f);
            }
        }
    }

    private static final class LoadEnvironment extends MemNode {
        private final int size;
        private final boolean registers;

        LoadEnvironment(Decoded d) {
            super(d, environmentSize(d) + (d.row.mnemonic().equals("FRSTOR") ? 80 : 0), false);
            size = environmentSize(d);
            registers = d.row.mnemonic().equals("FRSTOR");
        }

        @Override
        void execute(Cpu c) {
            Fpu f = X87Nodes.enter(c);
            long a = address(c);
            int[] words = new int[7];
            for (int i = 0; i < 7; i++) {
                words[i] = size == 14 ? c.load16(a + i * 2) : c.load32(a + i * 4);
            }
            long[] significands = new long[8];
            int[] exponents = new int[8];
            if (registers) {
                for (int i = 0; i < 8; i++) {
                    significands[i] = c.load64(a + size + i * 10);
                    exponents[i] = c.load16(a + size + i * 10 + 8);
                }
            }
            f.controlWord = words[0] & 0x1f3f | 0x40;
            f.status(words[1] & 0xffff);
            f.tagWord(words[2] & 0xffff);
            if (realMode(c)) {
                f.lastIp = words[3] & 0xffff | (words[4] >>> 12 & 0xffff) << 16;
                f.lastOpcode = words[4] & 0x7ff;
                f.lastData = words[5] & 0xffff | (words[6] >>> 12 & 0xffff) << 16;
            } else {
                f.lastIp = words[3] & 0xffffffffL;
                f.lastOpcode = words[4] >>> 16 & 0x7ff;
                f.lastData = words[5] & 0xffffffffL;
            }
            if (registers) {
                for (int i = 0; i < 8; i++) {
                    int p = X87.physical(f, i);
                    f.significand[p] = significands[i];
                    f.signExponent[p] = (short) exponents[i];
                }
            }
        }
    }
}
