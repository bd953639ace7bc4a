# SYSENTER and SYSEXIT, SYSCALL and SYSRET between rings 0 and 3 of 64-bit and compatibility mode, and what they refuse (SDM vol. 2). Beside
# it the MSRs that kernels look at when they start: MTRRs, machine check, MISC_ENABLE.
.include "long64.inc"
.macro set_msr index, low, high=0
    mov ecx, \index
    mov eax, \low
    mov edx, \high
    wrmsr
.endm
.macro show_msr text, index
    mov ecx, \index
    rdmsr
    shl rdx, 32
    or rax, rdx
    show \text, rax
.endm
.macro wrong text, index, low, high=0
    mov ecx, \index
    mov eax, \low
    mov edx, \high
    faults \text, wrmsr
.endm
.macro segments text
    mov eax, cs
    show "\text cs", rax
    mov eax, ss
    show "  ss", rax
.endm
main:
    # SYSENTER_CS + 0 and 8 are the kernel's, + 16 and 24 the 32-bit user's, + 32 and 40 the 64-bit user's
    faults none, .byte 0x0f, 0x35
    mov ecx, 0x174
    xor eax, eax
    xor edx, edx
    wrmsr
    faults sysenter_without, sysenter
    set_msr 0x174, KCODE
    set_msr 0x175, "offset kernel_stack_top"
    set_msr 0x176, "offset entered"
    # selectors of SYSENTER_CS + 32 and + 40 in the GDT are 0x28 and 0x30: let 0x30 be data of the user for this guest
    mov rax, gdt[rip + UDATA]
    mov gdt[rip + KCODE32], rax
    # to ring 3, 64-bit: RIP from RDX, RSP from RCX
    lea rdx, user64[rip]
    lea rcx, user_stack_top[rip]
    xor ebp, ebp
    .byte 0x48, 0x0f, 0x35  # SYSEXIT with REX.W
entered:
    cmp ebp, 1
    ja 2f
    segments entered
    pushfq
    pop rax
    and eax, 0x20200
    show "  if_vm", rax
    mov rax, rsp
    sub rax, offset kernel_stack_top
    show "  rsp", rax
    cmp ebp, 1
    je 1f
    # to ring 3, compatibility mode
    mov rdx, 0xffffffff00000000
    lea rax, user32[rip]
    or rdx, rax
    lea rcx, user_stack_top[rip]
    mov ebp, 1
    .byte 0x0f, 0x35        # SYSEXIT
1:  say "and from compatibility mode\n"
    show "  user cs", rdi
    mov rcx, 0x800000000000
    lea rdx, user64[rip]
    faults sysexit_rsp, .byte 0x48, 0x0f, 0x35
    mov rdx, 0x800000000000
    lea rcx, user_stack_top[rip]
    faults sysexit_rip, .byte 0x48, 0x0f, 0x35
    wrong esp_not_canonical, 0x175, 0, 0x8000
    # SYSRET
    set_msr 0xc0000081, 0, 0x00180008
    set_msr 0xc0000082, "offset called"
    set_msr 0xc0000084, 0x200
    mov rcx, 0x800000000000
    mov r11d, 2
    faults sysret_rip, sysretq
    lea rcx, user_sys64[rip]
    mov r11d, 0x3202
    lea rsp, user_stack_top[rip]
    mov ebp, 2
    sysretq
called:
    mov eax, cs
    mov r13, rax
    pushfq
    pop r14
    lea rsp, kernel_stack_top[rip]
    show called_cs, r13
    and r14d, 0x3200
    show "  flags", r14
    show "  r11", r11
    show "  user cs", rdi
    lea rax, after_syscall[rip]
    sub rax, rcx
    show "  rcx", rax
    # to compatibility mode: SYSCALL is #UD there
    mov rdx, offset from_user
    mov eax, 6
    mov ecx, 0x8e
    call set_gate
    lea rax, 2f[rip]
    mov kernel_return[rip], rax
    mov kernel_rsp[rip], rsp
    mov rcx, 0xffffffff00000000
    lea rax, user_sys32[rip]
    or rcx, rax
    mov r11d, 2
    sysretd
2:  show "sysret32 cs", rdi
    # MTRRs
    mov eax, 1
    cpuid
    and edx, 1 << 12 | 1 << 7 | 1 << 14
    show cpuid, rdx
    show_msr mtrrcap, 0xfe
    show_msr def_type, 0x2ff
    wrong mtrrcap, 0xfe, 0
    wrong def_type_2, 0x2ff, 0x802
    wrong def_type_reserved, 0x2ff, 0x1806
    set_msr 0x200, 0xc0000000
    set_msr 0x201, 0xc0000800, 0xff
    show_msr base0, 0x200
    show_msr mask0, 0x201
    wrong base_type, 0x202, 7
    wrong base_reserved, 0x202, 0x106
    wrong base_maxphyaddr, 0x202, 6, 0x100
    wrong mask_reserved, 0x203, 0x400
    wrong mask_maxphyaddr, 0x203, 0x800, 0x100
    wrong variable_8, 0x210, 0
    set_msr 0x250, 0x06060606, 0x06060606
    show_msr fixed, 0x250
    wrong fixed_type, 0x26f, 0x06060602
    wrong fixed_absent, 0x251, 0
    # machine check: no banks
    mov rax, cr4
    or eax, 0x40
    mov cr4, rax
    show_msr mcg_cap, 0x179
    show_msr misc_enable, 0x1a0
    wrong misc_enable_reserved, 0x1a0, 1 << 16
    show_msr arch_capabilities, 0x10a
    wrong arch_capabilities, 0x10a, 0
    mov ecx, 0x12345
    faults rdmsr_absent, rdmsr
    quit
user64:
    mov eax, cs
    mov rdi, rax
    sysenter
user_sys64:
    mov eax, cs
    mov rdi, rax
    syscall
after_syscall:
.code32
user32:
    mov edi, cs
    sysenter
user_sys32:
    mov edi, cs
    syscall
    ud2
.code64
