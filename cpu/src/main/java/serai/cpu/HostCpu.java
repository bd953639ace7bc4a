package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;
import serai.linux.LinuxException;
import serai.linux.MachineCode;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;

/** What the host's processor has. */
final class HostCpu {
    /** Its features; none if it is not an x86-64 or lets us have no machine code. */
    static final Set<CpuFeature> FEATURES = Set.copyOf(features());

    private HostCpu() {}

    // edi leaf, esi sub-leaf, rdx where to leave the registers:
    // push rbx; mov r8, rdx; mov eax, edi; mov ecx, esi; cpuid; mov [r8], eax; mov [r8 + 4], ebx; mov [r8 + 8], ecx;
    // mov [r8 + 12], edx; pop rbx; ret
    private static final String CPUID = "534989d089f889f10fa241890041895804418948084189500c5bc3";

    private static Set<CpuFeature> features() {
        EnumSet<CpuFeature> all = EnumSet.noneOf(CpuFeature.class);
        if (!MachineCode.x86()) {
            return all;
        }
        try (Arena arena = Arena.ofConfined()) {
            MethodHandle cpuid = MachineCode.link(
                    HexFormat.of().parseHex(CPUID),
                    FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
            MemorySegment out = arena.allocate(16, 8);
            for (CpuFeature f : CpuFeature.values()) {
                // a leaf past the highest shows another's bits
                cpuid.invokeExact(f.leaf() & 0x80000000, 0, out.address());
                if (Integer.compareUnsigned(out.get(ValueLayout.JAVA_INT, 0), f.leaf()) < 0) {
                    continue;
                }
                cpuid.invokeExact(f.leaf(), f.subleaf(), out.address());
                if (f.in(new CpuModel.Leaf(
                        out.get(ValueLayout.JAVA_INT, 0),
                        out.get(ValueLayout.JAVA_INT, 4),
                        out.get(ValueLayout.JAVA_INT, 8),
                        out.get(ValueLayout.JAVA_INT, 12)))) {
                    all.add(f);
                }
            }
        } catch (LinuxException e) {
            return EnumSet.noneOf(CpuFeature.class);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
        return all;
    }
}
