# 16550A at 0x3f8: polled output, loop-back, and input echoed until a full stop.
.include "long64.inc"
.macro set port, value
    mov dx, \port
    mov al, \value
    out dx, al
.endm
main:
    set 0x3f9, 0
    set 0x3fb, 0x80
    set 0x3f8, 1
    set 0x3f9, 0
    set 0x3fb, 3
    set 0x3fa, 7
    set 0x3fc, 0x1b                     # loop-back
    set 0x3f8, 0xa5
1:  mov dx, 0x3fd
    in al, dx
    test al, 1
    jz 1b
    mov dx, 0x3f8
    in al, dx
    movzx eax, al
    show loopback, rax
    set 0x3fc, 3
    lea rsi, text[rip]
2:  lodsb
    test al, al
    jz 4f
    mov bl, al
3:  mov dx, 0x3fd
    in al, dx
    test al, 0x20
    jz 3b
    mov al, bl
    mov dx, 0x3f8
    out dx, al
    jmp 2b
4:  say "sent\n"
    quit
.section .rodata
text: .asciz "serial line\r\n"
