# 4-level paging: faults with CR2 and error code, accessed and dirty bits, INVLPG, NX, write protection, reserved bits.
.include "long64.inc"
.bss
.balign 4096
low_pdpt: .skip 4096
low_pd: .skip 4096
low_pt: .skip 4096
page: .skip 4096
page2: .skip 4096
.text
.set VA, 0x8000000000           # the second PML4 entry
.macro entry index, value:vararg
    mov rax, \value
    mov low_pt[rip + \index*8], rax
.endm
.macro fault_at text, code:vararg
    faults \text, \code
    show "  cr2", trap_cr2[rip]
.endm
main:
    lea rax, low_pdpt[rip + 7]
    mov pml4[rip + 8], rax
    lea rax, low_pd[rip + 7]
    mov low_pdpt[rip], rax
    lea rax, low_pt[rip + 7]
    mov low_pd[rip], rax
    mov rbx, VA

    fault_at read_absent, mov rax, [rbx + 0x123]
    fault_at write_absent, mov [rbx + 0x1ffe], rax
    lea rcx, page[rip]
    or rcx, 3
    mov low_pt[rip], rcx
    mov qword ptr page[rip + 16], 0x77
    show mapped, [rbx + 16]
    mov rax, low_pt[rip]
    and eax, 0xfff
    show accessed, rax
    mov [rbx + 24], rbx
    mov rax, low_pt[rip]
    and eax, 0xfff
    show dirty, rax
    mov rax, low_pd[rip]
    and eax, 0xfff
    show directory, rax
    show through, page[rip + 24]

    # read-only, with and without CR0.WP
    and qword ptr low_pt[rip], ~2
    invlpg [rbx]
    fault_at write_protected, mov [rbx + 8], rax
    mov rax, cr0
    btr rax, 16
    mov cr0, rax
    mov qword ptr [rbx + 8], 0x1234
    show written, page[rip + 8]
    bts rax, 16
    mov cr0, rax
    fault_at write_protected_again, mov [rbx + 8], rax

    # no-execute
    mov byte ptr page[rip], 0xc3        # RET
    call rbx
    say "executed\n"
    mov rax, 0x8000000000000000
    or qword ptr low_pt[rip], 2
    or low_pt[rip], rax
    invlpg [rbx]
    mov r15, rsp
    fault_at execute, call rbx
    mov rsp, r15

    lea rcx, page2[rip]
    or rcx, 3
    mov low_pt[rip + 8], rcx
    # reserved bit 51 of the physical address
    mov rax, 0x0008000000000000
    or low_pt[rip + 8], rax
    invlpg [rbx + 4096]
    fault_at reserved, mov rax, [rbx + 4096]
    mov rax, 0xfff7ffffffffffff
    and low_pt[rip + 8], rax

    # reserved bit in a large page of the directory
    mov qword ptr low_pd[rip + 8], 0x2083
    fault_at reserved_large, mov rax, [rbx + 0x200000]

    # a TLB may keep what INVLPG has not thrown out; after it the new page shows
    lea rcx, page2[rip + 3]
    mov low_pt[rip], rcx
    invlpg [rbx]
    mov qword ptr page2[rip + 32], 0x99
    show remapped, [rbx + 32]
    lea rcx, page[rip + 3]
    mov low_pt[rip], rcx
    mov rax, cr3
    mov cr3, rax
    show remapped_back, [rbx + 16]

    # non-canonical addresses: #GP, through the stack #SS
    mov rdx, 0x800000000000
    faults not_canonical, mov rax, [rdx]
    faults not_canonical_jump, jmp rdx
    mov rbp, rdx
    faults not_canonical_stack, mov rax, [rbp]

    # 1-GiB pages are not in this model's CPUID everywhere; 2-MiB ones carry everything above
    quit
