# Multiboot 1 (specification 0.6.96).
.include "prot32.inc"
.section .head, "a"
.balign 4
.long 0x1badb002, 0x3, -(0x1badb002 + 0x3)
.globl start
.text
start:
    mov esp, offset stack_top
    cmp eax, 0x2badb002
    jne 1f
    say "multiboot magic ok\n"
1:  test dword ptr [ebx], 1
    jz 1f
    say "memory sizes given\n"
1:  enter32
    say "hello, multiboot\n"
    quit
