package serai.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import serai.linux.MachineCode;
import serai.machine.memory.GuestMemory;

/**
 * Runs translated code: before it the vCPU's state goes into the {@link HostFrame}, and comes back from there after it.
 *
 * <p>The XMM registers stay in the frame after an exit, until an instruction or somebody outside asks for them ({@link #vectorsToJava}).
 */
final class FrameExchange {
    private static final MethodHandle ENTER = MachineCode.caller(FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG));

    /** The bits of flags that have words of their own in the frame, and RF, which translated code knows nothing of. */
    private static final int APART = CpuRegisters.IF | CpuRegisters.DF | CpuRegisters.AC | CpuRegisters.RF;

    private final Cpu cpu;
    private final long base;
    private final MemorySegment enter;
    private final long lookupSupervisor;
    private final long lookupGuarded;
    private boolean vectorsInFrame;
    private boolean wide;

    /** Of a vCPU that runs code of {@code cache}. */
    FrameExchange(Cpu cpu, TranslationCache cache) {
        this.cpu = cpu;
        base = cpu.context.base;
        enter = MemorySegment.ofAddress(cache.gate.enter + cache.delta);
        lookupSupervisor = cache.lookup(VcpuContext.SUPERVISOR);
        lookupGuarded = cache.lookup(VcpuContext.GUARDED);
        GuestMemory.putInt(base + HostFrame.HOST_MXCSR, 0x1f80);
        GuestMemory.putLong(base + HostFrame.UPPER_HALF_MASK, -1L << 47);
        GuestMemory.putLong(base + HostFrame.UNUSUAL_FLAGS, CpuRegisters.TF | CpuRegisters.AC);
    }

    /** Runs translated code at {@code code} until it leaves. */
    void enter(long code) {
        GuestMemory.putLong(base + HostFrame.TARGET, code);
        registersToFrame();
        systemToFrame();
        run();
    }

    /** The same, if nothing has changed since it left but what {@link #timeStamp} has: the frame has all of it. */
    void again(long code) {
        GuestMemory.putLong(base + HostFrame.TARGET, code);
        GuestMemory.putInt(base + HostFrame.QUIET, cpu.host.interrupts().pending() ? 0 : 1);
        GuestMemory.putInt(base + HostFrame.TRANSITION, 0);
        run();
    }

    /** EDX:EAX, in both places. */
    void timeStamp(long time) {
        cpu.r[CpuRegisters.RAX] = time & 0xffffffffL;
        cpu.r[CpuRegisters.RDX] = time >>> 32;
        GuestMemory.putLong(base + HostFrame.slot(CpuRegisters.RAX), cpu.r[CpuRegisters.RAX]);
        GuestMemory.putLong(base + HostFrame.slot(CpuRegisters.RDX), cpu.r[CpuRegisters.RDX]);
    }

    private void run() {
        try {
            ENTER.invokeExact(enter, base);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
        toJava();
    }

    private void registersToFrame() {
        long b = base;
        long[] r = cpu.r;
        for (int i = 0; i < 16; i++) {
            GuestMemory.putLong(b + 8 * i, r[i]);
        }
        long f = cpu.flags();
        GuestMemory.putLong(b + HostFrame.FLAGS, (f & 0xff) << 8 | f >>> 11 & 1);
        int rest = cpu.flagsRest;
        GuestMemory.putLong(b + HostFrame.FLAGS_REST, rest & ~APART);
        GuestMemory.putLong(b + HostFrame.INTERRUPT_FLAG, rest & CpuRegisters.IF);
        GuestMemory.putLong(b + HostFrame.DIRECTION_FLAG, rest & CpuRegisters.DF);
        GuestMemory.putLong(b + HostFrame.ACCESS_FLAG, rest & CpuRegisters.AC);
        GuestMemory.putInt(b + HostFrame.MXCSR, cpu.mxcsr);
        if (!vectorsInFrame) {
            vectorsInFrame = true;
            for (int i = 0; i < 16; i++) {
                GuestMemory.putLong(b + HostFrame.XMM + 16 * i, cpu.vec[8 * i]);
                GuestMemory.putLong(b + HostFrame.XMM + 16 * i + 8, cpu.vec[8 * i + 1]);
                if (wide) {
                    GuestMemory.putLong(b + HostFrame.UPPER + 16 * i, cpu.vec[8 * i + 2]);
                    GuestMemory.putLong(b + HostFrame.UPPER + 16 * i + 8, cpu.vec[8 * i + 3]);
                }
            }
        }
    }

    /** From now on, the upper halves of YMM registers change hands, too, or don't. */
    void wide(boolean now) {
        vectorsToJava();
        wide = now;
        GuestMemory.putInt(base + HostFrame.WIDE, now ? 1 : 0);
    }

    private void systemToFrame() {
        long b = base;
        GuestMemory.putInt(b + HostFrame.QUIET, cpu.host.interrupts().pending() ? 0 : 1);
        GuestMemory.putLong(b + HostFrame.FS_BASE, cpu.base[CpuRegisters.FS]);
        GuestMemory.putLong(b + HostFrame.GS_BASE, cpu.base[CpuRegisters.GS]);
        GuestMemory.putLong(b + HostFrame.KERNEL_GS_BASE, cpu.kernelGsBase);
        if (cpu.codeSize != 8) {
            GuestMemory.putLong(b + HostFrame.FS_OUTSIDE, outside(CpuRegisters.FS));
            GuestMemory.putLong(b + HostFrame.GS_OUTSIDE, outside(CpuRegisters.GS));
        }
        int[] s = cpu.selector;
        GuestMemory.putLong(
                b + HostFrame.SELECTORS,
                s[0] & 0xffffL | (s[1] & 0xffffL) << 16 | (s[2] & 0xffffL) << 32 | (long) s[3] << 48);
        GuestMemory.putInt(b + HostFrame.SELECTORS + 8, s[4] & 0xffff | s[5] << 16);
        long cr4 = cpu.cr4;
        GuestMemory.putLong(b + HostFrame.CONTROL, cpu.cr0 & 0xffffffffL);
        GuestMemory.putLong(b + HostFrame.CONTROL + 16, cpu.cr2);
        GuestMemory.putLong(b + HostFrame.CONTROL + 24, cpu.cr3);
        GuestMemory.putLong(b + HostFrame.CONTROL + 32, cr4);
        long smap = cr4 & CpuRegisters.CR4_SMAP;
        GuestMemory.putLong(b + HostFrame.SMAP, smap);
        GuestMemory.putLong(b + HostFrame.BASES, cr4 & CpuRegisters.CR4_FSGSBASE);
        boolean enabled = (cpu.efer & CpuRegisters.EFER_SCE) != 0;
        long mask = cpu.fmask;
        // with SMAP the flag AC decides about the table, and has to be known
        boolean ready = enabled && (smap == 0 || (mask & CpuRegisters.AC) != 0);
        GuestMemory.putLong(b + HostFrame.SYSCALL_LOOKUP, !ready ? 0 : smap == 0 ? lookupSupervisor : lookupGuarded);
        GuestMemory.putLong(b + HostFrame.SYSRET_READY, enabled ? 1 : 0);
        GuestMemory.putLong(b + HostFrame.SYSCALL_TARGET, cpu.lstar);
        GuestMemory.putLong(b + HostFrame.SYSCALL_KEEPS, ~mask);
        int in = (int) (cpu.star >>> 32) & 0xffff;
        int out = (int) (cpu.star >>> 48);
        GuestMemory.putInt(b + HostFrame.SYSCALL_SELECTORS, in & 0xfffc | (in + 8 & 0xfffc) << 16);
        GuestMemory.putInt(b + HostFrame.SYSRET_SELECTORS, out + 16 & 0xfffc | 3 | (out + 8 & 0xfffc | 3) << 16);
        GuestMemory.putInt(b + HostFrame.TRANSITION, 0);
    }

    private long outside(int segment) {
        return UnitKind.all(cpu, segment) ? SegmentTemplates.ABOVE_4_GIB : SegmentTemplates.EVERYTHING;
    }

    private void toJava() {
        long b = base;
        long[] r = cpu.r;
        for (int i = 0; i < 16; i++) {
            r[i] = GuestMemory.getLong(b + 8 * i);
        }
        int w = GuestMemory.getInt(b + HostFrame.FLAGS);
        cpu.arithmeticFlags((w >>> 8 & 0xff) | (w & 1) << 11);
        cpu.mxcsr = GuestMemory.getInt(b + HostFrame.MXCSR);
        cpu.base[CpuRegisters.FS] = GuestMemory.getLong(b + HostFrame.FS_BASE);
        cpu.base[CpuRegisters.GS] = GuestMemory.getLong(b + HostFrame.GS_BASE);
        cpu.kernelGsBase = GuestMemory.getLong(b + HostFrame.KERNEL_GS_BASE);
        int before = cpu.flagsRest;
        int rest = before & CpuRegisters.RF
                | GuestMemory.getInt(b + HostFrame.FLAGS_REST)
                | GuestMemory.getInt(b + HostFrame.INTERRUPT_FLAG)
                | GuestMemory.getInt(b + HostFrame.DIRECTION_FLAG)
                | GuestMemory.getInt(b + HostFrame.ACCESS_FLAG);
        cpu.flagsRest = rest;
        int transition = GuestMemory.getInt(b + HostFrame.TRANSITION);
        if (transition != 0) {
            cpu.flagsRest = rest & ~CpuRegisters.RF;
            if (transition == HostFrame.SYSCALL) {
                cpu.syscallSegments();
            } else {
                cpu.sysretSegments(8);
            }
        } else if (((before ^ rest) & CpuRegisters.AC) != 0) {
            cpu.selectTlb();
        }
    }

    /** The XMM registers, and the upper halves of YMM registers where they are here, into the interpreter's. */
    void vectorsToJava() {
        if (vectorsInFrame) {
            vectorsInFrame = false;
            for (int i = 0; i < 16; i++) {
                cpu.vec[8 * i] = GuestMemory.getLong(base + HostFrame.XMM + 16 * i);
                cpu.vec[8 * i + 1] = GuestMemory.getLong(base + HostFrame.XMM + 16 * i + 8);
                if (wide) {
                    cpu.vec[8 * i + 2] = GuestMemory.getLong(base + HostFrame.UPPER + 16 * i);
                    cpu.vec[8 * i + 3] = GuestMemory.getLong(base + HostFrame.UPPER + 16 * i + 8);
                }
            }
        }
    }
}
