# For debuggers: two CPUs that add to a sum in turns, each in a routine of its own, until each has added 100 times.
.include "long64.inc"
.set APIC, 0xfee00000
.set TRAMPOLINE, 0x8000

.bss
.balign 4096
other_stack: .skip 4096
other_stack_top:
.balign 8
sum: .skip 8                # 1 + 2 + … + 200
turns: .skip 8              # even: the first CPU's turn

.text
main:
    lea rsi, trampoline[rip]
    mov edi, TRAMPOLINE
    mov ecx, offset trampoline_end - trampoline
    rep movsb
    mov edx, APIC
    mov dword ptr [rdx + 0xf0], 0x1ff
    mov dword ptr [rdx + 0x300], 0xc4500                    # INIT, asserted, all but self
    mov ecx, 20000
1:  pause
    loop 1b
    mov dword ptr [rdx + 0x300], 0xc4600 | TRAMPOLINE >> 12 # start-up
2:  mov rax, turns[rip]
    test al, 1
    jnz 3f
    call add_first
    cmp qword ptr turns[rip], 199
    jb 2b
4:  pause
    cmp qword ptr turns[rip], 200
    jb 4b
    jmp report
3:  pause
    jmp 2b

add_first:
    inc rax
    add sum[rip], rax
    inc qword ptr turns[rip]
    ret

report:
    show sum, sum[rip]
    quit

.code16
trampoline:
    cli
    lgdt cs:[trampoline_gdt - trampoline]
    mov eax, 0x620              # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, offset pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    mov eax, 0x901              # SCE, LME, NXE
    xor edx, edx
    wrmsr
    mov eax, 0x80010033         # PG, WP, NE, ET, MP, PE
    mov cr0, eax
    .byte 0x66, 0xea            # jmp KCODE:other
    .long other
    .word KCODE
trampoline_gdt:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:
.code64
other:
    mov eax, KDATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    lea rsp, other_stack_top[rip]
1:  mov rax, turns[rip]
    test al, 1
    jz 2f
    call add_other
    cmp qword ptr turns[rip], 200
    jb 1b
3:  cli
    hlt
    jmp 3b
2:  pause
    jmp 1b

add_other:
    inc rax
    add sum[rip], rax
    inc qword ptr turns[rip]
    ret
