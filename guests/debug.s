# Debug exceptions: data and port breakpoints, code breakpoints and RF, general detect, DR4 and DR5, what DR6 and DR7 keep; single steps over instructions
# that treat TF or the trap in their own way, and over branches alone (SDM vol. 3, chapter 18).
.include "long64.inc"
.set BS, 0x4000
.bss
.balign 4096
data: .skip 4096
other: .skip 4096
db_count: .skip 8
db_steps: .skip 8
db_dr6: .skip 8*64
db_rip: .skip 8*64
db_flags: .skip 8*64
db_rcx: .skip 8*64
from: .skip 8
.text
# Records each debug exception and goes on; after db_steps of them TF is off.
on_debug:
    push rax
    push rbx
    mov rbx, db_count[rip]
    and ebx, 63
    mov rax, dr6
    mov db_dr6[rbx*8], rax
    mov rax, [rsp + 16]
    mov db_rip[rbx*8], rax
    mov rax, [rsp + 32]
    mov db_flags[rbx*8], rax
    mov db_rcx[rbx*8], rcx
    inc qword ptr db_count[rip]
    or dword ptr [rsp + 32], 0x10000        # RF: not again before the instruction
    xor eax, eax
    mov dr6, rax
    dec qword ptr db_steps[rip]
    jnz 1f
    and dword ptr [rsp + 32], ~0x100
1:  pop rbx
    pop rax
    iretq

.macro begin
    mov qword ptr db_count[rip], 0
    mov qword ptr db_steps[rip], 0
    mov qword ptr from[rip], offset .Lbegin\@
.Lbegin\@:
.endm
# "text: n traps", then "  at +offset dr6 … rf rcx" for each
.macro end text
    say "\text: "
    call print_traps
.endm
.macro breakpoint number, address, control
    mov rax, \address
    mov dr\number, rax
    mov rax, dr7
    mov ecx, 0xf << (16 + \number*4)
    not ecx
    and eax, ecx
    or eax, (\control) << (16 + \number*4) | 2 << (\number*2)
    mov dr7, rax
.endm
.macro none
    mov eax, 0x400
    mov dr7, rax
.endm
# Steps through `steps` instructions, the first being the one behind the macro.
.macro stepping steps
    mov qword ptr db_count[rip], 0
    mov qword ptr db_steps[rip], \steps
    mov qword ptr from[rip], offset .Lstep\@
    pushfq
    or dword ptr [rsp], 0x100
    popfq
.Lstep\@:
.endm
.set EXECUTE, 0
.set WRITE1, 1
.set IO1, 2
.set RW1, 3
.set WRITE2, 5
.set WRITE8, 9
.set WRITE4, 13
.set RW4, 15

print_traps:
    push rax
    push rbx
    mov rax, db_count[rip]
    call putbyte
    mov al, '\n'
    out DEBUGCON, al
    xor ebx, ebx
1:  cmp rbx, db_count[rip]
    jae 2f
    say "  +"
    mov rax, db_rip[rbx*8]
    sub rax, from[rip]
    call putbyte
    say " dr6 "
    mov rax, db_dr6[rbx*8]
    and eax, 0xe00f
    call putword
    say " rf "
    mov rax, db_flags[rbx*8]
    shr eax, 16
    and eax, 1
    call putbyte
    say " rcx "
    mov rax, db_rcx[rbx*8]
    call putbyte
    mov al, '\n'
    out DEBUGCON, al
    inc rbx
    jmp 1b
2:  pop rbx
    pop rax
    ret
putword:
    push rax
    shr eax, 8
    call putbyte
    pop rax
putbyte:
    push rcx
    mov ecx, eax
    shr eax, 4
    call 1f
    mov eax, ecx
    call 1f
    pop rcx
    ret
1:  and al, 15
    add al, '0'
    cmp al, '9'
    jbe 2f
    add al, 'a' - '9' - 1
2:  out DEBUGCON, al
    ret

main:
    mov rdx, offset on_debug
    mov eax, 1
    mov ecx, 0xee
    call set_gate
    mov rdx, offset on_int
    mov eax, 0x41
    mov ecx, 0xee
    call set_gate
    xor ecx, ecx
    mov rdi, offset data

    # what is fixed in DR6 and DR7
    mov eax, 0xffffffff
    mov dr6, rax
    mov rax, dr6
    show dr6_ones, rax
    xor eax, eax
    mov dr6, rax
    mov rax, dr6
    show dr6_zeros, rax
    mov eax, 0xffffdf00
    mov dr7, rax
    mov rax, dr7
    show dr7_ones, rax
    xor eax, eax
    mov dr7, rax
    mov rax, dr7
    show dr7_zeros, rax
    mov rax, 0x100000000
    faults dr6_high, mov dr6, rax
    faults dr7_high, mov dr7, rax
    mov rax, dr4
    show dr4_is_dr6, rax
    mov rax, cr4
    or eax, 8
    mov cr4, rax
    faults dr4, mov rax, dr4
    faults dr5, mov dr5, rax

    # data, by length
    breakpoint 0, "offset data + 8", WRITE1
    breakpoint 1, "offset data + 16", WRITE2
    breakpoint 2, "offset data + 32", WRITE4
    breakpoint 3, "offset data + 64", WRITE8
    xor ecx, ecx
    begin
    mov byte ptr [rdi + 7], 1
    mov byte ptr [rdi + 9], 1
    mov byte ptr [rdi + 8], 1
    mov rax, [rdi + 8]
    mov qword ptr [rdi + 1], 1
    end write1
    xor ecx, ecx
    begin
    mov byte ptr [rdi + 17], 1
    mov byte ptr [rdi + 18], 1
    mov [rdi + 15], ax
    mov [rdi + 28], rax
    mov [rdi + 36], rax
    mov [rdi + 35], eax
    mov [rdi + 71], al
    mov [rdi + 72], al
    movups [rdi + 56], xmm0
    end lengths
    # instructions that read and write, push, lock, go by strings
    none
    breakpoint 0, "offset data + 8", RW4
    xor ecx, ecx
    begin
    mov eax, [rdi + 8]
    add dword ptr [rdi + 8], 1
    lock inc byte ptr [rdi + 11]
    cmp eax, [rdi + 12]
    test [rdi + 5], eax
    xchg eax, [rdi + 8]
    movups xmm0, [rdi]
    prefetcht0 [rdi + 8]
    lea rax, [rdi + 8]
    end read_write
    mov rbp, rsp
    mov rsp, offset data + 16
    begin
    push rax
    mov rsp, rbp
    end push
    mov rsi, offset other
    mov rdi, offset data + 4
    mov ecx, 20
    begin
    rep movsb
    end rep_movsb
    mov rdi, offset data + 10
    mov ecx, 2
    begin
    rep stosb
    end rep_stosb_last
    mov rdi, offset data
    # an access that faults does not trap; one to an unaligned address is taken by the length's alignment
    none
    breakpoint 0, "offset data + 0x106", WRITE4
    xor ecx, ecx
    begin
    mov [rdi + 0x104], al
    mov [rdi + 0x108], al
    end aligned_down
    none
    # MOV SS holds the trap back over one instruction
    breakpoint 0, "offset data + 8", RW1
    mov word ptr [rdi + 8], KDATA
    xor ecx, ecx
    mov qword ptr db_count[rip], 0
    begin
    mov ss, word ptr [rdi + 8]
    inc ecx
    inc ecx
    end mov_ss
    # where the next instruction is a debug exception itself, that one tells of both
    begin
    mov ss, word ptr [rdi + 8]
    .byte 0xf1
    inc ecx
    end mov_ss_int1
    none

    # ports
    breakpoint 0, 0x80, IO1
    xor ecx, ecx
    begin
    in al, 0x80
    out 0x7e, eax
    in al, 0x7f
    in ax, 0x7f
    end ports
    none
    mov rax, cr4
    and eax, ~8
    mov cr4, rax

    # code: before the instruction, and not again after IRET with RF (the handler returns to it)
    breakpoint 0, "offset 1f", EXECUTE
    breakpoint 1, "offset 2f", EXECUTE
    xor ecx, ecx
    begin
    nop
1:  inc ecx
    nop
2:  inc ecx
    mov eax, 3
3:  dec eax
    jnz 3b
    end code
    none
    # on a repeated instruction, once; with RF only the first time round
    breakpoint 0, "offset 1f", EXECUTE
    mov ecx, 3
    mov rdi, offset data
    begin
1:  rep stosb
    end code_rep
    none
    # disabled: nothing
    mov rax, offset 1f
    mov dr0, rax
    begin
1:  nop
    end disabled

    # general detect: any MOV of a debug register is #DB before it; GD is off in the handler
    mov eax, 0x2400
    mov dr7, rax
    begin
    mov rax, dr0
    end general_detect
    mov rax, dr7
    show gd, rax

    # single steps
    xor ecx, ecx
    stepping 3
    inc ecx
    jmp 1f
1:  nop
    end steps
    xor ecx, ecx
    stepping 2
    int 0x41
    nop
    end over_int
    stepping 3
    mov ecx, 2
    mov rdi, offset data
    rep stosb
    end into_rep
    mov ecx, 3
    mov rdi, offset data
    stepping 4
    rep stosb
    nop
    end rep
    xor ecx, ecx
    mov eax, KDATA
    stepping 2
    mov ss, eax
    inc ecx
    inc ecx
    end over_mov_ss
    stepping 2
    pushfq
    popfq
    end over_popf
    mov qword ptr db_count[rip], 0
    mov qword ptr db_steps[rip], 1
    mov qword ptr from[rip], offset 1f
    mov rbp, rsp
    push KDATA
    push rbp
    push 0x102
    push KCODE
    push offset 1f
    iretq
1:  nop
    nop
    end after_iret
    stepping 2
    cpuid
    nop
    xor ecx, ecx
    end over_cpuid
    # a fault takes the place of the trap; its handler runs without TF
    mov qword ptr resume_at[rip], offset 1f
    stepping 2
    ud2
1:  nop
    end over_fault
    # SYSCALL traps by TF as it leaves it: masked by FMASK not, else behind it
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, 0x00180008
    wrmsr
    mov ecx, 0xc0000082
    mov eax, offset on_syscall
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x100
    wrmsr
    mov rbp, rsp
    stepping 1
    syscall
after_syscall_masked:
    mov qword ptr from[rip], offset on_syscall
    end syscall_masked
    mov ecx, 0xc0000084
    xor eax, eax
    wrmsr
    lea rbx, after_syscall[rip]
    stepping 2
    syscall
after_syscall:
    mov qword ptr from[rip], offset on_syscall
    end syscall
    # branches alone
    mov ecx, 0x1d9
    mov eax, 2
    xor edx, edx
    wrmsr
    xor ecx, ecx
    stepping 1
    nop
    inc ecx
    jz 1f
    jmp 1f
    nop
1:  nop
    end branch_step
    mov ecx, 0x1d9
    rdmsr
    show btf, rax
    quit
on_int:
    inc ecx
    iretq
on_syscall:
    mov rcx, 0
    mov rsp, rbp
    pushfq
    and dword ptr [rsp], ~0x100
    popfq
    mov eax, KDATA
    cmp qword ptr db_steps[rip], 1
    je after_syscall_masked
    jmp after_syscall
