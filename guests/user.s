# User mode as far as every engine and host can: down by IRETQ, computing, back up by faults.
.include "long64.inc"
main:
    mov rdi, 30
    user_call user_fib
    show fib, rdi
    mov rdi, 0x123456789
    user_call user_stack_work
    show stack, rdi
    # a fault in user mode: the frame tells
    mov eax, 14
    lea rdx, from_user_fault[rip]
    mov ecx, 0x8e
    call set_gate
    and qword ptr pd[rip + 8*8], ~4         # 0x1000000 for the supervisor alone
    mov rax, cr3
    mov cr3, rax
    user_call user_read
    show error, trap_error[rip]
    show cr2, trap_cr2[rip]
    show cs, trap_cs[rip]
    user_call user_write
    show error, trap_error[rip]
    show cr2, trap_cr2[rip]
    user_call user_execute
    show error, trap_error[rip]
    show cr2, trap_cr2[rip]
    quit
from_user_fault:
    pop qword ptr trap_error[rip]
    pop qword ptr trap_rip[rip]
    pop qword ptr trap_cs[rip]
    mov rax, cr2
    mov trap_cr2[rip], rax
    jmp from_user
user_fib:
    xor eax, eax
    mov ecx, 1
1:  lea rdx, [rax + rcx]
    mov rax, rcx
    mov rcx, rdx
    dec edi
    jnz 1b
    mov rdi, rax
    leave_user
user_stack_work:
    mov ecx, 1000
1:  push rdi
    call 2f
    pop rax
    add rdi, rax
    loop 1b
    leave_user
2:  rol rdi, 3
    xor rdi, [rsp + 8]
    ret
user_read:
    mov rax, ds:[0x1000010]
    leave_user
user_write:
    mov ds:[0x1000018], rax
    leave_user
user_execute:
    mov eax, 0x1000020
    jmp rax
