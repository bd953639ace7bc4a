# Integer instructions over a table of operands: a checksum of results and defined flags for each (SDM vol. 2 says
# which flags an instruction leaves undefined; those are masked out).
.include "long64.inc"

.section .rodata
.balign 8
values:
    .quad 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000
    .quad 0xffffffff, 0x0123456789abcdef, 0x7fffffffffffffff, 0x8000000000000000, 0xfedcba9876543210, -1
values_end:
counts: .byte 0, 1, 2, 5, 7
counts_end:
.set N, (values_end - values) / 8
.set ALL, CF | PF | AF | ZF | SF | OF
.set LOGIC, CF | PF | ZF | SF | OF
.text

# a in rax, b in rcx; carry from the parity of the row
.macro each_pair
    xor r8d, r8d
1:  xor r9d, r9d
2:
.endm
.macro load_pair
    mov rax, values[r8*8]
    mov rcx, values[r9*8]
    mov edx, r9d
    shr edx, 1
.endm
.macro next_pair
    inc r9d
    cmp r9d, N
    jb 2b
    inc r8d
    cmp r8d, N
    jb 1b
.endm

.macro begin
    mov r12d, 1
.endm

.macro binary name, mask
    begin
    each_pair
    .irp a, "al,cl", "ax,cx", "eax,ecx", "rax,rcx"
    load_pair
    \name \a
    fold_flags \mask
    fold rax
    fold rcx
    .endr
    next_pair
    show \name, r12
.endm

.macro unary name, mask
    begin
    each_pair
    .irp a, al, ax, eax, rax
    load_pair
    \name \a
    fold_flags \mask
    fold rax
    .endr
    next_pair
    show \name, r12
.endm

.macro shift name, mask
    begin
    xor r8d, r8d
1:  xor r9d, r9d
2:
    .irp a, al, ax, eax, rax
    mov rax, values[r8*8]
    mov cl, counts[r9]
    cmp rax, rax
    \name \a, cl
    fold_flags \mask
    fold rax
    .endr
    .irp a, al, ax, eax, rax
    mov rax, values[r8*8]
    cmp rax, rax
    \name \a, 1
    fold_flags \mask | OF
    fold rax
    .endr
    mov rax, values[r8*8]
    \name eax, 13
    fold rax
    mov rax, values[r8*8]
    \name rax, 45
    fold rax
    inc r9d
    cmp r9d, counts_end - counts
    jb 2b
    inc r8d
    cmp r8d, N
    jb 1b
    show \name, r12
.endm

.macro condition cc
    load_pair
    cmp rax, rcx
    set\cc dl
    movzx edx, dl
    fold rdx
    load_pair
    cmp eax, ecx
    cmov\cc rax, rcx
    fold rax
    load_pair
    add ax, cx
    j\cc .Ltaken\@
    fold rcx
.Ltaken\@:
    fold rax
.endm

main:
    binary add, ALL
    binary adc, ALL
    binary sub, ALL
    binary sbb, ALL
    binary cmp, ALL
    binary and, LOGIC
    binary or, LOGIC
    binary xor, LOGIC
    binary test, LOGIC
    binary mov, 0
    binary xchg, 0
    binary xadd, ALL
    binary cmpxchg, ALL
    unary inc, ALL & ~CF
    unary dec, ALL & ~CF
    unary neg, ALL
    unary not, 0
    shift shl, CF | PF | ZF | SF
    shift shr, CF | PF | ZF | SF
    shift sar, CF | PF | ZF | SF
    shift rol, CF
    shift ror, CF
    shift rcl, CF
    shift rcr, CF

    # MUL and IMUL: CF and OF alone are defined
    .macro multiply op
    begin
    each_pair
    .irp a, cl, cx, ecx, rcx
    load_pair
    \op \a
    mov r10, rdx
    fold_flags CF | OF
    fold rax
    fold r10
    .endr
    next_pair
    show \op, r12
    .endm
    multiply mul
    multiply imul

    begin
    each_pair
    .irp a, "ax,cx", "eax,ecx", "rax,rcx"
    load_pair
    imul \a
    fold_flags CF | OF
    fold rax
    .endr
    load_pair
    imul rax, rcx, -77
    fold_flags CF | OF
    fold rax
    load_pair
    imul eax, ecx, 0x12345
    fold rax
    next_pair
    show imul2, r12

    # DIV and IDIV with quotients that fit
    begin
    each_pair
    load_pair
    test rcx, rcx
    jz 3f
    xor edx, edx
    div rcx
    fold rax
    fold rdx
3:  load_pair
    test ecx, ecx
    jz 3f
    xor edx, edx
    div ecx
    fold rax
    fold rdx
3:  load_pair
    lea rdx, [rcx + 1]
    cmp rdx, 1
    jbe 3f                      # by 0; by -1 may overflow
    cqo
    idiv rcx
    fold rax
    fold rdx
3:  load_pair
    lea edx, [rcx + 1]
    cmp edx, 1
    jbe 3f
    cdq
    idiv ecx
    fold rax
    fold rdx
3:  load_pair
    test cl, cl
    jz 3f
    movzx eax, al
    div cl
    fold rax
3:  load_pair
    test cx, cx
    jz 3f
    xor edx, edx
    div cx
    fold rax
    fold rdx
3:  next_pair
    show div, r12

    begin
    each_pair
    .irp op, bt, bts, btr, btc
    load_pair
    \op ax, cx
    fold_flags CF
    fold rax
    load_pair
    \op eax, ecx
    fold_flags CF
    fold rax
    load_pair
    \op rax, rcx
    fold_flags CF
    fold rax
    load_pair
    \op rax, 41
    fold_flags CF
    fold rax
    .endr
    next_pair
    show bit_test, r12

    begin
    each_pair
    .irp op, bsf, bsr
    load_pair
    test rcx, rcx
    jz 3f
    \op rax, rcx
    fold_flags ZF
    fold rax
3:
    load_pair
    test ecx, ecx
    jz 3f
    \op eax, ecx
    fold_flags ZF
    fold rax
3:
    .endr
    next_pair
    show bit_scan, r12

    begin
    each_pair
    load_pair
    mov r10, rcx
    mov ecx, 9
    shld rax, r10, cl
    fold_flags CF | PF | ZF | SF
    fold rax
    shrd eax, r10d, 17
    fold_flags CF | PF | ZF | SF
    fold rax
    shrd rax, r10, 1
    fold_flags CF | PF | ZF | SF | OF
    fold rax
    shld ax, r10w, 3
    fold_flags CF | PF | ZF | SF
    fold rax
    next_pair
    show double_shift, r12

    begin
    each_pair
    load_pair
    movsx rdx, al
    fold rdx
    movsx edx, ax
    fold rdx
    movsxd rdx, eax
    fold rdx
    movzx dx, cl
    fold rdx
    mov ah, cl
    fold rax
    load_pair
    cbw
    fold rax
    load_pair
    cwde
    fold rax
    load_pair
    cdqe
    fold rax
    load_pair
    cwd
    fold rdx
    load_pair
    bswap rax
    bswap ecx
    fold rax
    fold rcx
    load_pair
    lea rdx, [rax + rcx*4 - 5]
    fold rdx
    lea edx, [rax + rcx*8 + 0x1234]
    fold rdx
    lea dx, [eax + ecx*2]
    fold rdx
    sahf
    lahf
    fold rax
    cmc
    setc al
    stc
    adc al, 0
    clc
    adc al, 1
    fold rax
    next_pair
    show moves, r12

    begin
    each_pair
    .irp cc, o, no, b, ae, z, nz, be, a, s, ns, p, np, l, ge, le, g
    condition \cc
    .endr
    next_pair
    show conditions, r12

    begin
    mov ecx, 100
    xor eax, eax
1:  add rax, rcx
    loop 1b
    fold rax
    mov ecx, 50
2:  dec rax
    loopne 2b
    fold rcx
    jrcxz 3f
    fold rax
3:  xor ecx, ecx
    jrcxz 4f
    fold rax
4:  mov rcx, 0x100000000
    .byte 0x67                  # JECXZ
    jrcxz 5f
    fold rax
5:  lea rbx, values[rip]
    mov al, 35
    xlatb
    fold rax
    show loops, r12

    # memory operands and cmpxchg8b/16b
    begin
    mov rax, 0x1111111122222222
    mov scratch[rip], rax
    lock add dword ptr scratch[rip + 3], 0x01020304
    lock xadd scratch[rip + 1], eax
    lock inc word ptr scratch[rip + 6]
    lock bts dword ptr scratch[rip], 35
    mov r10d, 100
    bts scratch[rip], r10           # bit string: 12 bytes on
    fold scratch[rip]
    fold scratch[rip + 8]
    fold rax
    mov eax, scratch[rip]
    mov edx, scratch[rip + 4]
    mov ebx, 0x55
    mov ecx, 0x66
    lock cmpxchg8b scratch[rip]
    fold_flags ZF
    lock cmpxchg8b scratch[rip]
    fold_flags ZF
    fold rax
    fold scratch[rip]
    push qword ptr scratch[rip]
    pop qword ptr scratch[rip + 16]
    fold scratch[rip + 16]
    show memory, r12
    quit
.bss
.balign 16
scratch: .skip 64
