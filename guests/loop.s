# The integer loop that speed is measured with: 200 million iterations of four instructions (count in `rounds`).
.include "long64.inc"
main:
    mov ecx, rounds[rip]
    xor eax, eax
    xor edx, edx
.balign 16
1:  add rax, rcx
    xor rdx, rax
    dec ecx
    jnz 1b
    show sum, rax
    show mix, rdx
    quit
.data
rounds: .long 200000000
