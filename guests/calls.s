# Calls: recursion, indirect calls, ENTER and LEAVE, RET n, deep stacks.
.include "long64.inc"
main:
    lea rsp, deep_top[rip]
    mov edi, 20
    call fib
    show fib, rax
    mov edi, 2
    mov esi, 6
    call ackermann
    show ackermann, rax
    mov edi, 10000
    call depth
    show depth, rax
    xor r12d, r12d
    mov ecx, 1000
1:  mov eax, ecx
    and eax, 3
    call table[rax*8]
    loop 1b
    show indirect, r12
    mov rbx, rsp
    push 5
    push 7
    call pops
    sub rbx, rsp
    show ret_n, rax
    show balance, rbx
    mov rbp, 0x1234
    enter 64, 0
    mov qword ptr [rbp - 64], 1
    lea rax, [rsp + 64]
    sub rax, rbp
    leave
    show enter, rax
    show leave, rbp
    # call and jump far by memory, return far
    lcall far_pointer[rip]
    show far, rax
    pushfq
    push 0x55
    pop rax
    popfq
    push fs
    pop rcx
    show push_fs, rcx
    mov rsp, rsp
    push rsp
    pop rax
    sub rax, rsp
    show push_rsp, rax
    pushw 0x1234
    pop cx
    movzx ecx, cx
    show push_word, rcx
    lea rsp, stack_top[rip]
    quit
fib:
    cmp edi, 2
    jae 1f
    mov eax, edi
    ret
1:  push rdi
    dec edi
    call fib
    pop rdi
    push rax
    sub edi, 2
    call fib
    pop rdx
    add rax, rdx
    ret
ackermann:
    test edi, edi
    jnz 1f
    lea eax, [rsi + 1]
    ret
1:  test esi, esi
    jnz 2f
    dec edi
    mov esi, 1
    jmp ackermann
2:  push rdi
    dec esi
    call ackermann
    pop rdi
    dec edi
    mov esi, eax
    jmp ackermann
depth:
    test edi, edi
    jz 1f
    dec edi
    call depth
    inc rax
    ret
1:  xor eax, eax
    ret
pops:
    mov rax, [rsp + 8]
    imul rax, [rsp + 16]
    ret 16
far_target:
    mov eax, cs
    .byte 0xcb                  # RET far: the far pointer is 16:32, so the frame is of 32 bits
.irp n, 0, 1, 2, 3
f\n:
    rol r12, 3
    add r12, 0x1357 + \n
    ret
.endr
.data
.balign 8
table: .quad f0, f1, f2, f3
far_pointer: .long far_target
    .word KCODE
.bss
.balign 16
deep: .skip 262144
deep_top:
