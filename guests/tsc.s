# The time-stamp counter never goes back, and moves.
.include "long64.inc"
main:
    mov ecx, 1000
    xor r8d, r8d
    xor r10d, r10d
1:  rdtsc
    shl rdx, 32
    or rax, rdx
    cmp rax, r8
    adc r10, 0                  # counts steps back
    mov r8, rax
    test ecx, ecx
    jz 2f
    dec ecx
    jmp 1b
2:  show back, r10
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov r8, rax
3:  rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, r8
    cmp rax, 100000             # 100 us at 1 GHz go by
    jb 3b
    say "moves\n"
    mov ecx, 0x10
    rdmsr
    shl rdx, 32
    or rax, rdx
    cmp rax, r8
    jb 4f
    say "msr agrees\n"
4:  quit
