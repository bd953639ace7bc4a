# HLT with interrupts off: nothing will ever wake this CPU.
.include "long64.inc"
main:
    say "before\n"
    cli
    hlt
    say "after\n"
    quit
