# PVH, 64-bit ELF: into long mode.
.include "long64.inc"
main:
    say "hello, 64 bits\n"
    quit
