# IA32_TSC_DEADLINE: an interrupt once the TSC has passed it, and the MSR reads 0 then (SDM vol. 3, 11.5.4.1).
.include "long64.inc"
.set APIC, 0xfee00000
main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov eax, 0x40
    lea rdx, on_timer[rip]
    mov ecx, 0x8e
    call set_gate
    mov ebx, APIC
    mov dword ptr [rbx + 0xf0], 0x1ff
    mov dword ptr [rbx + 0x320], 0x40040
    mfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    add rax, 300000
    mov r15, rax
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0x6e0
    wrmsr
    sti
1:  cli
    cmp dword ptr ticks[rip], 1
    jae 2f
    sti
    hlt
    jmp 1b
2:  rdtsc
    shl rdx, 32
    or rax, rdx
    cmp rax, r15
    jb 3f
    say "not before the deadline\n"
3:  mov ecx, 0x6e0
    rdmsr
    or eax, edx
    show deadline, rax
    show ticks, ticks[rip]
    quit
on_timer:
    push rax
    inc dword ptr ticks[rip]
    mov eax, APIC
    mov dword ptr [rax + 0xb0], 0
    pop rax
    iretq
.bss
.balign 8
ticks: .skip 8
