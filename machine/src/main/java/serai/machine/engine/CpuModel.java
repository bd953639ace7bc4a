package serai.machine.engine;

/**
 * What CPUID tells a guest: the same on both engines, so that a guest saved on one resumes on the other. Helpers fill
 * engine-independent leaves here; an engine adds nothing.
 */
public interface CpuModel {
    /** The fixed frequency of the guest's TSC, in hertz, told by CPUID 0x15, 0x16 and the hypervisor leaf 0x40000010. */
    long TSC_HZ = 1_000_000_000L;

    /** The fixed frequency that the local APIC's timer counts at before its divider: the crystal of CPUID 0x15. */
    long APIC_HZ = 25_000_000L;

    /** EAX, EBX, ECX, EDX of a leaf. */
    record Leaf(int eax, int ebx, int ecx, int edx) {
        /** All zero: an unknown leaf in range. */
        public static final Leaf NONE = new Leaf(0, 0, 0, 0);
    }

    /** The name given with {@code --cpu-model}. */
    String name();

    /**
     * The leaf as the vCPU with this APIC id sees it, without the bits that follow CR4 and XCR0 (OSXSAVE, the XSAVE area
     * sizes): the engine sets those.
     */
    Leaf cpuid(int leaf, int subleaf, int apicId);
}
