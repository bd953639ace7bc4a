# Exceptions with what they push: vector, error code, faulting address, and the rest of the frame.
.include "long64.inc"
main:
    xor ecx, ecx
    mov eax, 5
    xor edx, edx
    faults divide_by_zero, div ecx
    mov edx, 5
    mov ecx, 2
    faults divide_overflow, div ecx
    mov rax, 0x8000000000000000
    cqo
    mov rcx, -1
    faults idiv_overflow, idiv rcx
    faults undefined, ud2
    faults selector, mov ds, word ptr bad_selector[rip]
    faults null_stack, mov ss, word ptr null_selector[rip]

    # the frame: RSP as before the instruction, aligned push below; CS, SS, RFLAGS with RF
    mov rbx, rsp
    sub rsp, 4                      # an odd stack: the CPU aligns the frame to 16, RSP is kept
    faults undefined_odd_stack, ud2
    add rsp, 4
    sub rbx, trap_rsp[rip]
    show rsp_difference, rbx
    show cs, trap_cs[rip]
    show ss, trap_ss[rip]
    mov rax, trap_rflags[rip]
    and eax, ~0x8d5
    show rflags, rax

    # #DE in the middle of code keeps all registers
    mov r8, 0x8888
    mov r15, 0xffff
    xor ecx, ecx
    faults divide_again, div rcx
    show r8, r8
    show r15, r15

    quit
.data
bad_selector: .word 0x1f0
null_selector: .word 3
