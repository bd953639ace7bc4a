# Suspends to RAM and is woken by the clock's alarm: in real mode, in flat protected mode, in long mode (ACPI 6.5, 5.2.10).
.include "long64.inc"
.set PM, 0x600
.set RSDP, 0xf0000

.macro cmos register, value
    mov al, \register
    out 0x70, al
    mov al, \value
    out 0x71, al
.endm

.macro letter l
    mov al, \l
    out DEBUGCON, al
    mov al, 10
    out DEBUGCON, al
.endm

main:
    mov rax, [RSDP + 24]            # XSDT
    mov rax, [rax + 36]             # its first table: FADT
    mov rax, [rax + 132]            # X_FIRMWARE_CTRL: FACS
    mov facs[rip], rax
    cmos 1, 0xff                    # an alarm each second
    cmos 3, 0xff
    cmos 5, 0xff
    cmos 0xb, 0x22
    mov dx, PM + 2
    mov ax, 0x400                   # RTC_EN
    out dx, ax
    mov rsi, offset real
    mov rdi, 0x9000
    mov ecx, offset real_end - real
    rep movsb

    mov rbx, facs[rip]
    mov dword ptr [rbx + 12], 0x9000
    call suspend
    mov rbx, facs[rip]
    mov eax, offset wake32
    mov [rbx + 24], rax
    call suspend
    mov rbx, facs[rip]
    mov eax, offset wake64
    mov [rbx + 24], rax
    mov dword ptr [rbx + 36], 1     # 64BIT_WAKE_F
    call suspend
    quit

# Returns when it is awake: the stack is memory, and stays.
suspend:
    mov kept[rip], rsp
    mov al, 0xc
    out 0x70, al
    in al, 0x71                     # the alarm's flag
    mov dx, PM
    mov ax, 0x8400                  # WAK_STS, RTC_STS
    out dx, ax
    mov dx, PM + 4
    mov ax, 3 << 10 | 1 << 13 | 1
    out dx, ax
1:  jmp 1b

awake:
    mov eax, KDATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, kept[rip]
    lidt idt_pointer[rip]
    mov dx, PM
    xor eax, eax
    in ax, dx
    show status, rax
    ret

wake64:
    letter 'L'
    mov rsp, kept[rip]
    lgdt gdt_pointer[rip]
    mov rax, offset pml4
    mov cr3, rax
    mov rax, cr4
    or eax, 0x620
    mov cr4, rax
    mov ecx, MSR_EFER
    rdmsr
    or eax, 0x801
    wrmsr
    push KCODE
    mov eax, offset awake
    push rax
    retfq

# To compatibility mode, from 32- or 16-bit code; a far jump leads on.
.macro paging_on
    mov eax, 0x620
    mov cr4, eax
    mov eax, offset pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    xor edx, edx
    mov eax, 0x901
    wrmsr
    mov eax, 0x80010033
    mov cr0, eax
.endm

.code32
wake32:
    letter 'P'
    lgdt [gdt_pointer]
    paging_on
    .byte 0xea                      # jmp KCODE:awake
    .long awake
    .word KCODE

# Copied to where real mode reaches it.
.code16
real:
    mov ax, cs
    mov ds, ax
    letter 'R'
    mov bx, offset real_gdt - real
    .byte 0x66
    lgdt [bx]
    paging_on
    .byte 0x66, 0xea                # jmp KCODE:awake
    .long awake
    .word KCODE
real_gdt:
    .word gdt_end - gdt - 1
    .long gdt
real_end:

.bss
.balign 8
facs: .skip 8
kept: .skip 8
