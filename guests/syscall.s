# SYSCALL and SYSRET (SDM vol. 2): selectors from STAR, RIP from LSTAR, RFLAGS through FMASK.
.include "long64.inc"
.macro wrmsr64 index, value:vararg
    mov rax, \value
    mov rdx, rax
    shr rdx, 32
    mov ecx, \index
    wrmsr
.endm
main:
    wrmsr64 0xc0000081, 0x0018000800000000      # STAR: user base 0x18, kernel 0x08
    wrmsr64 0xc0000082, offset entry
    wrmsr64 0xc0000084, 0x4700                  # FMASK: TF, IF, DF, NT
    wrmsr64 0xc0000102, 0x1234567000            # KERNEL_GS_BASE
    mov saved_rsp[rip], rsp
    # down by SYSRET
    lea rcx, user[rip]
    mov r11d, 0x602                             # with DF and IF
    lea rsp, user_stack_top[rip]
    cli
    sysretq
user:
    mov rdi, 1
    mov ebx, 0
1:  mov eax, ebx
    syscall
    inc ebx
    cmp ebx, 3
    jb 1b
    mov eax, 99
    syscall
entry:
    mov r8, rsp
    mov rsp, saved_rsp[rip]
    swapgs
    cmp eax, 99
    je last
    say "syscall "
    push rax
    call puthex
    say "\n"
    mov eax, cs
    show cs, rax
    mov eax, ss
    show ss, rax
    pushfq
    pop rax
    and eax, 0x700
    show rflags, rax
    mov rax, r11
    and eax, 0x700
    show r11, rax
    pop rax
    swapgs
    mov rsp, r8
    sysretq
last:
    mov ecx, 0xc0000101
    rdmsr
    shl rdx, 32
    or rax, rdx
    show gs_base, rax
    say "done\n"
    quit
.bss
saved_rsp: .skip 8
