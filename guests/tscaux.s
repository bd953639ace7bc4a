# RDTSCP and RDPID with IA32_TSC_AUX, IA32_TSC_ADJUST, CR4.TSD (SDM vol. 3, 18.17).
.include "long64.inc"
main:
    mov ecx, 0xc0000103
    mov eax, 0x1234
    xor edx, edx
    wrmsr
    xor ecx, ecx
    rdtscp
    show rdtscp, rcx
    mov rcx, -1
    rdpid rcx
    show rdpid, rcx
    mov ecx, 0xc0000103
    mov edx, 1
    faults aux_reserved, wrmsr
    # TSC_ADJUST moves the TSC, and the other way round
    call tsc
    mov rbx, rax
    mov ecx, 0x3b
    xor eax, eax
    mov edx, 0x1000
    wrmsr
    call tsc
    sub rax, rbx
    shr rax, 40
    show adjusted, rax
    mov ecx, 0x10
    xor eax, eax
    xor edx, edx
    wrmsr
    call tsc
    shr rax, 40
    show written, rax
    mov ecx, 0x3b
    rdmsr
    sar edx, 31
    show adjust_is_negative, rdx
    # CR4.TSD: not for ring 3
    user_call user
    show off, r13
    mov rax, cr4
    or eax, 4
    mov cr4, rax
    rdtsc
    user_call user
    show tsd_rdtsc, r13
    show tsd_rdtscp, r14
    quit
tsc:
    rdtsc
    shl rdx, 32
    or rax, rdx
    ret
# R13 and R14: the vectors of RDTSC and RDTSCP
user:
    mov qword ptr trap_vector[rip], 0
    mov qword ptr resume_at[rip], offset 1f
    rdtsc
1:  mov r13, trap_vector[rip]
    mov qword ptr trap_vector[rip], 0
    mov qword ptr resume_at[rip], offset 2f
    rdtscp
2:  mov r14, trap_vector[rip]
    leave_user
