# What pages let whom do: SMEP, SMAP with STAC and CLAC and the CPU's own accesses, UMIP, WP for the kernel, PCIDs with INVPCID, global pages, 1-GiB pages,
# reserved bits by MAXPHYADDR, and the bits of CR0, CR3 and CR4 that there are not (SDM vol. 3, 2.5 and chapter 4).
.include "long64.inc"
.set USER_END, 16               # the UD2 behind code for ring 3
.set VA, 0x8000000000           # the second PML4 entry
.set SMEP, 1 << 20
.set SMAP, 1 << 21
.set UMIP, 1 << 11
.set PCIDE, 1 << 17
.set PGE, 1 << 7
.bss
.balign 4096
t_pdpt: .skip 4096
t_pd: .skip 4096
t_pt: .skip 4096
page: .skip 4096
page2: .skip 4096
pml4_b: .skip 4096
descriptor: .skip 16
.text
.macro fault_at text, code:vararg
    faults \text, \code
    show "  cr2", trap_cr2[rip]
.endm
.macro cr4_set bits
    mov rax, cr4
    or rax, \bits
    mov cr4, rax
.endm
.macro cr4_clear bits
    mov rax, cr4
    and rax, ~(\bits)
    mov cr4, rax
.endm
.macro invalidate type, pcid, address
    mov qword ptr descriptor[rip], \pcid
    mov rcx, \address
    mov descriptor[rip + 8], rcx
    mov eax, \type
    invpcid rax, descriptor[rip]
.endm
main:
    # the features that this guest is about
    mov eax, 7
    xor ecx, ecx
    cpuid
    and ebx, 1 << 7 | 1 << 10 | 1 << 20
    and ecx, 1 << 2
    show cpuid_7_ebx, rbx
    show cpuid_7_ecx, rcx
    # our own pages become the kernel's; the test's are behind VA: page 0 the user's, page 1 the kernel's
    mov rdi, offset pd
    mov ecx, 2048
1:  and qword ptr [rdi], ~4
    add rdi, 8
    loop 1b
    lea rax, t_pdpt[rip + 7]
    mov pml4[rip + 8], rax
    lea rax, t_pd[rip + 7]
    mov t_pdpt[rip], rax
    lea rax, t_pt[rip + 7]
    mov t_pd[rip], rax
    lea rax, page[rip + 7]
    mov t_pt[rip], rax
    lea rax, page2[rip + 3]
    mov t_pt[rip + 8], rax
    mov rax, cr3
    mov cr3, rax
    mov rbx, VA
    mov byte ptr page[rip], 0xc3
    mov dword ptr page[rip + 64], 0x64

    # SMEP
    call rbx
    say "the kernel runs the user's page\n"
    cr4_set SMEP
    mov r15, rsp
    fault_at smep, call rbx
    mov rsp, r15
    mov eax, [rbx + 64]
    show smep_reads, rax
    cr4_clear SMEP
    # SMAP
    cr4_set SMAP
    fault_at smap_read, mov eax, [rbx + 64]
    fault_at smap_write, mov [rbx + 64], eax
    stac
    mov eax, [rbx + 64]
    mov [rbx + 68], eax
    clac
    show stac, rax
    fault_at smap_again, mov eax, [rbx + 64]
    pushfq
    or dword ptr [rsp], 0x40000
    popfq
    mov eax, [rbx + 68]
    pushfq
    and dword ptr [rsp], ~0x40000
    popfq
    show popf_ac, rax
    # the CPU's own accesses are not opened by AC: an LDT on the user's page
    lea rsi, gdt[rip]
    lea rdi, test_gdt[rip]
    mov ecx, gdt_end - gdt
    rep movsb
    lgdt test_gdt_pointer[rip]
    mov eax, 0x50
    lldt ax
    mov rax, gdt[rip + KDATA]
    mov page[rip + 256], rax
    stac
    fault_at smap_implicit, mov fs, word ptr selector[rip]
    clac
    cr4_clear SMAP
    mov fs, word ptr selector[rip]
    mov eax, fs
    show from_ldt, rax
    xor eax, eax
    mov fs, eax
    lldt ax
    lgdt gdt_pointer[rip]
    # STAC is not for ring 3; UMIP keeps tables from it
    lea rax, page2[rip + 7]
    mov t_pt[rip + 8], rax
    invlpg [rbx + 4096]
.macro in_user text, code:vararg
    .section .rodata
    .balign 16
.Luser\@:
    \code
    .balign 16, 0x90
    .text
    mov rax, .Luser\@[rip]
    mov page[rip], rax
    mov rax, .Luser\@[rip + 8]
    mov page[rip + 8], rax
    call run_user
    show \text, r13
.endm
    mov word ptr page[rip + USER_END], 0x0b0f    # UD2
    # (each with a HLT behind it, which would be #GP; #UD of the instruction itself comes back without a vector)
    in_user stac, .byte 0x0f, 0x01, 0xcb, 0xf4
    in_user clac, .byte 0x0f, 0x01, 0xca, 0xf4
.macro tables text
    in_user \text\()_sgdt, sgdt [rbx + 512]
    in_user \text\()_sidt, sidt [rbx + 512]
    in_user \text\()_sldt, sldt eax
    in_user \text\()_str, str eax
    in_user \text\()_smsw, smsw eax
.endm
    tables without
    cr4_set UMIP
    tables umip
    cr4_clear UMIP
    mov byte ptr page[rip], 0xc3

    # write protection of the kernel
    lea rax, page2[rip + 1]
    mov t_pt[rip + 8], rax
    invlpg [rbx + 4096]
    fault_at wp, mov [rbx + 4096], eax
    # global pages outlive CR3 and go with CR4.PGE
    cr4_set PGE
    lea rax, page2[rip + 0x103]
    mov t_pt[rip + 8], rax
    mov rax, cr3
    mov cr3, rax
    mov dword ptr page2[rip + 8], 0x22
    mov eax, [rbx + 4104]
    show global, rax
    lea rax, page[rip + 0x103]
    mov t_pt[rip + 8], rax
    mov dword ptr page[rip + 8], 0x11
    cr4_clear PGE
    mov eax, [rbx + 4104]
    show after_pge, rax

    # PCIDs: two address spaces whose VA differs
    lea rsi, pml4[rip]
    lea rdi, pml4_b[rip]
    mov ecx, 512
    rep movsq
    mov r14, 0x8000000000000000
    faults cr3_bit63, mov cr3, r14
    mov r14, 1 << 40
    faults cr3_maxphyaddr, mov cr3, r14
    mov rax, cr3
    or rax, 1
    mov cr3, rax
    mov rax, cr4
    or rax, PCIDE
    faults pcide_with_pcid, mov cr4, rax
    mov rax, cr3
    and rax, ~0xfff
    mov cr3, rax
    cr4_set PCIDE
    lea rax, page2[rip + 3]
    mov t_pt[rip + 8], rax
    invalidate 0, 0, "offset VA + 4096"
    mov eax, [rbx + 4104]
    show pcid_0, rax
    mov rax, offset pml4_b + 5
    mov cr3, rax
    mov eax, [rbx + 4104]
    show pcid_5, rax
    mov rax, cr3
    sub rax, offset pml4_b
    show cr3_low, rax
    mov rax, 0x8000000000000000
    or rax, offset pml4
    mov cr3, rax
    mov rax, cr3
    shr rax, 63
    show bit63_is_not_kept, rax
    lea rax, page[rip + 3]
    mov t_pt[rip + 8], rax
    invalidate 1, 0, 0
    mov eax, [rbx + 4104]
    show single_context, rax
    lea rax, page2[rip + 3]
    mov t_pt[rip + 8], rax
    invalidate 2, 0, 0
    mov eax, [rbx + 4104]
    show all_global, rax
    lea rax, page[rip + 3]
    mov t_pt[rip + 8], rax
    invalidate 3, 0, 0
    mov eax, [rbx + 4104]
    show all, rax
    mov qword ptr descriptor[rip], 0x1000
    mov eax, 1
    faults invpcid_reserved, invpcid rax, descriptor[rip]
    mov eax, 4
    mov qword ptr descriptor[rip], 0
    faults invpcid_type, invpcid rax, descriptor[rip]
    mov rcx, 0x800000000000
    mov descriptor[rip + 8], rcx
    xor eax, eax
    faults invpcid_address, invpcid rax, descriptor[rip]
    cr4_clear PCIDE
    mov qword ptr descriptor[rip], 3
    faults invpcid_without, invpcid rax, descriptor[rip]

    # a 1-GiB page; its low bits are reserved, as is what is above MAXPHYADDR
    mov qword ptr t_pdpt[rip + 8], 0x83
    mov rdx, VA + 0x40000000
    lea rax, page[rip + 8]
    mov eax, [rdx + rax]
    show gigabyte, rax
    mov qword ptr t_pdpt[rip + 16], 0x2083
    mov rdx, VA + 0x80000000
    fault_at gigabyte_reserved, mov eax, [rdx]
    mov rax, 1 << 40 | 3
    mov t_pt[rip + 16], rax
    fault_at maxphyaddr, mov eax, [rbx + 0x2000]
    mov rax, 1 << 52 | 1 << 62 | 3
    mov t_pt[rip + 24], rax
    lea rcx, page[rip]
    or t_pt[rip + 24], rcx
    mov eax, [rbx + 0x3008]
    show ignored_bits, rax
    # PS in a PML4E is reserved
    or qword ptr pml4[rip + 8], 0x80
    mov rax, cr3
    mov cr3, rax
    fault_at pml4e_ps, mov eax, [rbx]
    and qword ptr pml4[rip + 8], ~0x80
    mov rax, cr3
    mov cr3, rax

    # control registers: what there is not
    mov rax, cr4
    bts rax, 12
    faults la57, mov cr4, rax
    btr rax, 12
    bts rax, 23
    faults cet, mov cr4, rax
    btr rax, 23
    bts rax, 13
    faults vmxe, mov cr4, rax
    btr rax, 13
    bts rax, 40
    faults cr4_high, mov cr4, rax
    mov rax, cr0
    bts rax, 32
    faults cr0_high, mov cr0, rax
    mov rax, cr0
    bts rax, 29
    faults nw_without_cd, mov cr0, rax
    mov rax, cr0
    mov rcx, rax
    or rax, 0x1000ff80 & ~0x40000000        # reserved bits stay clear
    mov cr0, rax
    mov rax, cr0
    sub rax, rcx
    show cr0_reserved, rax
    mov eax, 16
    faults cr8_reserved, mov cr8, rax
    quit

# Runs the code at VA in ring 3: R13 is the vector that it raised, or 0.
run_user:
    mov qword ptr trap_vector[rip], 0
    mov rax, VA + (USER_END)
    mov resume_at[rip], rax
    lea rdx, 1f[rip]
    mov kernel_return[rip], rdx
    mov kernel_rsp[rip], rsp
    lea rdx, from_user[rip]
    mov eax, 6
    mov ecx, 0x8e
    call set_gate
    push UDATA | 3
    push 0
    push 2
    push UCODE | 3
    push rbx
    iretq
1:  mov r13, trap_vector[rip]
    mov qword ptr resume_at[rip], 0
    ret
.data
selector: .word 4
test_gdt_pointer: .word test_gdt_end - test_gdt - 1
    .quad test_gdt
.balign 8
test_gdt: .skip 0x50
    .quad 0x0000820001000007        # an LDT of one descriptor at VA + 256
    .quad VA >> 32
test_gdt_end:
