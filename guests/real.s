# Real mode: segments, 16-bit addressing, the interrupt table, wrap-around, big real mode, and back.
.include "prot32.inc"
pvh_note start
.globl start
start:
    enter32
    # the real-mode part goes to 0x8000
    mov esi, offset real_begin
    mov edi, 0x8000
    mov ecx, offset real_end - real_begin
    rep movsb
    # 16-bit code and data at base 0
    mov dword ptr [gdt + 0x18], 0x0000ffff
    mov dword ptr [gdt + 0x1c], 0x00009b00
    mov dword ptr [gdt + 0x20], 0x0000ffff
    mov dword ptr [gdt + 0x24], 0x00009300
    lidt [real_idt]
    mov eax, 0x20
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov esp, 0x7c00
    ljmp 0x18, 0x8000
back:
    mov eax, KDATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov esp, offset stack_top
    lidt [idt_pointer]
    say "protected again\n"
    quit
.data
real_idt: .word 0x3ff
    .long 0
real_begin:
.code16
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    ljmp 0x800, real_mode - real_begin
.macro out_text text
    mov si, offset .Ltext\@ - real_begin
    call real_puts
    jmp .Lover\@
.Ltext\@: .asciz "\text"
.Lover\@:
.endm
.macro out_hex text, value
    push \value
    out_text "\text="
    pop ax
    call real_hex
.endm
real_mode:
    mov ax, 0x800
    mov ds, ax
    xor ax, ax
    mov ss, ax
    mov sp, 0x7c00
    out_text "real mode\n"
    mov ax, cs
    out_hex cs, ax
    # segment * 16 + offset, two ways to one byte
    mov ax, 0x2000
    mov es, ax
    mov word ptr es:[0x10], 0xbeef
    mov ax, 0x2001
    mov es, ax
    mov ax, es:[0]
    out_hex alias, ax
    # 16-bit addressing forms
    mov bx, 0x100
    mov si, 0x20
    mov bp, 0x300
    mov di, 0x4
    mov word ptr [bx + si + 0x1000], 0x1111
    mov ax, ds:[0x1120]
    out_hex bx_si, ax
    mov bp, 0x7000
    mov di, 4
    mov word ptr [bp + di], 0x2222      # SS by default
    xor ax, ax
    mov es, ax
    mov ax, es:[0x7004]
    out_hex bp_di, ax
    mov bx, 0xffff
    lea ax, [bx + 2]
    out_hex wrap, ax
    # an interrupt through the table at 0
    xor ax, ax
    mov es, ax
    mov word ptr es:[0x60 * 4], offset handler - real_begin
    mov word ptr es:[0x60 * 4 + 2], cs
    mov ax, 5
    stc
    int 0x60
    out_hex int, ax
    mov word ptr es:[0], offset divide - real_begin
    mov word ptr es:[2], cs
    xor cx, cx
    mov ax, 7
    cwd
    div cx                              # #DE is a fault: the handler steps over
    out_hex divide, ax
    # 32-bit operands and addresses
    mov eax, 0x12345678
    mov ebx, 0x1000
    mov [ebx + 0x10], eax
    shr eax, 16
    out_hex upper, ax
    # far call, loops, string instructions with 16-bit counts
    lcall 0x800, far_proc - real_begin
    out_hex far, ax
    mov cx, 10
    xor ax, ax
1:  add ax, cx
    loop 1b
    out_hex loop, ax
    mov ax, ds
    mov es, ax
    mov si, 0
    mov di, 0x3000
    mov cx, 0x20
    cld
    rep movsw
    out_hex di, di
    pushf
    pop ax
    and ax, 0xf002
    out_hex flags, ax
    # back
    .byte 0x66, 0x0f, 0x01, 0x16        # LGDT with 32-bit base
    .word real_gdt - real_begin
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long back
    .word KCODE
handler:
    add ax, 0x100
    adc ax, 0                           # the caller's carry is still there
    iret
divide:
    push bp
    mov bp, sp
    add word ptr [bp + 2], 2
    pop bp
    mov ax, 0xdead
    iret
far_proc:
    mov ax, cs
    retf
real_puts:
    lodsb
    test al, al
    jz 1f
    out DEBUGCON, al
    jmp real_puts
1:  ret
real_hex:
    mov cx, 4
1:  rol ax, 4
    push ax
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe 2f
    add al, 'a' - '9' - 1
2:  out DEBUGCON, al
    pop ax
    loop 1b
    mov al, '\n'
    out DEBUGCON, al
    ret
real_gdt: .word gdt_end - gdt - 1
    .long gdt
real_end:
.code32
