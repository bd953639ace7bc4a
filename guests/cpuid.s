# What CPUID tells, apart from what follows the model's name: vendor, highest leaves, hypervisor leaf, clock.
.include "long64.inc"
.macro leaf name, n, sub=0
    mov eax, \n
    mov ecx, \sub
    cpuid
    mov r8d, eax
    mov r9d, ebx
    mov r10d, ecx
    mov r11d, edx
    show \name\()_eax, r8
    show \name\()_ebx, r9
    show \name\()_ecx, r10
    show \name\()_edx, r11
.endm
main:
    leaf basic, 0
    leaf clock, 0x15
    leaf hypervisor, 0x40000000
    leaf timing, 0x40000010
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000008
    jb 1f
    say "extended leaves\n"
1:  mov eax, 1
    cpuid
    shr ebx, 24
    show apic_id, rbx
    bt ecx, 31
    jnc 2f
    say "hypervisor bit\n"
2:  # the ID flag can be changed
    pushfq
    pop rax
    btc rax, 21
    push rax
    popfq
    pushfq
    pop rcx
    xor rax, rcx
    and eax, 1 << 21
    show id_flag, rax
    quit
