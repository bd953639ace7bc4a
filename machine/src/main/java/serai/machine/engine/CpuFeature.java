package serai.machine.engine;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/**
 * Instruction-set extensions that a {@link CpuModel} may promise, each with its CPUID bit (SDM vol. 2, CPUID). An engine
 * that interprets raises #UD for the instructions of those that the model does not promise.
 */
public enum CpuFeature {
    FPU(1, Register.EDX, 0),
    VME(1, Register.EDX, 1),
    CMOV(1, Register.EDX, 15),
    MMX(1, Register.EDX, 23),
    FXSR(1, Register.EDX, 24),
    SSE(1, Register.EDX, 25),
    SSE2(1, Register.EDX, 26),
    CLFSH(1, Register.EDX, 19),
    SSE3(1, Register.ECX, 0),
    PCLMULQDQ(1, Register.ECX, 1),
    SSSE3(1, Register.ECX, 9),
    FMA(1, Register.ECX, 12),
    CX16(1, Register.ECX, 13),
    PCID(1, Register.ECX, 17),
    SSE4_1(1, Register.ECX, 19),
    SSE4_2(1, Register.ECX, 20),
    MOVBE(1, Register.ECX, 22),
    POPCNT(1, Register.ECX, 23),
    AES(1, Register.ECX, 25),
    XSAVE(1, Register.ECX, 26),
    AVX(1, Register.ECX, 28),
    F16C(1, Register.ECX, 29),
    RDRAND(1, Register.ECX, 30),
    FSGSBASE(7, Register.EBX, 0),
    BMI1(7, Register.EBX, 3),
    AVX2(7, Register.EBX, 5),
    SMEP(7, Register.EBX, 7),
    BMI2(7, Register.EBX, 8),
    INVPCID(7, Register.EBX, 10),
    RDSEED(7, Register.EBX, 18),
    ADX(7, Register.EBX, 19),
    SMAP(7, Register.EBX, 20),
    CLFLUSHOPT(7, Register.EBX, 23),
    CLWB(7, Register.EBX, 24),
    SHA(7, Register.EBX, 29),
    UMIP(7, Register.ECX, 2),
    RDPID(7, Register.ECX, 22),
    XSAVEOPT(0xd, 1, Register.EAX, 0),
    XSAVEC(0xd, 1, Register.EAX, 1),
    XGETBV1(0xd, 1, Register.EAX, 2),
    RDTSCP(0x80000001, Register.EDX, 27),
    LAHF(0x80000001, Register.ECX, 0),
    LZCNT(0x80000001, Register.ECX, 5),
    PREFETCHW(0x80000001, Register.ECX, 8);

    /** Where in a leaf a bit stands. */
    public enum Register {
        EAX,
        EBX,
        ECX,
        EDX
    }

    private final int leaf;
    private final int subleaf;
    private final Register register;
    private final int bit;

    CpuFeature(int leaf, Register register, int bit) {
        this(leaf, 0, register, bit);
    }

    CpuFeature(int leaf, int subleaf, Register register, int bit) {
        this.leaf = leaf;
        this.subleaf = subleaf;
        this.register = register;
        this.bit = bit;
    }

    /** The CPUID leaf. */
    public int leaf() {
        return leaf;
    }

    /** Its sub-leaf. */
    public int subleaf() {
        return subleaf;
    }

    /** The feature's bit in a register of sub-leaf 0 of a leaf: 0 if it stands elsewhere. */
    public int bit(int ofLeaf, Register of) {
        return bit(ofLeaf, 0, of);
    }

    /** The feature's bit in a register of a sub-leaf: 0 if it stands elsewhere. */
    public int bit(int ofLeaf, int ofSubleaf, Register of) {
        return ofLeaf == leaf && ofSubleaf == subleaf && of == register ? 1 << bit : 0;
    }

    /** Whether the feature's leaf has it. */
    public boolean in(CpuModel.Leaf l) {
        int word =
                switch (register) {
                    case EAX -> l.eax();
                    case EBX -> l.ebx();
                    case ECX -> l.ecx();
                    case EDX -> l.edx();
                };
        return (word >>> bit & 1) != 0;
    }

    /** The name in {@code --cpu-model} and in messages: {@code sse4_1}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Those that a model promises. */
    public static Set<CpuFeature> of(CpuModel model) {
        EnumSet<CpuFeature> all = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature f : values()) {
            if (f.in(model.cpuid(f.leaf, f.subleaf, 0))) {
                all.add(f);
            }
        }
        return all;
    }
}
