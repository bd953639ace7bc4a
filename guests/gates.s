# 32-bit privilege: ring 3 and ring 1, call gates with parameters and a stack switch, 16-bit gates, conforming code, far returns and IRET to outer
# rings, interrupt gates of 16 bits, limits of inner stacks, I/O permission bitmap, IOPL (SDM vol. 3, chapters 5 and 6; vol. 1, 19.5).
.include "prot32.inc"
.include "user32.inc"
pvh_note start
.globl start
.set GATE, 0x30
.set GATE16, 0x38
.set CONFORMING, 0x40
.set CODE1, 0x48
.set DATA1, 0x50
.set GATE1, 0x58
.set GATE_NP, 0x60
.set GATE_DPL0, 0x68
.set GATE_NULL, 0x70
.set GATE_DATA, 0x78
.set SMALL_STACK, 0x80
.set CODE16, 0x88
.set GATE_LIMIT, 0x90
.set GATE_CONF, 0x98
.set KCODE_16, 0xa0
.bss
.balign 16
ring1_stack: .skip 4096
ring1_stack_top:
.text
.macro call_gate selector, code, offset, count, type
    mov eax, \offset
    mov word ptr [gdt + \selector], ax
    mov word ptr [gdt + \selector + 2], \code
    mov byte ptr [gdt + \selector + 4], \count
    mov byte ptr [gdt + \selector + 5], \type
    shr eax, 16
    mov word ptr [gdt + \selector + 6], ax
.endm
.macro show_cs text
    mov eax, cs
    show "\text", eax
.endm
start:
    enter32
    enter_tss
    mov dword ptr [tss + 12], offset ring1_stack_top
    mov dword ptr [tss + 16], DATA1 | 1
    call_gate GATE, KCODE, "offset through_gate", 3, 0xec
    descriptor KCODE_16, "offset through_gate16", 0xfffff, 0x9a, 0xc
    call_gate GATE16, KCODE_16, 0, 2, 0xe4
    call_gate GATE_CONF, CONFORMING, "offset through_conforming", 2, 0xec
    descriptor CONFORMING, 0, 0xfffff, 0x9e, 0xc
    descriptor CODE1, 0, 0xfffff, 0xba, 0xc
    descriptor DATA1, 0, 0xfffff, 0xb2, 0xc
    call_gate GATE1, CODE1, "offset through_gate1", 0, 0xec
    call_gate GATE_NP, KCODE, "offset through_gate", 0, 0x6c
    call_gate GATE_DPL0, KCODE, "offset through_gate", 0, 0x8c
    call_gate GATE_NULL, 0, "offset through_gate", 0, 0xec
    call_gate GATE_DATA, KDATA, "offset through_gate", 0, 0xec
    descriptor SMALL_STACK, "offset kernel_stack", 7, 0x92, 4
    descriptor CODE16, "offset user16", 0xffff, 0xfa, 0
    call_gate GATE_LIMIT, CODE16, 0x12345, 0, 0xec
    user_call user
    say "back in the kernel\n"
    # a far return to ring 3 that takes parameters off both stacks and clears what ring 3 may not have
    mov eax, KDATA
    mov fs, eax
    mov eax, UDATA | 3
    mov gs, eax
    mov eax, KDATA
    mov ds, eax
    mov dword ptr [kernel_return], offset 2f
    mov [kernel_esp], esp
    mov eax, offset user_stack_top
    push UDATA | 3
    push eax
    push 0x1111
    push 0x2222
    push UCODE | 3
    push offset after_lret
    pushfd
    or dword ptr [esp], 0x3000
    popfd
    lret 8
2:  mov eax, 0x2
    push eax
    popfd
    show lret_esp, ebx
    show lret_fs, esi
    show lret_gs, edi
    show lret_ds, ebp
    # outer returns that are refused
    push UDATA | 3
    push offset user_stack_top
    push KCODE | 3
    push offset after_lret
    faults lret_rpl, lret
    mov esp, offset stack_top
    push KDATA | 3
    push offset user_stack_top
    push UCODE | 3
    push offset after_lret
    faults lret_ss, lret
    mov esp, offset stack_top
    push UDATA | 3
    push offset user_stack_top
    push 2
    push UCODE | 3
    push offset after_lret
    mov byte ptr [gdt + UCODE + 5], 0x7b
    faults iret_cs_not_present, iretd
    mov byte ptr [gdt + UCODE + 5], 0xfb
    mov byte ptr [gdt + UDATA + 5], 0x73
    faults iret_ss_not_present, iretd
    mov byte ptr [gdt + UDATA + 5], 0xf3
    mov dword ptr [esp + 16], 0
    faults iret_ss_null, iretd
    mov dword ptr [esp + 4], 0
    faults iret_cs_null, iretd
    mov esp, offset stack_top
    push CODE16 | 3
    push 0x10000
    faults lret_limit, lret
    mov esp, offset stack_top

    # inner stacks that will not do: ring 1's, for the faults need a good one of ring 0
    user_call user_bad_stacks, 0x3002
    # interrupt gates of 16 bits
    descriptor CODE16, "offset int16", 0xffff, 0x9a, 0
    mov dword ptr [idt + 0x50*8], CODE16 << 16
    mov dword ptr [idt + 0x50*8 + 4], 0x8600
    mov ebx, esp
    sti
    int 0x50
after_int16:
    cli
    and esi, 0x200
    sub ebx, esp
    show int16_balance, ebx
    show int16_cs, ecx
    show int16_flags, esi
    show int16_if, edx
    # ports by the bitmap: 0xe9 and 0xf4 for all, 0x80 for none
    and byte ptr [tss + TSS_PORTS + 0xe9/8], ~(1 << (0xe9 & 7))
    and byte ptr [tss + TSS_PORTS + 0xf4/8], ~(1 << (0xf4 & 7))
    user_call user_ports, 2
    quit

user:
    show_cs user_cs
    mov eax, ss
    show user_ss, eax
    push 0x33333333
    push 0x22222222
    push 0x11111111
    mov ebx, esp
    lcall GATE, 0
    mov ecx, ebx
    sub ecx, esp
    show popped, ecx
    pushw 0x2222
    pushw 0x1111
    mov ebx, esp
    lcall GATE16, 0
after_gate16:
    sub ebx, esp
    show popped16, ebx
    push 0xa
    push 0xb
    mov ebx, esp
    lcall GATE_CONF|3, 0
    sub ebx, esp
    show popped_conforming, ebx
    add esp, 8
    lcall CONFORMING, offset conforming
    lcall GATE1, 0
    show_cs user_again
    faults gate_not_present, lcall GATE_NP, 0
    faults gate_dpl, lcall GATE_DPL0, 0
    faults gate_null, lcall GATE_NULL, 0
    faults gate_data, lcall GATE_DATA, 0
    faults gate_limit, lcall GATE_LIMIT, 0
    faults jmp_gate, ljmp GATE, 0
    faults kernel_code, lcall KCODE, offset through_gate
    faults kernel_data, mov fs, word ptr [sel10]
    faults tss, ljmp TSS, 0
    faults int_kernel, int 0x21
    faults lldt, lldt ax
    faults ltr, ltr ax
    faults mov_dr, mov eax, dr0
    faults lmsw, lmsw ax
    faults sysexit, sysexit
    faults wbinvd, wbinvd
    faults rsm, rsm
    int 0x40

through_gate:
    mov ax, UDATA|3
    mov ds, ax
    show_cs gate_cs
    mov eax, ss
    show gate_ss, eax
    show gate_p1, [esp + 8]
    show gate_p2, [esp + 12]
    show gate_p3, [esp + 16]
    mov eax, [esp + 20]
    sub eax, ebx
    show gate_esp, eax
    show gate_old_ss, [esp + 24]
    lret 12
through_gate16:
    mov ax, UDATA|3
    mov ds, ax
    mov eax, [esp + 4]
    show gate16_parameters, eax
    movzx eax, word ptr [esp + 10]
    show gate16_old_ss, eax
    movzx eax, word ptr [esp + 2]
    show gate16_old_cs, eax
    # back by a frame of 32 bits, for the addresses of this guest have more than 16
    mov eax, offset after_gate16
    movzx ecx, word ptr [esp + 2]
    movzx esi, word ptr [esp + 10]
    lea edx, [ebx + 4]
    add esp, 12
    push esi
    push edx
    push ecx
    push eax
    lret
through_conforming:
    show_cs conforming_cs
    show conforming_ip_cs, [esp + 4]
    show conforming_p1, [esp + 8]
    lret
conforming:
    show_cs conforming
    lret
through_gate1:
    show_cs ring1
    mov eax, ss
    show ring1_ss, eax
    faults ring1_hlt, hlt
    faults ring1_kernel_data, mov fs, word ptr [sel10]
    lret
after_lret:
    mov ebx, offset user_stack_top + 8
    sub ebx, esp
    mov esi, fs
    mov edi, gs
    mov ebp, ds
    mov eax, UDATA | 3
    mov ds, eax
    int 0x40
user_bad_stacks:
    mov dword ptr [tss + 16], 0
    faults ss_null, lcall GATE1, 0
    mov dword ptr [tss + 16], DATA1
    faults ss_rpl, lcall GATE1, 0
    mov dword ptr [tss + 16], 0x1f9
    faults ss_beyond, lcall GATE1, 0
    mov dword ptr [tss + 16], CODE1 | 1
    faults ss_code, lcall GATE1, 0
    mov dword ptr [tss + 16], DATA1 | 1
    mov byte ptr [gdt + DATA1 + 5], 0x32
    faults ss_not_present, lcall GATE1, 0
    mov byte ptr [gdt + DATA1 + 5], 0xb2
    mov word ptr [gdt + DATA1], 0x0fff
    and byte ptr [gdt + DATA1 + 6], 0x70
    faults ss_limit, lcall GATE1, 0
    int 0x40
.code16
int16:
    pushfd
    pop edx
    and edx, 0x200
    movzx ecx, word ptr [esp + 2]
    movzx esi, word ptr [esp + 4]
    add esp, 6                      # no IRET: the frame has 16 bits of EIP
    .byte 0x66, 0xea
    .long after_int16
    .word KCODE
user16: hlt
.code32
user_ports:
    mov al, 'p'
    out DEBUGCON, al
    mov al, '\n'
    out DEBUGCON, al
    mov eax, 0x61616161
    mov dword ptr [resume_at], offset 1f
    out DEBUGCON, ax                # the port above is not allowed
1:  mov eax, [trap_vector]
    mov [vector_word], eax
    mov dword ptr [resume_at], offset 2f
    in al, 0x80
2:  mov eax, [trap_vector]
    mov [vector_byte], eax
    mov dword ptr [trap_vector], 0
    mov dword ptr [resume_at], offset 3f
    cli
3:  mov eax, [trap_vector]
    mov [vector_cli], eax
    mov dword ptr [resume_at], offset 4f
    mov dx, 0x3ff
    in ax, dx                       # needs the byte of ones behind the map
4:  mov eax, [trap_vector]
    mov [vector_end], eax
    mov dword ptr [kernel_return], offset ports_done
    int 0x40
ports_done:
    show port_word, [vector_word]
    show port_byte, [vector_byte]
    show port_cli, [vector_cli]
    show port_end, [vector_end]
    quit
.data
sel10: .word 0x10
.bss
.balign 4
vector_word: .skip 4
vector_byte: .skip 4
vector_cli: .skip 4
vector_end: .skip 4
