# Local APIC timer: one shot, periodic and masked; HLT until it comes.
.include "long64.inc"
.set APIC, 0xfee00000
main:
    mov al, 0xff                    # the PICs are masked
    out 0x21, al
    out 0xa1, al
    mov eax, 0x40
    lea rdx, on_timer[rip]
    mov ecx, 0x8e
    call set_gate
    mov eax, 0xff
    lea rdx, on_spurious[rip]
    mov ecx, 0x8e
    call set_gate
    mov ebx, APIC
    mov dword ptr [rbx + 0xf0], 0x1ff       # spurious vector, enabled
    mov dword ptr [rbx + 0x3e0], 0xb        # divide by 1
    # one shot
    mov dword ptr [rbx + 0x320], 0x40
    mov dword ptr [rbx + 0x380], 100000
    sti
1:  cli
    cmp dword ptr ticks[rip], 1
    jae 2f
    sti
    hlt
    jmp 1b
2:  show one_shot, ticks[rip]
    mov eax, [rbx + 0x390]
    show count, rax
    # periodic
    mov dword ptr ticks[rip], 0
    mov dword ptr [rbx + 0x320], 0x20040
    mov dword ptr [rbx + 0x380], 200000
3:  cli
    cmp dword ptr ticks[rip], 5
    jae 4f
    sti
    hlt
    jmp 3b
4:  mov dword ptr [rbx + 0x380], 0
    say "periodic\n"
    # a masked timer stays silent
    sti
    nop
    cli
    mov dword ptr ticks[rip], 0
    mov dword ptr [rbx + 0x320], 0x10040
    mov dword ptr [rbx + 0x380], 1000
    sti
5:  mov eax, [rbx + 0x390]
    test eax, eax
    jnz 5b
    cli
    show masked, ticks[rip]
    show spurious, strays[rip]
    quit
on_timer:
    push rax
    inc dword ptr ticks[rip]
    mov eax, APIC
    mov dword ptr [rax + 0xb0], 0
    pop rax
    iretq
on_spurious:
    inc dword ptr strays[rip]
    iretq
.bss
.balign 8
ticks: .skip 8
strays: .skip 8
