# What control registers and MSRs refuse: #GP(0), and nothing has changed.
.include "long64.inc"
main:
    mov ecx, 0x12345678
    faults rdmsr, rdmsr
    faults wrmsr, wrmsr
    mov rax, cr0
    btr rax, 0
    faults paging_without_protection, mov cr0, rax
    mov rax, cr4
    btr rax, 5
    faults cr4_pae_off, mov cr4, rax
    bts rax, 62
    faults cr4_reserved, mov cr4, rax
    faults cr1, .byte 0x0f, 0x20, 0xc8
    mov ecx, MSR_EFER
    rdmsr
    bts eax, 16
    faults efer_reserved, wrmsr
    mov ecx, MSR_EFER
    rdmsr
    btr eax, 8
    faults efer_lme_while_paging, wrmsr
    mov ecx, MSR_EFER
    rdmsr
    show efer, rax
    mov rax, cr0
    show cr0, rax
    quit
