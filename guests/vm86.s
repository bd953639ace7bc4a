# Virtual-8086 mode: entry by IRET and by a task switch, what is sensitive to IOPL, exceptions out of it, ports, VME with the redirection map and
# VIF, PVI (SDM vol. 3, chapter 21).
.include "prot32.inc"
.include "user32.inc"
pvh_note start
.globl start
.set V86, 0x800                 # its code segment; linear 0x8000
.set TASK_V, 0x30
.set VM, 0x20000
.set VIF, 0x80000
.set VIP, 0x100000
.bss
.balign 16
tss_v: .skip 104
v_frame: .skip 44               # EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS; then EAX and EBX
v_at: .skip 4
.text
# Runs 16-bit code in virtual-8086 mode with these flags until something brings it back, and prints what that was. The code ends by a HLT,
# which is #GP there.
.macro v86 text, flags, c1, c2, c3, c4, c5
    .section .v86, "ax", @progbits
    .code16
.Lcode\@:
    \c1
    \c2
    \c3
    \c4
    \c5
    hlt
    .code32
    .text
    mov dword ptr [v_at], offset .Lcode\@ - v86_begin
    mov eax, \flags
    call run_v86
    say "\text: "
    call print_v86
.endm
.section .v86, "ax", @progbits
v86_begin:
.text
run_v86:
    mov [kernel_esp], esp
    mov dword ptr [from_vm86], offset v86_back
    push 0x5555                 # GS, FS, DS, ES
    push 0x4444
    push V86
    push 0x2222
    push 0x900                  # SS:SP, linear 0x9000
    push 0x100
    or eax, VM | 2
    push eax
    push V86
    push [v_at]
    mov eax, 0x1234
    mov ebx, 0
    iretd
# From `trap`, whose stack has EAX, DS, vector, error and the frame.
v86_back:
    cld
    mov [v_frame + 40], ebx
    mov eax, [esp]
    mov [v_frame + 36], eax
    mov eax, [esp + 8]
    mov [trap_vector], eax
    mov eax, [esp + 12]
    mov [trap_error], eax
    lea esi, [esp + 16]
    mov eax, KDATA
    mov es, eax
    mov edi, offset v_frame
    mov ecx, 9
    rep movsd
    mov esp, [kernel_esp]
    ret
# INT 0x31 and its like: a gate of DPL 3
v86_int:
    push 0
    push 0x31
    push KDATA
    push eax
    mov eax, KDATA
    mov ds, eax
    jmp v86_back
print_v86:
    say "vector "
    mov eax, [trap_vector]
    call puthex
    say " error "
    mov eax, [trap_error]
    call puthex
    say " at +"
    mov eax, [v_frame]
    sub eax, [v_at]
    call puthex
    say " flags "
    mov eax, [v_frame + 8]
    call puthex
    say " ax "
    mov eax, [v_frame + 36]
    call puthex
    mov al, '\n'
    out DEBUGCON, al
    ret

start:
    enter32
    enter_tss
    mov al, 0x31
    mov edx, offset v86_int
    mov cl, 0xee
    call set_gate
    # what INT finds there when it is redirected: code that puts BX = 0x6060 and returns
    mov word ptr [0x60*4], offset handler - v86_begin
    mov word ptr [0x60*4 + 2], V86
    mov esi, offset v86_begin
    mov edi, 0x8000
    mov ecx, offset v86_end - v86_begin
    rep movsb

    v86 segments, 0x3000, "mov ax, ds"
    show "  cs", [v_frame + 4]
    show "  sp", [v_frame + 12]
    show "  ss", [v_frame + 16]
    show "  es", [v_frame + 20]
    show "  fs", [v_frame + 28]
    show "  gs", [v_frame + 32]
    mov eax, ds
    show kernel_ds, eax
    mov eax, fs
    show kernel_fs, eax

    # IOPL 3: all allowed
    v86 cli3, 0x3200, "cli"
    v86 sti3, 0x3000, "sti"
    v86 pushf3, 0x3202, "pushf", "pop ax"
    v86 popf3, 0x3000, "push 0x4ed5", "popf"
    v86 int3_gate, 0x3000, "int 0x31"
    v86 int3_kernel, 0x3000, "int 0x21"
    v86 iret3, 0x3200, "push 0x0042", "push cs", "push 0", "iret"
    # IOPL 0: all #GP(0)
    v86 cli0, 0, "cli"
    v86 sti0, 0, "sti"
    v86 pushf0, 0, "pushf"
    v86 pushfd0, 0, "pushfd"
    v86 popf0, 0, "popf"
    v86 int0, 0, "int 0x31"
    v86 iret0, 0, "iret"
    # not sensitive: INT3, INTO
    mov al, 3
    mov edx, offset stub3
    mov cl, 0xee
    call set_gate
    mov al, 4
    mov edx, offset stub4
    mov cl, 0xee
    call set_gate
    v86 breakpoint0, 0, "int3"
    v86 into0, 0x800, "into"
    v86 into_no, 0, "into"
    v86 divide, 0, "xor dx, dx", "div dx"
    v86 undefined, 0, "ud2"
    v86 lldt, 0, "lldt ax"
    v86 ltr, 0, "ltr ax"
    v86 sldt, 0, "sldt ax"
    v86 lar, 0, "lar ax, ax"
    v86 verr, 0, "verr ax"
    v86 arpl, 0, "arpl ax, ax"
    v86 lgdt, 0, "lgdt [0]"
    v86 mov_cr, 0, "mov eax, cr0"
    v86 clts, 0, "clts"
    v86 smsw, 0, "smsw ax"
    v86 limit, 0, "mov al, [0xffff]", "mov ax, [0xffff]"
    v86 stack_limit, 0, "mov bp, 0xffff", "mov ax, [bp]"
    v86 wrap32, 0, "mov ebx, 0x10000", "mov al, [ebx]"
    v86 jump_limit, 0, ".byte 0x66", ".byte 0xea", ".long 0x10000", ".word V86"
    # segments are paragraphs
    v86 paragraphs, 0, "mov ax, 0x0801", "mov ds, ax", "mov ax, [-16 + 0x10]", "push ds", "pop ax"
    v86 far, 0, ".byte 0x9a", ".word far_code - v86_begin", ".word V86"
    # ports: by the bitmap whatever IOPL is
    v86 port3, 0x3000, "in al, 0x80"
    and byte ptr [tss + TSS_PORTS + 0x80/8], 0xfe
    v86 port0, 0, "mov ax, 0", "in al, 0x80"
    # an IRET whose EIP is beyond 0xffff is refused before it enters
    push 0
    push 0
    push 0
    push 0
    push 0
    push 0
    push VM | 2
    push V86
    push 0x10000
    faults iret_eip, iretd
    add esp, 36
    # a gate to a ring other than 0 can't be gone through
    descriptor 0x38, 0, 0xfffff, 0xfb, 0xc
    mov word ptr [idt + 0x31*8 + 2], 0x38
    v86 gate_ring3, 0x3000, "int 0x31"
    descriptor 0x38, 0, 0xfffff, 0x9e, 0xc
    v86 gate_conforming, 0x3000, "int 0x31"
    mov word ptr [idt + 0x31*8 + 2], KCODE

    # single step: TF from the IRET traps behind the first instruction
    v86 step, 0x100, "nop", "nop"
    mov eax, dr6
    and eax, 0x4000
    show bs, eax

    # a task in virtual-8086 mode
    mov dword ptr [tss_v + 32], offset task_code - v86_begin
    mov dword ptr [tss_v + 36], VM | 2
    mov dword ptr [tss_v + 4], offset kernel_stack_top
    mov dword ptr [tss_v + 8], KDATA
    mov dword ptr [tss_v + 56], 0x100
    mov dword ptr [tss_v + 72], 0x2222
    mov dword ptr [tss_v + 76], V86
    mov dword ptr [tss_v + 80], 0x900
    mov dword ptr [tss_v + 84], V86
    mov word ptr [tss_v + 102], 104
    descriptor TASK_V, "offset tss_v", 103, 0x89, 0
    mov dword ptr [v_at], offset task_code - v86_begin
    call task
    say "task: "
    call print_v86
    show "  es", [v_frame + 20]
    pushfd
    and dword ptr [esp], ~0x4000
    popfd
    and byte ptr [gdt + TSS + 5], ~2
    mov eax, TSS
    ltr ax

    # VME
    mov eax, 1
    cpuid
    and edx, 2
    show cpuid_vme, edx
    mov eax, cr4
    or eax, 3
    mov cr4, eax
    # the map: 0x60 is the program's own, 0x31 the kernel's
    mov byte ptr [tss + TSS_MAP + 0x31/8], 0xff
    v86 vme_redirected0, VIF, "int 0x60"
    show "  bx", [v_frame + 40]
    v86 vme_redirected3, 0x3200, "int 0x60"
    v86 vme_gate0, 0, "int 0x31"
    v86 vme_gate3, 0x3000, "int 0x31"
    v86 vme_cli, VIF|0x200, "cli"
    v86 vme_sti, 0, "sti"
    v86 vme_sti_vip, VIP, "sti"
    v86 vme_pushf, VIF, "pushf", "pop ax"
    v86 vme_pushf_off, 0x200, "pushf", "pop ax"
    v86 vme_pushfd, 0, "pushfd"
    v86 vme_popf, 0, "push 0x3202", "popf"
    v86 vme_popf_vip, VIP, "push 0x0202", "popf"
    v86 vme_popf_tf, 0, "push 0x0102", "popf"
    v86 vme_popf_off, VIF|0x200, "push 0", "popf"
    v86 vme_iret, 0, "push 0x0202", "push cs", "push offset iret_target - v86_begin", "iret"
    v86 vme_iret_vip, VIP, "push 0x0202", "push cs", "push 0", "iret"
    v86 vme_iretd, 0, "iretd"
    v86 vme_int3, VIF, "int3"
    # PVI in ring 3 below IOPL 3
    user_call user_pvi, 2
    show pvi_flags, esi
    show pvi_off, edi
    mov dword ptr [trap_vector], 0
    mov dword ptr [resume_at], offset user_vip_end
    user_call user_vip, VIP|2
    show pvi_vip, [trap_vector]
    quit
task:
    mov [kernel_esp], esp
    mov dword ptr [from_vm86], offset v86_back
    lcall TASK_V, 0
user_pvi:
    sti
    pushfd
    pop esi
    and esi, 0x180200
    cli
    pushfd
    pop edi
    and edi, 0x180200
    int 0x40
user_vip:
    sti
user_vip_end:
    int 0x40
.section .v86
.code16
handler:
    push bp
    mov bp, sp
    mov ax, [bp + 6]            # the flags that INT pushed
    mov bx, 0x6060
    pop bp
    iret
far_code:
    mov ax, 0xfa4
    retf
iret_target:
    mov ax, 0x1e7
    hlt
task_code:
    mov ax, es
    hlt
v86_end:
.code32
