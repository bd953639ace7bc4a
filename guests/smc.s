# Self-modifying code: the next instruction, a loop, another page, through another mapping, across a page border.
.include "long64.inc"
.text
main:
    # patches the instruction straight ahead (SDM vol. 3, 9.1.3 promises it after a jump)
    mov byte ptr patch[rip + 1], 42
    jmp patch
patch:
    mov eax, 1
    show ahead, rax
    # a loop that changes its own constant in every round
    mov ecx, 100
    xor r12d, r12d
1:  inc dword ptr konst[rip + 3]
    jmp konst
konst:
    add r12, 0x11111111
    loop 1b
    show loop, r12
    # code made in data memory, run, made anew, run
    lea rbx, made[rip]
    xor r12d, r12d
    mov ecx, 50
2:  mov byte ptr [rbx], 0xb8            # MOV EAX, imm32; RET
    mov [rbx + 1], ecx
    mov byte ptr [rbx + 5], 0xc3
    call rbx
    add r12, rax
    loop 2b
    show made, r12
    # the same, across a page border, and one half changed
    lea rbx, made[rip + 4096 - 3]
    xor r12d, r12d
    mov ecx, 50
    mov byte ptr [rbx], 0xb8
    mov byte ptr [rbx + 5], 0xc3
3:  mov [rbx + 1], ecx
    call rbx
    add r12, rax
    mov byte ptr [rbx + 4], 1
    call rbx
    add r12, rax
    loop 3b
    show border, r12
    # written by a string instruction
    lea rdi, made[rip]
    lea rsi, template[rip]
    mov ecx, 6
    rep movsb
    call made
    show copied, rax
    # written through another linear address: 512 GiB up maps to the same memory
    lea rax, pdpt[rip + 7]
    mov pml4[rip + 8], rax
    mov rbx, 0x8000000000
    lea rdx, made[rip]
    mov dword ptr [rbx + rdx + 1], 0x777
    call made
    show alias, rax
    quit
.section .rodata
template: .byte 0xb8, 0x66, 0x55, 0, 0, 0xc3
.bss
.balign 4096
made: .skip 8192
