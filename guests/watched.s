# What checks/GdbTest watches: a write, a repeated one, a read that reaches over, an update.
.include "long64.inc"
.globl main, watched, also_watched, after_write, after_read, after_update
.bss
.balign 4096
watched: .skip 64
also_watched: .skip 8
.text
main:
    mov rdi, offset watched
    mov byte ptr [rdi + 8], 1       # beside it
    mov word ptr [rdi - 1], 0x1200
after_write:
    mov eax, [rdi]                  # a read
    mov al, 0x55
    mov ecx, 16
    rep stosb
    mov rdi, offset watched
    mov eax, [rdi + 4]
    mov rax, [rdi]
after_read:
    mov eax, also_watched[rip]
    inc dword ptr also_watched[rip]
after_update:
    show watched, watched[rip]
    quit
