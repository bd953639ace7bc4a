# Self IPIs: order by priority, TPR and CR8 hold them back, EOI lets the next in, STI's shadow.
.include "long64.inc"
.set APIC, 0xfee00000
.macro send vector
    mov dword ptr [rbx + 0x310], 0
    mov dword ptr [rbx + 0x300], 0x44000 | \vector   # self, asserted, fixed
.endm
main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    .irp v, 0x51, 0x62, 0x73
    mov eax, \v
    lea rdx, on_\v[rip]
    mov ecx, 0x8e
    call set_gate
    .endr
    mov ebx, APIC
    mov dword ptr [rbx + 0xf0], 0x1ff
    mov dword ptr [rbx + 0x80], 0
    # three wait; the highest comes first
    send 0x51
    send 0x73
    send 0x62
    sti
    nop
    nop
    cli
    say "order done\n"
    # the task priority holds back what is not above its class
    mov dword ptr [rbx + 0x80], 0x60
    send 0x62
    send 0x73
    sti
    nop
    nop
    cli
    say "held back\n"
    mov rax, cr8
    show cr8, rax
    xor eax, eax
    mov cr8, rax
    sti
    nop
    nop
    cli
    mov eax, [rbx + 0x80]
    show tpr, rax
    # the instruction behind STI runs before the interrupt
    mov dword ptr order[rip], 0
    send 0x51
    sti
    mov dword ptr order[rip], 1
    nop
    cli
    # STI and CLI back to back let nothing in
    send 0x51
    sti
    cli
    say "sti cli\n"
    sti
    nop
    cli
    # a lower one waits for the EOI of a higher one
    mov dword ptr nest[rip], 1
    send 0x73
    sti
    nop
    nop
    cli
    mov eax, [rbx + 0x140]   # in service: nothing
    or eax, [rbx + 0x120]
    or eax, [rbx + 0x130]
    show in_service, rax
    quit
on_0x51:
    push rax
    push rbx
    mov ebx, APIC
    say "51 order "
    mov eax, order[rip]
    call puthex
    say "\n"
    jmp eoi
on_0x62:
    push rax
    push rbx
    mov ebx, APIC
    say "62\n"
    jmp eoi
on_0x73:
    push rax
    push rbx
    mov ebx, APIC
    say "73\n"
    xor eax, eax
    xchg eax, nest[rip]
    test eax, eax
    jz eoi
    send 0x62
    sti
    nop
    nop
    cli
    say "73 ends\n"
eoi:
    mov dword ptr [rbx + 0xb0], 0
    pop rbx
    pop rax
    iretq
.bss
.balign 8
order: .skip 8
nest: .skip 8
