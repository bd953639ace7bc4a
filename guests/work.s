# A longer mix with output all the time: what save and resume are tried on. Sieve, then a hash over a buffer, printed
# in steps.
.include "long64.inc"
.set N, 20000
main:
    mov r13d, 8
again:
    lea rdi, sieve[rip]
    mov ecx, N / 8
    xor eax, eax
    rep stosq
    mov ebx, 2
    xor r14d, r14d
1:  cmp byte ptr sieve[rbx], 0
    jne 3f
    inc r14
    lea eax, [rbx + rbx]
2:  cmp eax, N
    jae 3f
    mov byte ptr sieve[rax], 1
    add eax, ebx
    jmp 2b
3:  inc ebx
    cmp ebx, N
    jb 1b
    show primes, r14
    mov r12, r13
    xor ebx, ebx
4:  fold sieve[rbx]
    add ebx, 8
    cmp ebx, N
    jb 4b
    show hash, r12
    dec r13d
    jnz again
    quit
.bss
.balign 16
sieve: .skip N + 16
