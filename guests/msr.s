# MSRs keep what is written to them; FS and GS bases; SWAPGS.
.include "long64.inc"
.macro put index, value:vararg
    mov rax, \value
    mov rdx, rax
    shr rdx, 32
    mov ecx, \index
    wrmsr
.endm
.macro get name, index
    mov ecx, \index
    rdmsr
    shl rdx, 32
    or rax, rdx
    show \name, rax
.endm
main:
    put 0x174, 0x10
    put 0x175, 0xffff800012345678
    put 0x176, 0xffffffff81000000
    get sysenter_cs, 0x174
    get sysenter_esp, 0x175
    get sysenter_eip, 0x176
    put 0xc0000081, 0x0023001000000000
    get star, 0xc0000081
    put 0xc0000082, 0xffffffff82000000
    get lstar, 0xc0000082
    put 0xc0000083, 0xffffffff83000000
    get cstar, 0xc0000083
    put 0xc0000084, 0x47700
    get fmask, 0xc0000084
    put 0x277, 0x0007040600070406
    get pat, 0x277
    put 0xc0000100, 0x200000
    put 0xc0000101, 0x200040
    put 0xc0000102, 0x200080
    mov qword ptr ds:[0x200000], 0xf5
    mov qword ptr ds:[0x200040], 0x65
    mov qword ptr ds:[0x200080], 0x6b
    show fs, fs:[0]
    show gs, gs:[0]
    swapgs
    show swapped, gs:[0]
    get gs_base, 0xc0000101
    get kernel_gs_base, 0xc0000102
    swapgs
    show swapped_back, gs:[0]
    mov ecx, MSR_EFER
    rdmsr
    and eax, 0xd01
    show efer, rax
    mov ecx, 0x1b
    rdmsr
    and eax, 0xfffff900         # base, enabled, bootstrap processor
    show apic_base, rax
    mov ecx, 0x17               # IA32_PLATFORM_ID: Linux reads it without a guard when it wakes from S3
    rdmsr
    show platform_id, rax
    quit
