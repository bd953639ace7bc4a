# Traps, prefixes that are refused, debug exceptions, faults while a fault is delivered.
.include "long64.inc"
main:
    faults breakpoint, int3
    faults lock_undefined, .byte 0xf0, 0x90
    faults lock_register, .byte 0xf0, 0x01, 0xc0
    faults invalid_in_64, .byte 0x06
    mov rbp, rsp
    enter 32, 2                 # nested frames
    mov rax, rbp
    sub rax, rsp
    leave
    show enter_nested, rax
    faults int_beyond, int 0x99
    mov ecx, 0xc0000082
    mov edx, 0x8000
    xor eax, eax
    faults lstar_not_canonical, wrmsr
    mov ecx, 0x277
    mov edx, 0
    mov eax, 2
    faults pat_reserved_type, wrmsr
    # an access over two pages, the second absent: nothing is written
    and qword ptr pd[rip + 16], ~1          # 4 to 6 MiB
    mov rax, cr3
    mov cr3, rax
    mov rbx, 0x3ffffc
    mov dword ptr [rbx], 0
    mov rax, 0x1122334455667788
    faults crossing, mov [rbx], rax
    show cr2, trap_cr2[rip]
    mov eax, [rbx]
    show untouched, rax
    or qword ptr pd[rip + 16], 1
    mov rax, 0x1122334455667788
    mov [rbx], rax
    mov rax, [rbx + 1]
    show crossing_read, rax
    # single step: the trap comes after the instruction
    mov qword ptr resume_at[rip], offset 2f
    pushfq
    or dword ptr [rsp], 0x100
    popfq
1:  nop
2:  mov rax, trap_rip[rip]
    sub rax, offset 1b
    show step_vector, trap_vector[rip]
    show step_rip, rax
    mov rax, dr6
    and eax, 0x4000
    show dr6_bs, rax
    xor eax, eax
    mov dr6, rax
    pushfq
    and dword ptr [rsp], ~0x100
    popfq

    # a hardware breakpoint on execution: a fault, before the instruction
    lea rax, 3f[rip]
    mov dr0, rax
    mov eax, 0x1
    mov dr7, rax
    mov qword ptr resume_at[rip], offset 4f
    xor ecx, ecx
3:  inc ecx
    inc ecx
4:  xor eax, eax
    mov dr7, rax
    show hw_vector, trap_vector[rip]
    show hw_ecx, rcx

    # a double fault: an exception while #NP is delivered through a broken gate
    mov byte ptr idt[rip + 6*16 + 5], 0x0e      # #UD gate not present -> #NP(0x32+...) in its stead
    faults gate_not_present, ud2
    mov byte ptr idt[rip + 11*16 + 5], 0x0e     # and #NP's gate neither -> #DF
    faults double_fault, ud2
    quit
