# 32-bit paging: 4-KiB and 4-MiB pages with PSE-36, PAE with its PDPTE registers, which are loaded with CR3 and not before, NX; what is
# reserved in each; faults of ring 3 and of the kernel; accessed and dirty bits (SDM vol. 3, 4.3 and 4.4).
.include "prot32.inc"
.include "user32.inc"
pvh_note start
.globl start
.set VA, 0x40000000
.set PSE, 0x10
.set PAE, 0x20
.bss
.balign 4096
directory: .skip 4096
table: .skip 4096
page: .skip 4096
page2: .skip 4096
pdpt: .skip 32
pdpt_b: .skip 32
.balign 4096
pae_pd: .skip 4*4096
pae_pt: .skip 4096
.text
.macro fault_at text, code:vararg
    faults \text, \code
    show "  cr2", [trap_cr2]
.endm
.macro flags text, where
    mov eax, [\where]
    and eax, 0xfff
    show \text, eax
.endm
.macro reload
    mov eax, cr3
    mov cr3, eax
.endm
start:
    enter32
    enter_tss
    # everything one to one by 4-MiB pages, VA by a table
    mov edi, offset directory
    mov eax, 0x83
    mov ecx, 1024
1:  mov [edi], eax
    add eax, 0x400000
    add edi, 4
    loop 1b
    mov eax, offset table
    or eax, 7
    mov [directory + (VA >> 20)], eax
    mov eax, cr4
    or eax, PSE
    mov cr4, eax
    mov eax, offset directory
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    mov ebx, VA
    say "32-bit paging\n"
    fault_at absent, mov eax, [ebx + 0x123]
    fault_at absent_write, mov [ebx + 0xffe], eax
    lea eax, [page + 3]
    mov [table], eax
    mov dword ptr [page + 16], 0x77
    mov eax, [ebx + 16]
    show mapped, eax
    flags accessed, table
    mov [ebx + 24], eax
    flags dirty, table
    flags directory, directory + (VA >> 20)
    flags large_dirty, directory
    and dword ptr [table], ~2
    invlpg [ebx]
    fault_at wp, mov [ebx], eax
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax
    mov dword ptr [ebx + 32], 5
    show no_wp, [page + 32]
    or eax, 0x10000
    mov cr0, eax
    # PSE-36: bits 13 to 20 of a large page are address bits 32 to 39 (nothing is there), bit 21 is reserved
    mov dword ptr [directory + (VA >> 20) + 4], 0x00200083
    fault_at pse_reserved, mov eax, [ebx + 0x400000]
    mov dword ptr [directory + (VA >> 20) + 4], 0x001fe083
    mov eax, [ebx + 0x400000]
    show pse36, eax
    lea eax, [page + 7]
    mov [table], eax
    # ring 3
    mov edi, offset directory
    mov ecx, 8
1:  or dword ptr [edi], 4
    add edi, 4
    loop 1b
    lea eax, [page2 + 3]
    mov [table + 4], eax
    lea eax, [page2 + 5]
    mov [table + 8], eax
    reload
    user_call user
    # PAE
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, cr4
    or eax, PAE
    mov cr4, eax
    mov edi, offset pae_pd
    mov eax, 0x83
    xor edx, edx
    mov ecx, 2048
1:  mov [edi], eax
    mov [edi + 4], edx
    add eax, 0x200000
    add edi, 8
    loop 1b
.irp i, 0, 1, 2, 3
    lea eax, [pae_pd + \i*4096 + 1]
    mov [pdpt + \i*8], eax
    mov [pdpt_b + \i*8], eax
.endr
    # the second table has no page of VA
    mov dword ptr [pdpt_b + 8], 0
    lea eax, [pae_pt + 7]
    mov [pae_pd + 4096], eax
    lea eax, [page + 3]
    mov [pae_pt], eax
    mov eax, offset pdpt
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    say "PAE\n"
    mov eax, [ebx + 16]
    show mapped, eax
    # PDPTEs are registers: what is written to memory counts when CR3 is loaded
    mov eax, [pdpt + 8]
    mov dword ptr [pdpt + 8], 0
    invlpg [ebx]
    push [ebx + 16]
    mov [pdpt + 8], eax
    pop eax
    show pdpte_is_kept, eax
    mov eax, offset pdpt_b
    mov cr3, eax
    fault_at pdpte_absent, mov eax, [ebx]
    mov eax, offset pdpt
    mov cr3, eax
    mov eax, [ebx + 16]
    show pdpte_again, eax
    # reserved bits of a PDPTE: #GP of the MOV to CR3, which changes nothing
    mov edx, offset pdpt_b
    mov dword ptr [pdpt_b + 8], 0x1001 | 2
    faults pdpte_reserved, mov cr3, edx
    mov dword ptr [pdpt_b + 8], 0x1001
    mov dword ptr [pdpt_b + 12], 0x100
    faults pdpte_maxphyaddr, mov cr3, edx
    mov dword ptr [pdpt_b + 8], 0x1e6
    mov cr3, edx
    say "reserved bits of an absent PDPTE are nobody's\n"
    mov eax, offset pdpt
    mov cr3, eax
    # reserved bits of the others; bit 63 without EFER.NXE
    mov dword ptr [pae_pt + 4], 0x80000000
    invlpg [ebx]
    fault_at nx_without_nxe, mov eax, [ebx]
    mov dword ptr [pae_pt + 4], 0x100
    invlpg [ebx]
    fault_at maxphyaddr, mov eax, [ebx]
    mov dword ptr [pae_pt + 4], 0x40000000
    invlpg [ebx]
    fault_at bit62, mov eax, [ebx]
    mov dword ptr [pae_pt + 4], 0
    mov dword ptr [pae_pd + 4096 + 8], 0x2083
    fault_at large_reserved, mov eax, [ebx + 0x200000]
    # NX
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    wrmsr
    mov byte ptr [page], 0xc3
    invlpg [ebx]
    call ebx
    say "runs\n"
    mov dword ptr [pae_pt + 4], 0x80000000
    invlpg [ebx]
    mov ebp, esp
    mov dword ptr [resume_at], offset 1f
    call ebx
1:  mov esp, ebp
    mov eax, [trap_eip]
    sub eax, VA
    mov [trap_eip], eax
    say "nx: "
    call print_trap
    show "  cr2", [trap_cr2]
    mov eax, [ebx + 16]
    show nx_reads, eax
    quit
user:
    fault_at user_absent, mov eax, [ebx + 0x5000]
    fault_at user_kernel_page, mov eax, [ebx + 0x1000]
    fault_at user_kernel_write, mov [ebx + 0x1000], eax
    fault_at user_read_only, mov [ebx + 0x2000], eax
    mov eax, [ebx + 0x2000]
    mov dword ptr [ebx + 64], 0x64
    push [ebx + 64]
    pop eax
    show user_page, eax
    int 0x40
