package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import serai.linux.LinuxException;
import serai.linux.MachineCode;

/**
 * Compare and set of 16 bytes by the host's own CMPXCHG16B, which Java has no other way to: a few instructions of machine code.
 * Linux's slab allocator does it some hundred thousand times while a guest boots, too often to stop the other vCPUs for it.
 */
final class Cas16 {
    private static final @Nullable MethodHandle CAS = link();

    /** Whether the host can do it: an x86-64 with CMPXCHG16B that lets us have executable memory. */
    static final boolean POSSIBLE = CAS != null;

    /** Where the code leaves what it found, when that was not what was expected. */
    private final MemorySegment found;

    private final long foundAddress;

    Cas16() {
        found = Arena.ofAuto().allocate(16, 16);
        foundAddress = found.address();
    }

    private static @Nullable MethodHandle link() {
        if (!MachineCode.x86()) {
            return null;
        }
        try {
            // CPUID.1:ECX bit 13. push rbx; mov eax, 1; xor ecx, ecx; cpuid; mov eax, ecx; pop rbx; ret
            MethodHandle features = MachineCode.link(
                    HexFormat.of().parseHex("53b80100000031c90fa289c85bc3"),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT));
            if (((int) features.invokeExact() >>> 13 & 1) == 0) {
                return null;
            }
            // rdi address, rsi and rdx expected, rcx and r8 wanted, r9 where to leave what was found:
            // push rbx; mov rax, rsi; mov rbx, rcx; mov rcx, r8; lock cmpxchg16b [rdi]; mov [r9], rax; mov [r9 + 8],
            // rdx;
            // sete al; movzx eax, al; pop rbx; ret
            return MachineCode.link(
                    HexFormat.of().parseHex("534889f04889cb4c89c1f0480fc70f49890149895108" + "0f94c00fb6c05bc3"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG));
        } catch (LinuxException e) {
            return null; // the other vCPUs are stopped instead
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Compares and sets, a full barrier.
     *
     * @param host a multiple of 16, behind it RAM of the guest that may be written
     * @return whether the expected was there; else {@link #foundLow} and {@link #foundHigh} tell what was
     */
    boolean compareAndSet(long host, long expectedLow, long expectedHigh, long low, long high) {
        MethodHandle cas = CAS;
        if (cas == null || (host & 15) != 0) {
            throw new IllegalStateException("no 16-byte compare-and-set");
        }
        try {
            return (int) cas.invokeExact(host, expectedLow, expectedHigh, low, high, foundAddress) != 0;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** The low half of what the last one found. */
    long foundLow() {
        return found.get(ValueLayout.JAVA_LONG, 0);
    }

    /** The high half of it. */
    long foundHigh() {
        return found.get(ValueLayout.JAVA_LONG, 8);
    }
}
