# PVH, 32-bit ELF: the smallest guest.
.include "prot32.inc"
pvh_note start
.globl start
start:
    mov esp, offset stack_top
    cmp dword ptr [ebx], 0x336ec578     # hvm_start_info.magic (Xen public/arch-x86/hvm/start_info.h)
    jne 1f
    say "start info ok\n"
1:  say "hello, 32 bits\n"
    quit
