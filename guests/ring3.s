# User mode: IRETQ down, INT up, what user mode may not do, the stack from the TSS.
.include "long64.inc"

.macro user_fault name, code:vararg
    lea rax, .Lback\@[rip]
    mov resume_kernel[rip], rax
    user_enter .Luser\@
.Luser\@:
    \code
    int 0x80
.Lback\@:
    mov qword ptr trap_from[rip], offset .Luser\@
    say "\name: "
    call print_trap
    show "  cs", trap_cs[rip]
.endm
.macro user_enter target
    mov kernel_rsp[rip], rsp
    push UDATA | 3
    lea rax, user_stack_top[rip]
    push rax
    push 2
    push UCODE | 3
    lea rax, \target[rip]
    push rax
    iretq
.endm

# every exception from user mode lands here: records, and goes on in the kernel
.bss
resume_kernel: .skip 8
.text
.irp v, 0,1,3,4,5,6
u\v: push 0
    push \v
    jmp user_trap
.endr
.irp v, 10,11,12,13,14
u\v: push \v
    jmp user_trap
.endr
user_trap:
    pop qword ptr trap_vector[rip]
    pop qword ptr trap_error[rip]
    pop qword ptr trap_rip[rip]
    pop qword ptr trap_cs[rip]
    mov rax, cr2
    mov trap_cr2[rip], rax
    mov rsp, kernel_rsp[rip]
    jmp resume_kernel[rip]

main:
    say "kernel\n"
    mov eax, 0x80
    lea rdx, int80[rip]
    mov ecx, 0xee
    call set_gate
    mov rdi, 11
    user_call user1
    show result, rdi
    show user_cs, kernel_stack_top[rip - 32]
    show user_ss, kernel_stack_top[rip - 8]
    lea rax, user_stack_top[rip]
    sub rax, kernel_stack_top[rip - 16]
    show user_rsp_below_top, rax

    .irp v, 0,1,3,4,5,6,10,11,12,13,14
    mov eax, \v
    lea rdx, u\v[rip]
    mov ecx, 0x8e
    .if \v == 3
    mov ecx, 0xee
    .endif
    call set_gate
    .endr

    user_fault cli, cli
    user_fault hlt, hlt
    user_fault in, in al, 0xe9
    user_fault out, out 0xe9, al
    user_fault rdmsr, rdmsr
    user_fault mov_cr3, mov rax, cr3
    user_fault lgdt, lgdt gdt_pointer[rip]
    user_fault invlpg, invlpg [0]
    user_fault ud2, ud2
    user_fault int3, int3
    user_fault int_kernel_gate, int 14
    user_fault kernel_selector, mov ds, word ptr kdata[rip]
    user_fault swapgs, swapgs
    user_fault clts, clts
    # POPF leaves IF and IOPL as they are, and says nothing
    user_call user_popf
    and ebx, 0x3200
    show popf_if_iopl, rbx
    # a return to an outer level takes the RPL off null selectors
    user_call user_null
    show null_selectors, rbx

    # a supervisor page: error code 5 for reading, 7 for writing, 0x15 for executing with NX on
    and qword ptr pd[rip + 8*8], ~4
    mov rax, cr3
    mov cr3, rax
    user_fault read_kernel, mov rax, ds:[0x1000010]
    show "  cr2", trap_cr2[rip]
    user_fault write_kernel, mov ds:[0x1000010], rax
    mov rbx, 0x1000020
    user_fault execute_kernel, jmp rbx
    show "  cr2", trap_cr2[rip]
    mov rax, [0x1000010]
    show kernel_reads, rax
    quit
int80:
    add rdi, 0x1000
    iretq
user1:
    imul rdi, rdi, 3
    push rdi
    pop rdi
    add rdi, 1
    int 0x80                    # the gate's DPL is 3; comes back behind
    add rdi, 1
    leave_user
user_null:
    mov eax, 3
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ebx, ds
    shl ebx, 8
    int 0x80
    mov eax, ds
    or ebx, eax
    mov eax, es
    or ebx, eax
    mov eax, fs
    or ebx, eax
    mov eax, gs
    or ebx, eax
    leave_user
user_popf:
    pushfq
    or dword ptr [rsp], 0x3200
    popfq
    pushfq
    pop rbx
    leave_user
.data
kdata: .word KDATA
