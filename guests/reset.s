# Reset by port 0xcf9.
.include "long64.inc"
main:
    say "before\n"
    mov dx, 0xcf9
    mov al, 6
    out dx, al
1:  jmp 1b
