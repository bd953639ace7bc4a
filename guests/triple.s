# A triple fault: no IDT, then an exception.
.include "long64.inc"
main:
    say "before\n"
    lidt none[rip]
    ud2
.data
none: .word 0
    .quad 0
