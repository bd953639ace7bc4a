# Suspends to RAM, and nothing of its own wakes it.
.include "prot32.inc"
.set PM, 0x600
.set RSDP, 0xf0000
pvh_note start
.globl start
start:
    mov esp, offset stack_top
    mov eax, [RSDP + 24]            # XSDT
    mov eax, [eax + 36]             # its first table: FADT
    mov eax, [eax + 132]            # X_FIRMWARE_CTRL: FACS
    mov dword ptr [eax + 24], offset awake
    mov dword ptr [eax + 28], 0
    say "asleep\n"
    mov dx, PM + 4
    mov ax, 3 << 10 | 1 << 13 | 1
    out dx, ax
1:  jmp 1b
awake:
    mov esp, offset stack_top
    say "awake\n"
    quit
