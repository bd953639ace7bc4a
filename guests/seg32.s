# 32-bit segmentation: bases, limits, expand-down, conforming and far transfers, 16-bit code, LAR/LSL/VERR, legacy
# instructions that 64-bit mode lacks.
.include "prot32.inc"
pvh_note start
.globl start
start:
    enter32
    say "protected mode\n"
    # a small data segment with a base
    descriptor 0x18, "offset area", 0x1f, 0x92, 4
    mov eax, 0x18
    mov fs, eax
    mov dword ptr [area + 4], 0x44332211
    push fs:[4]
    pop eax
    show base, eax
    mov eax, fs:[0x1c]
    faults limit, mov eax, fs:[0x1d]
    faults limit_byte, mov al, fs:[0x20]
    mov ebx, 0xffffffff
    faults limit_wrap, mov eax, fs:[ebx]
    lsl eax, word ptr [sel18]
    show lsl, eax
    lar eax, word ptr [sel18]
    show lar, eax
    mov eax, 0x18
    verw ax
    setz bl
    movzx ebx, bl
    show verw, ebx
    verr word ptr [sel_bad]
    setz bl
    movzx ebx, bl
    show verr_beyond, ebx
    mov ax, [gdt + 0x18 + 5]
    and eax, 0xff
    show accessed, eax
    # read-only data
    descriptor 0x20, "offset area", 0xfff, 0x90, 4
    mov eax, 0x20
    mov gs, eax
    mov eax, gs:[0]
    faults read_only, mov gs:[0], eax
    # expand-down: offsets above the limit are the valid ones
    descriptor 0x28, "offset area", 0xff, 0x96, 4
    mov eax, 0x28
    mov gs, eax
    mov eax, gs:[0x100]
    faults expand_down, mov eax, gs:[0xff]
    # not present; null
    descriptor 0x30, 0, 0xfffff, 0x12, 0xc
    faults not_present, mov gs, word ptr [sel30]
    xor eax, eax
    mov gs, eax
    faults null_use, mov eax, gs:[0]
    xor eax, eax
    faults null_ss, mov ss, ax
    faults code_as_stack, mov ss, word ptr [sel8]
    faults beyond_gdt, mov gs, word ptr [sel_bad]
    # execute-only code can't be loaded for data
    descriptor 0x38, 0, 0xfffff, 0x98, 0xc
    faults execute_only, mov fs, word ptr [sel38]
    # the limit of CS: transfers fault themselves, straight code at the instruction that is not all within
    descriptor 0x48, "offset small", 0x1f, 0x9a, 4
.macro beyond text, offset
    mov dword ptr [resume_at], offset .Lbeyond\@
    mov dword ptr [resume_cs], KCODE
    mov ebx, esp
    mov ecx, 2
    ljmp 0x48, \offset
.Lbeyond\@:
    sub ebx, esp
    say "\text: "
    call print_trap
    show "  stack", ebx
    show "  ecx", ecx
.endm
    beyond limit_jmp, 0
    beyond limit_call, 2
    beyond limit_ret, 7
    beyond limit_loop, 10
    beyond limit_indirect, 12
    beyond limit_straight, 0x1c
    faults limit_far, ljmp 0x48, 0x20
    # segment overrides, LDS and friends
    lfs ebx, [far_data]
    mov eax, fs:[ebx]
    show lfs, eax
    mov eax, fs
    show fs, eax
    # far call and return; a 16-bit code segment with a 16-bit stack frame size
    lcall KCODE, offset far32
    show far_call, eax
    descriptor 0x40, "offset code16", 0xffff, 0x9a, 0
    lcall 0x40, 0
    show code16, eax
    # instructions that 64-bit mode lacks
    mov eax, 0x0079
    add al, 0x28
    daa
    show daa, eax
    mov eax, 0x35
    sub al, 0x47
    das
    movzx eax, al
    show das, eax
    mov eax, 0x0f
    add al, 7
    aaa
    movzx eax, ax
    show aaa, eax
    mov eax, 0x0205
    sub al, 9
    aas
    movzx eax, ax
    show aas, eax
    mov eax, 79
    aam
    show aam, eax
    mov eax, 0x0709
    aad
    show aad, eax
    faults aam_zero, .byte 0xd4, 0
    mov ecx, 1
    mov edx, 2
    mov ebx, 3
    mov ebp, 5
    mov esi, 6
    mov edi, 7
    mov eax, 8
    mov [saved_esp], esp
    pushad
    xor edi, edi
    xor esi, esi
    xor eax, eax
    popad
    sub [saved_esp], esp
    show pusha_esi, esi
    show pusha_edi, edi
    show pusha_esp, [saved_esp]
    mov eax, 5
    bound eax, [bounds]
    mov eax, 11
    faults bound, bound eax, [bounds]
    mov al, 0x7f
    inc al
    faults into, into
    mov eax, 0x13
    mov ecx, 0x3
    arpl ax, cx
    show arpl, eax
    stc
    .byte 0xd6                      # SALC: AL = CF ? ff : 0
    movzx eax, al
    show salc, eax
    push es
    push ds
    pop es
    pop es
    quit
far32:
    mov eax, cs
    lret
.code16
.balign 16
code16:
    mov eax, 0x11112222
    mov ax, cs
    .byte 0x66
    lret
.code32
.balign 16
small:
    .byte 0xeb, 0x1e                # jmp 0x20
    .byte 0xe8                      # call 0x1000
    .long 0x1000 - 7
    push 0x20
    ret
    .byte 0xe2, 0x14                # loop 0x20
    mov eax, 0x20
    call eax
    .byte 0x90, 0x90, 0x90
    .balign 4
    .skip 0x1c - (. - small), 0x90
    inc ecx
    .byte 0xb9                      # mov ecx, …: its last byte is beyond
    .long 7
.data
sel8: .word 8
sel18: .word 0x18
sel30: .word 0x30
sel38: .word 0x38
sel_bad: .word 0x1f8
.balign 4
far_data: .long 8
    .word 0x18
bounds: .long 1, 10
.bss
.balign 16
saved_esp: .skip 4
area: .skip 4096
