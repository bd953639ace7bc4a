# String instructions: every size, both directions, repeat prefixes, counts in RCX and ECX.
.include "long64.inc"
.bss
.balign 64
a: .skip 256
b: .skip 256
.text
.macro fill
    lea rdi, a[rip]
    xor eax, eax
1:  mov [rdi + rax], al
    lea edx, [rax*4 + rax + 3]
    mov [rdi + rax + 256], dl
    inc eax
    cmp eax, 256
    jb 1b
.endm
.macro sum name
    cld
    mov r12d, 1
    sub rsi, offset a           # the sum is not to depend on where things lie
    sub rdi, offset a
    fold rsi
    fold rdi
    fold rcx
    lea rsi, a[rip]
    mov ecx, 64
1:  lodsq
    fold rax
    loop 1b
    show \name, r12
.endm
main:
    .irp s, b, w, d, q
    fill
    lea rsi, a[rip + 8]
    lea rdi, b[rip + 5]
    mov ecx, 11
    rep movs\s
    stos\s
    sum movs\s
    fill
    std
    lea rsi, a[rip + 200]
    lea rdi, a[rip + 203]       # overlapping, downwards
    mov ecx, 13
    rep movs\s
    sum movs\s\()_down
    fill
    mov rax, 0x8877665544332211
    lea rdi, b[rip + 1]
    mov ecx, 9
    rep stos\s
    sum stos\s
    .endr

    # CMPS and SCAS stop on equality and on difference, with the flags of the last comparison
    fill
    lea rsi, a[rip]
    lea rdi, b[rip]
    mov ecx, 64
    mov rdx, [rsi]
    mov [rdi], rdx
    mov edx, [rsi + 8]
    mov [rdi + 8], edx
    repe cmpsd
    pushfq
    pop rax
    and eax, 0x8d5
    show cmpsd_flags, rax
    show cmpsd_left, rcx
    lea rsi, a[rip]
    lea rdi, b[rip]
    mov ecx, 64
    repe cmpsb
    show cmpsb_left, rcx
    lea rdi, a[rip]
    mov al, 0x42
    mov ecx, 256
    repne scasb
    pushfq
    pop rax
    and eax, 0x8d5
    show scasb_flags, rax
    show scasb_left, rcx
    lea rdi, a[rip + 255]
    std
    mov al, 0x10
    mov ecx, 256
    repne scasb
    cld
    show scasb_down_left, rcx
    lea rdi, a[rip]
    mov eax, 0xdeadbeef
    mov ecx, 64
    repne scasd
    setz dl
    movzx edx, dl
    show scasd_found, rdx
    show scasd_left, rcx

    # a count of nothing touches nothing, and leaves the flags
    xor ecx, ecx
    stc
    repe cmpsb
    setc dl
    movzx edx, dl
    show none_carry, rdx

    # 32-bit addresses: ESI, EDI, ECX; upper halves are cleared
    fill
    mov rcx, 0x500000003
    lea rsi, a[rip]
    lea rdi, b[rip]
    mov rax, 0x100000000
    .byte 0x67
    rep movsb
    show address32_rcx, rcx

    # a page fault in the middle leaves the registers at the iteration that faulted
    mov rax, cr3
    mov rdi, 0x3ffff0           # up to the end of a 2-MiB page whose successor is taken away
    and qword ptr pd[rip + 16], ~1
    invlpg [0x400000]
    mov ecx, 100
    mov al, 7
    mov rdi, 0x3ffff0
    faults stosb_page, rep stosb
    show stosb_rcx, rcx
    show stosb_rdi, rdi
    or qword ptr pd[rip + 16], 1
    invlpg [0x400000]
    quit
