# Alignment checking (CR0.AM, RFLAGS.AC, ring 3; SDM vol. 3, 7.15, #AC): what is checked, what is not, and that a page fault comes first.
.include "long64.inc"
.bss
.balign 4096
data: .skip 4096
results: .skip 8*64
.text
.macro check text, code:vararg
    .section .rodata
.Ltext\@: .asciz "\text"
    .text
    mov qword ptr trap_vector_u[rip], 0
    mov qword ptr resume_u[rip], offset .Lnext\@
    \code
.Lnext\@:
    mov rax, trap_vector_u[rip]
    mov results[rbp*8], rax
    mov qword ptr names[rbp*8], offset .Ltext\@
    inc ebp
.endm
.bss
trap_vector_u: .skip 8
resume_u: .skip 8
names: .skip 8*64
.text
main:
    mov rdx, offset on_ac
    mov eax, 17
    mov ecx, 0x8e
    call set_gate
    mov rdx, offset on_pf
    mov eax, 14
    mov ecx, 0x8e
    call set_gate
    # the third 2-MiB page after 4 MiB is absent
    and qword ptr pd[rip + 24], ~1
    mov rax, cr3
    mov cr3, rax
    mov rdi, offset data
    xor ebp, ebp
    user_call user_off
    mov rax, cr0
    or rax, 0x40000
    mov cr0, rax
    user_call user_on
    # not for the kernel
    pushfq
    or dword ptr [rsp], 0x40000
    popfq
    mov rax, [rdi + 1]
    pushfq
    and dword ptr [rsp], ~0x40000
    popfq
    say "kernel\n"
    xor ebx, ebx
1:  mov rsi, names[rbx*8]
    call puts
    show "", results[rbx*8]
    inc ebx
    cmp ebx, ebp
    jb 1b
    show error, trap_error[rip]
    quit
on_ac:
    push rax
    mov rax, [rsp + 8]
    mov trap_error[rip], rax
    mov qword ptr trap_vector_u[rip], 17
    jmp 1f
on_pf:
    push rax
    mov qword ptr trap_vector_u[rip], 14
1:  mov rax, resume_u[rip]
    mov [rsp + 16], rax
    pop rax
    add rsp, 8
    iretq
user_off:
    pushfq
    or dword ptr [rsp], 0x40000
    popfq
    check "without AM", mov rax, [rdi + 1]
    leave_user
user_on:
    check "without AC", mov rax, [rdi + 1]
    pushfq
    or dword ptr [rsp], 0x40000
    popfq
    check "byte", mov al, [rdi + 1]
    check "word", mov ax, [rdi + 1]
    check "word aligned", mov ax, [rdi + 2]
    check "dword", mov eax, [rdi + 2]
    check "dword aligned", mov eax, [rdi + 4]
    check "qword", mov rax, [rdi + 4]
    check "qword aligned", mov rax, [rdi + 8]
    check "store", mov [rdi + 1], ax
    check "update", add dword ptr [rdi + 1], 1
    check "locked", lock add qword ptr [rdi + 4], 1
    check "crossing", mov rax, [rdi + 4092]
    mov rsi, 0x5fffff
    check "page fault first", mov ax, [rsi]
    mov rsi, offset data + 1
    mov rdx, rdi
    lea rdi, [rdi + 16]
    check "movsb", movsb
    mov rsi, offset data + 1
    check "movsw", movsw
    mov rdi, rdx
    check "x87 qword", fld qword ptr [rdi + 4]
    check "sse scalar", movss xmm0, [rdi + 2]
    mov r8, rsp
    lea rsp, [rsp - 4]
    check "push", push rax
    mov rsp, r8
    check "aligned push", push rax
    mov rsp, r8
    check "sgdt", sgdt [rdi + 8]
    leave_user
