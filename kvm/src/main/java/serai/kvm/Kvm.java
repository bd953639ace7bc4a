package serai.kvm;

/** Numbers of the KVM interface ({@code linux/kvm.h}, Documentation/virt/kvm/api.rst), x86-64. */
final class Kvm {
    // system and VM requests
    static final long GET_API_VERSION = 0xae00;
    static final long CREATE_VM = 0xae01;
    static final long CHECK_EXTENSION = 0xae03;
    static final long GET_VCPU_MMAP_SIZE = 0xae04;
    static final long GET_SUPPORTED_CPUID = 0xc008ae05L;
    static final long CREATE_VCPU = 0xae41;
    static final long SET_USER_MEMORY_REGION = 0x4020ae46L;
    static final long SET_TSS_ADDR = 0xae47;
    static final long SET_IDENTITY_MAP_ADDR = 0x4008ae48L;
    static final long ENABLE_CAP = 0x4068aea3L;
    static final long X86_SET_MSR_FILTER = 0x4188aec6L;
    // vCPU requests
    static final long RUN = 0xae80;
    static final long GET_REGS = 0x8090ae81L;
    static final long SET_REGS = 0x4090ae82L;
    static final long GET_SREGS = 0x8138ae83L;
    static final long SET_SREGS = 0x4138ae84L;
    static final long INTERRUPT = 0x4004ae86L;
    static final long GET_MSRS = 0xc008ae88L;
    static final long SET_MSRS = 0x4008ae89L;
    static final long SET_CPUID2 = 0x4008ae90L;
    static final long NMI = 0xae9a;
    static final long SET_GUEST_DEBUG = 0x4048ae9bL;
    static final long GET_VCPU_EVENTS = 0x8040ae9fL;
    static final long SET_VCPU_EVENTS = 0x4040aea0L;
    static final long GET_DEBUGREGS = 0x8080aea1L;
    static final long SET_DEBUGREGS = 0x4080aea2L;
    static final long SET_TSC_KHZ = 0xaea2;
    static final long GET_TSC_KHZ = 0xaea3;
    static final long GET_XSAVE = 0x9000aea4L;
    static final long SET_XSAVE = 0x5000aea5L;
    static final long GET_XSAVE2 = 0x9000aecfL;
    static final long GET_XCRS = 0x8188aea6L;
    static final long SET_XCRS = 0x4188aea7L;
    static final long SET_DEVICE_ATTR = 0x4018aee1L;
    static final long GET_DEVICE_ATTR = 0x4018aee2L;

    // capabilities
    static final int CAP_USER_MEMORY = 3;
    static final int CAP_SET_TSS_ADDR = 4;
    static final int CAP_EXT_CPUID = 7;
    static final int CAP_USER_NMI = 22;
    static final int CAP_SET_GUEST_DEBUG = 23;
    static final int CAP_VCPU_EVENTS = 41;
    static final int CAP_DEBUGREGS = 50;
    static final int CAP_XSAVE = 55;
    static final int CAP_XCRS = 56;
    static final int CAP_TSC_CONTROL = 60;
    static final int CAP_GET_TSC_KHZ = 61;
    static final int CAP_READONLY_MEM = 81;
    static final int CAP_VCPU_ATTRIBUTES = 127;
    static final int CAP_IMMEDIATE_EXIT = 136;
    static final int CAP_X86_USER_SPACE_MSR = 188;
    static final int CAP_X86_MSR_FILTER = 189;
    static final int CAP_ENFORCE_PV_FEATURE_CPUID = 190;
    static final int CAP_XSAVE2 = 208;

    static final int MEM_READONLY = 2;
    /** Exit on: an access KVM finds invalid, an MSR it does not know, one the filter denies. */
    static final int MSR_EXIT_REASONS = 1 | 2 | 4;

    static final int MSR_FILTER_READ_WRITE = 3;
    static final int CPUID_FLAG_SIGNIFICANT_INDEX = 1;
    static final int GUESTDBG_ENABLE = 1;
    static final int GUESTDBG_SINGLESTEP = 2;
    static final int GUESTDBG_USE_HW_BP = 0x20000;

    // exit reasons
    static final int EXIT_IO = 2;
    static final int EXIT_DEBUG = 4;
    static final int EXIT_HLT = 5;
    static final int EXIT_MMIO = 6;
    static final int EXIT_IRQ_WINDOW_OPEN = 7;
    static final int EXIT_SHUTDOWN = 8;
    static final int EXIT_FAIL_ENTRY = 9;
    static final int EXIT_INTR = 10;
    static final int EXIT_SET_TPR = 11;
    static final int EXIT_INTERNAL_ERROR = 17;
    static final int EXIT_X86_RDMSR = 29;
    static final int EXIT_X86_WRMSR = 30;

    private Kvm() {}
}
