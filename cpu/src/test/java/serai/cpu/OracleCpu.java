package serai.cpu;

import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The interpreter under test: one vCPU in ring 3 of 64-bit mode with paging off, over the oracle's two data pages. */
final class OracleCpu {
    /** LOCK ADD GS:[R9 + R10 * 4 + 0x1234567], 0x76543210. */
    private static final byte[] OTHER = {
        (byte) 0xf0, 0x65, 0x43, (byte) 0x81, (byte) 0x84, (byte) 0x91, 0x67, 0x45, 0x23, 0x01, 0x10, 0x32, 0x54, 0x76
    };

    private final GuestMemory memory;
    private final Cpu cpu;
    private final Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
    private final Decoded decoded = new Decoded();
    private @Nullable InstructionRow row;

    OracleCpu() {
        long host = Arena.global().allocate(8192, 4096).address();
        memory = new GuestMemory(List.of(new RamRegion(Oracle.DATA, 8192, host, false, -1, 0)));
        cpu = new Cpu(new Host(memory));
    }

    /** The vCPU, in ring 3 of 64-bit mode with x87 and SSE in use. */
    Cpu ready() {
        byte[] fx = new byte[Oracle.XSAVE];
        view(fx).putShort(0, (short) 0x37f).putInt(24, 0x1f80);
        load(new Oracle.State(-1, Oracle.CODE_START, 2, new long[16], fx, new byte[Oracle.WINDOW]));
        return cpu;
    }

    /** Runs one instruction on the state as it is: the exception it raised, or -1. */
    int run(byte[] code) {
        decoded.blockOffset = 0;
        Decoder.Result result = decoder.decode(decoded, i -> i < code.length ? code[i] & 0xff : 0xcc, 8, 8);
        return result == Decoder.Result.OK ? run(decoded) : CpuSegments.UD;
    }

    /** Runs a case. {@code row} of the answer's decoding is in {@link #row}. */
    Oracle.State execute(OracleCase c) {
        load(c.before());
        byte[] code = c.code();
        decoded.blockOffset = 0;
        int vector;
        row = null;
        Decoder.Result result = decoder.decode(decoded, i -> i < code.length ? code[i] & 0xff : 0xcc, 8, 8);
        if (result == Decoder.Result.OK) {
            vector = run(decoded);
        } else {
            vector = result == Decoder.Result.UNDEFINED ? CpuSegments.UD : CpuSegments.GP;
        }
        if (vector >= 0) {
            cpu.rip = Oracle.CODE_START;
        }
        byte[] data = memory.read(Oracle.WINDOW_START, Oracle.WINDOW);
        byte[] fx = c.before().fx().clone();
        XsaveImage.saveLegacy(cpu, fx, 16, true);
        ByteBuffer b = view(fx);
        for (int i = 0; i < 32; i++) {
            b.putLong(Oracle.YMM_HIGH + i * 8, cpu.vec[i / 2 * 8 + 2 + i % 2]);
        }
        return new Oracle.State(vector, cpu.rip, cpu.flags(), java.util.Arrays.copyOf(cpu.r, 16), fx, data);
    }

    /** The row that the last case decoded to, or null. */
    @Nullable
    InstructionRow row() {
        return row;
    }

    private int run(Decoded d) {
        Node node = NodeFactory.make(d);
        node.blockOffset = 0;
        int length = d.length;
        node.length = length;
        row = d.row;
        // a node keeps nothing of the Decoded, which is used again
        decoder.decode(d, i -> OTHER[i] & 0xff, 8, 8);
        for (int i = 0; ; i++) {
            cpu.r[CpuRegisters.BLOCK] = Oracle.CODE_START;
            cpu.rip = Oracle.CODE_START + length;
            try {
                node.execute(cpu);
                return -1;
            } catch (CpuException e) {
                if (e == CpuException.FAULT) {
                    return cpu.faultVector;
                }
                if (i > 10_000) {
                    throw new IllegalStateException("no end: " + row);
                }
            }
        }
    }

    private void load(Oracle.State s) {
        memory.zero(Oracle.DATA, 8192);
        memory.write(Oracle.WINDOW_START, s.data());
        cpu.reset();
        cpu.cr0 = CpuRegisters.CR0_PE | CpuRegisters.CR0_MP | CpuRegisters.CR0_ET | CpuRegisters.CR0_NE;
        cpu.cr4 = CpuRegisters.CR4_PAE
                | CpuRegisters.CR4_OSFXSR
                | CpuRegisters.CR4_OSXMMEXCPT
                | CpuRegisters.CR4_FSGSBASE
                | CpuRegisters.CR4_OSXSAVE;
        cpu.xcr0 = 7;
        cpu.efer = CpuRegisters.EFER_LME | CpuRegisters.EFER_LMA | CpuRegisters.EFER_SCE;
        cpu.setSegment(CpuRegisters.CS, 0x33, 0, 0xffffffff, 0xafb);
        cpu.setSegment(CpuRegisters.SS, 0x2b, 0, 0xffffffff, 0xcf3);
        cpu.setSegment(CpuRegisters.GS, 0, Oracle.GS_BASE, 0, 0x1000);
        cpu.cpl = 3;
        cpu.modeChanged();
        cpu.selectTlb();
        cpu.alone = true;
        System.arraycopy(s.gpr(), 0, cpu.r, 0, 16);
        cpu.arithmeticFlags(s.rflags());
        cpu.flagsRest = (int) s.rflags() & ~CpuRegisters.ARITHMETIC | 2;
        XsaveImage.restoreLegacy(cpu, s.fx(), 16, true);
        ByteBuffer b = view(s.fx());
        for (int i = 0; i < 32; i++) {
            cpu.vec[i / 2 * 8 + 2 + i % 2] = b.getLong(Oracle.YMM_HIGH + i * 8);
        }
    }

    /** Little-endian view of bytes. */
    static ByteBuffer view(byte[] b) {
        return ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    }

    private record Host(GuestMemory memory) implements VcpuHost {
        @Override
        public int index() {
            return 0;
        }

        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {}

        @Override
        public long mmioRead(long physical, int size) {
            return -1;
        }

        @Override
        public void mmioWrite(long physical, int size, long value) {}

        @Override
        public InterruptSource interrupts() {
            return new Quiet();
        }

        @Override
        public long tsc() {
            return 0;
        }

        @Override
        public CpuModel model() {
            return new Everything();
        }

        @Override
        public long readMsr(int index) {
            return 0;
        }

        @Override
        public void writeMsr(int index, long value) {}

        @Override
        public long random() {
            return 4;
        }
    }

    /** A model that promises all. */
    private static final class Everything implements CpuModel {
        @Override
        public String name() {
            return "all";
        }

        @Override
        public Leaf cpuid(int leaf, int subleaf, int apicId) {
            return new Leaf(-1, -1, -1, -1);
        }
    }

    private static final class Quiet implements InterruptSource {
        @Override
        public boolean pending() {
            return false;
        }

        @Override
        public boolean externalPending() {
            return false;
        }

        @Override
        public int acknowledge() {
            return -1;
        }

        @Override
        public boolean takeNmi() {
            return false;
        }

        @Override
        public boolean takeInit() {
            return false;
        }

        @Override
        public int takeStartup() {
            return -1;
        }

        @Override
        public int taskPriority() {
            return 0;
        }

        @Override
        public void taskPriority(int priority) {}

        @Override
        public void onPending(Runnable action) {}
    }
}
