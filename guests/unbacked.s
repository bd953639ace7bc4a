# Memory and ports that nobody backs read as all ones; writes vanish.
.include "long64.inc"
main:
    mov rbx, 0xd0000000
    mov rax, [rbx]
    show read64, rax
    movzx eax, byte ptr [rbx + 3]
    show read8, rax
    mov [rbx], rbx
    xor eax, eax
    mov dx, 0x5550
    in al, dx
    show port8, rax
    in eax, dx
    show port32, rax
    out dx, eax
    quit
