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
import serai.machine.engine.CpuFeature;

/**
 * Accesses to 16 bytes in one piece, which Java has no other way to: a few instructions of machine code each. Compare and set is the host's own
 * CMPXCHG16B: Linux's slab allocator does it some hundred thousand times while a guest boots, too often to stop the other vCPUs for it.
 * Load and store are the host's MOVDQA, which a processor with AVX does atomically (SDM vol. 3, 9.1.1).
 */
final class Atomic16 {
    private static final FunctionDescriptor COMPARE_AND_SET = FunctionDescriptor.of(
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG);

    // rdi address, rsi and rdx expected, rcx and r8 wanted, r9 where to leave what was found:
    // push rbx; mov rax, rsi; mov rbx, rcx; mov rcx, r8; lock cmpxchg16b [rdi]; mov [r9], rax; mov [r9 + 8], rdx;
    // sete al; movzx eax, al; pop rbx; ret
    private static final @Nullable MethodHandle CAS =
            link(CpuFeature.CX16, "534889f04889cb4c89c1f0480fc70f498901498951080f94c00fb6c05bc3", COMPARE_AND_SET);

    // rdi address, rsi where to leave it: movdqa xmm0, [rdi]; movdqa [rsi], xmm0; ret
    private static final @Nullable MethodHandle LOAD = link(
            CpuFeature.AVX,
            "660f6f07660f7f06c3",
            FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    // rdi address, rsi and rdx the halves: movq xmm0, rsi; movq xmm1, rdx; punpcklqdq xmm0, xmm1; movdqa [rdi], xmm0;
    // ret
    private static final @Nullable MethodHandle STORE = link(
            CpuFeature.AVX,
            "66480f6ec666480f6eca660f6cc1660f7f07c3",
            FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    /** Whether the host can compare and set: an x86-64 with CMPXCHG16B that lets us have executable memory. */
    static final boolean COMPARES = CAS != null;

    /** Whether the host loads and stores atomically: an x86-64 with AVX that lets us have executable memory. */
    static final boolean MOVES = LOAD != null && STORE != null;

    /** Where the code leaves what it found or loaded. */
    private final MemorySegment found;

    private final long foundAddress;

    Atomic16() {
        found = Arena.ofAuto().allocate(16, 16);
        foundAddress = found.address();
    }

    /** The function, or null if the host has not the feature, or forbids it: then the other vCPUs are stopped instead. */
    private static @Nullable MethodHandle link(CpuFeature needs, String code, FunctionDescriptor type) {
        if (!HostCpu.FEATURES.contains(needs)) {
            return null;
        }
        try {
            return MachineCode.link(HexFormat.of().parseHex(code), type);
        } catch (LinuxException e) {
            return null;
        }
    }

    private static MethodHandle aligned(@Nullable MethodHandle function, long host) {
        if (function == null || (host & 15) != 0) {
            throw new IllegalStateException("no 16-byte access");
        }
        return function;
    }

    /**
     * Compares and sets, a full barrier.
     *
     * @param host a multiple of 16, behind it RAM of the guest that may be written
     * @return whether the expected was there; else {@link #foundLow} and {@link #foundHigh} tell what was
     */
    boolean compareAndSet(long host, long expectedLow, long expectedHigh, long low, long high) {
        try {
            return (int) aligned(CAS, host).invokeExact(host, expectedLow, expectedHigh, low, high, foundAddress) != 0;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Loads; {@link #foundLow} and {@link #foundHigh} have it.
     *
     * @param host a multiple of 16, behind it RAM of the guest
     */
    void load(long host) {
        try {
            aligned(LOAD, host).invokeExact(host, foundAddress);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Stores.
     *
     * @param host a multiple of 16, behind it RAM of the guest that may be written
     */
    void store(long host, long low, long high) {
        try {
            aligned(STORE, host).invokeExact(host, low, high);
        } catch (RuntimeException | Error e) {
            throw e;
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
