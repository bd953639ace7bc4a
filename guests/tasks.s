# Hardware task switches: JMP, CALL, INT, IRET and task gates, 32- and 16-bit TSSs, back links, busy bits, NT, CR0.TS, the T bit, LDT and CR3,
# and the faults of each stage (SDM vol. 3, chapter 8).
.include "prot32.inc"
.include "user32.inc"
pvh_note start
.globl start
.set TASK_B, 0x30
.set TASK_16, 0x38
.set GATE_B, 0x40
.set TASK_D, 0x48
.set LDT, 0x50
.set GATE_NP, 0x58
.set TASK_SMALL, 0x60
.set TASK_NP, 0x68
.set CODE16, 0x70
.set DATA_RING3, 0x78
.bss
.balign 16
tss_b: .skip 104
tss_d: .skip 104
tss_16: .skip 44
stack_b: .skip 4096
stack_b_top:
stack_d: .skip 4096
stack_d_top:
ldt: .skip 16
count: .skip 4
.balign 4096
directory: .skip 4096
directory_b: .skip 4096
.text
# a fresh 32-bit TSS
.macro make_task name, entry, top, selector
    mov edi, offset \name
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov dword ptr [\name + 32], offset \entry
    mov dword ptr [\name + 36], 2
    mov dword ptr [\name + 56], offset \top
    mov word ptr [\name + 72], KDATA
    mov word ptr [\name + 76], KCODE
    mov word ptr [\name + 80], KDATA
    mov word ptr [\name + 84], KDATA
    mov word ptr [\name + 88], KDATA
    mov word ptr [\name + 92], KDATA
    mov word ptr [\name + 102], 104
    descriptor \selector, "offset \name", 103, 0x89, 0
.endm
.macro busy text, selector
    movzx eax, byte ptr [gdt + \selector + 5]
    show "\text", eax
.endm
start:
    enter32
    enter_tss
    make_task tss_b, task_b, stack_b_top, TASK_B
    make_task tss_d, task_d, stack_d_top, TASK_D
    # a task gate, DPL 3, and one that is not present
    mov dword ptr [gdt + GATE_B], TASK_B << 16
    mov dword ptr [gdt + GATE_B + 4], 0xe500
    mov dword ptr [gdt + GATE_NP], TASK_B << 16
    mov dword ptr [gdt + GATE_NP + 4], 0x6500

    mov dword ptr [tss_b + 40], 0xb0b0b0b0
    mov dword ptr [tss_b + 68], 0xd1d1d1d1
    mov ebx, 0x1234567
    ljmp TASK_B, 0
    say "back by jump\n"
    show ebx, ebx
    busy a_busy, TSS
    busy b_free, TASK_B
    show saved_eax, [tss_b + 40]
    lcall TASK_B, 0
    say "back by iret\n"
    busy b_free, TASK_B
    pushfd
    pop eax
    and eax, 0x4000
    show nt, eax
    lcall GATE_B, 0
    say "back by gate\n"
    # INT by a task gate
    mov dword ptr [idt + 0x41*8], TASK_B << 16
    mov dword ptr [idt + 0x41*8 + 4], 0xe500
    int 0x41
    say "back by int\n"
    # CR0.TS
    mov eax, cr0
    and eax, 8
    show ts, eax
    faults nm, fnop
    clts

    # an exception with an error code by a task gate: the handler has it on its stack, and the old task's EIP at the instruction
    mov dword ptr [idt + 13*8], TASK_D << 16
    mov dword ptr [idt + 13*8 + 4], 0x8500
    mov dword ptr [count], 7
    mov gs, word ptr [sel_beyond]
    say "after the fault\n"
    mov al, 13
    mov edx, offset stub13
    mov cl, 0x8e
    call set_gate

    # refused before the switch
    faults busy, ljmp TSS, 0
    faults busy_call, lcall TSS, 0
    faults gate_not_present, ljmp GATE_NP, 0
    descriptor TASK_SMALL, "offset tss_b", 102, 0x89, 0
    faults limit, lcall TASK_SMALL, 0
    descriptor TASK_NP, "offset tss_b", 103, 0x09, 0
    faults not_present, ljmp TASK_NP, 0
    mov dword ptr [gdt + GATE_NP], 4 << 16
    mov byte ptr [gdt + GATE_NP + 5], 0xe5
    faults gate_to_ldt, ljmp GATE_NP, 0
    mov dword ptr [gdt + GATE_NP], 0x1f8 << 16
    faults gate_beyond, lcall GATE_NP, 0
    mov dword ptr [gdt + GATE_NP], KDATA << 16
    faults gate_to_data, lcall GATE_NP, 0
    mov dword ptr [idt + 0x42*8], 0x1f8 << 16
    mov dword ptr [idt + 0x42*8 + 4], 0xe500
    faults int_beyond, int 0x42
    # an IRET with NT whose link is no busy TSS
    mov word ptr [tss], TASK_B
    pushfd
    or dword ptr [esp], 0x4000
    popfd
    mov dword ptr [resume_at], offset 2f
    iretd
2:  say "iret_link: "
    mov dword ptr [trap_eip], 0
    call print_trap
    pushfd
    and dword ptr [esp], ~0x4000
    popfd
    mov word ptr [tss], 0

    # faults of the new task: #TS and its like by task D
    mov dword ptr [idt + 10*8], TASK_D << 16
    mov dword ptr [idt + 10*8 + 4], 0x8500
    mov dword ptr [idt + 11*8], TASK_D << 16
    mov dword ptr [idt + 11*8 + 4], 0x8500
    mov dword ptr [idt + 12*8], TASK_D << 16
    mov dword ptr [idt + 12*8 + 4], 0x8500
.macro bad text, offset, value, good
    say "\text: "
    mov dword ptr [tss_b + 32], offset task_b
    mov dword ptr [tss_b + 36], 2
    mov dword ptr [tss_b + 56], offset stack_b_top
    mov word ptr [tss_b + \offset], \value
    ljmp TASK_B, 0
    mov word ptr [tss_b + \offset], \good
.endm
    bad ldt_is_code, 96, KCODE, 0
    bad ldt_in_ldt, 96, 4, 0
    bad cs_null, 76, 0, KCODE
    bad cs_data, 76, KDATA, KCODE
    bad cs_rpl, 76, KCODE|3, KCODE
    bad ss_null, 80, 0, KDATA
    bad ss_rpl, 80, KDATA|3, KDATA
    bad ss_code, 80, KCODE, KDATA
    bad ds_beyond, 84, 0x1f8, KDATA
    bad ds_system, 84, TSS, KDATA
    descriptor DATA_RING3, 0, 0xfffff, 0x73, 0xc
    bad es_not_present, 72, DATA_RING3, KDATA
    bad ss_dpl, 80, UDATA, KDATA
    descriptor DATA_RING3, 0, 0xfffff, 0x13, 0xc
    bad ss_not_present, 80, DATA_RING3, KDATA
    descriptor DATA_RING3, 0, 0xfffff, 0x1b, 0xc
    bad cs_not_present, 76, DATA_RING3, KCODE
    mov al, 10
    mov edx, offset stub10
    mov cl, 0x8e
    call set_gate

    # an LDT comes with the task
    mov dword ptr [ldt], 0x0000ffff
    mov dword ptr [ldt + 4], 0x00cf9300
    descriptor LDT, "offset ldt", 15, 0x82, 0
    mov dword ptr [tss_b + 32], offset task_ldt
    mov dword ptr [tss_b + 36], 2
    mov word ptr [tss_b + 96], LDT
    mov word ptr [tss_b + 88], 4
    ljmp TASK_B, 0
    sldt eax
    show ldt_here, eax
    mov word ptr [tss_b + 96], 0
    mov word ptr [tss_b + 88], KDATA

    # the T bit: #DB before the first instruction
    mov dword ptr [tss_b + 32], offset task_trap
    mov word ptr [tss_b + 100], 1
    mov dword ptr [resume_at], offset resumed_b
    mov eax, 0xffff0ff0
    mov dr6, eax
    mov eax, 0x6ff
    mov dr7, eax
    ljmp TASK_B, 0
    mov word ptr [tss_b + 100], 0
    mov eax, [trap_vector]
    show t_vector, eax
    mov eax, [trap_eip]
    sub eax, offset task_trap
    show t_eip, eax
    mov eax, dr6
    and eax, 0xe00f
    show t_dr6, eax
    mov eax, dr7
    show local_enables_gone, eax
    mov eax, 0x400
    mov dr7, eax

    # a 16-bit task
    descriptor TASK_16, "offset tss_16", 43, 0x81, 0
    descriptor CODE16, "offset task16", 0xffff, 0x9a, 0
    mov word ptr [tss_16 + 14], 0
    mov word ptr [tss_16 + 16], 2
    mov word ptr [tss_16 + 18], 0x1616
    mov word ptr [tss_16 + 26], 0x7000
    mov word ptr [tss_16 + 34], KDATA
    mov word ptr [tss_16 + 36], CODE16
    mov word ptr [tss_16 + 38], KDATA
    mov word ptr [tss_16 + 40], KDATA
    mov eax, 0x99998888
    lcall TASK_16, 0
    say "back from 16 bits\n"
    show eax, eax
    movzx eax, word ptr [tss_16]
    show link16, eax
    movzx eax, word ptr [tss_16 + 18]
    show ax16, eax
    movzx eax, word ptr [tss_16 + 20]
    show cx16, eax
    mov eax, fs
    show fs_here, eax

    # paging: CR3 comes with the task
    mov edi, offset directory
    mov eax, 0x83
    mov ecx, 1024
1:  mov [edi], eax
    mov [edi + 4096], eax
    add eax, 0x400000
    add edi, 4
    loop 1b
    mov eax, [directory]
    mov [directory_b + 16*4], eax       # 64 MiB is 0 for task B
    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov eax, offset directory
    mov cr3, eax
    mov [tss + 28], eax
    mov dword ptr [tss_b + 28], offset directory_b
    mov dword ptr [tss_b + 32], offset task_cr3
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov dword ptr [0x500], 0xabcd
    ljmp TASK_B, 0
    mov eax, cr3
    sub eax, offset directory
    show cr3_back, eax
    # the old TSS is not writable: #PF, and nothing has happened
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    clts
    quit

task_b:
    say "in b: "
    str eax
    show tr, eax
    pushfd
    pop eax
    and eax, 0x4000
    show "  nt", eax
    movzx eax, word ptr [tss_b]
    show "  link", eax
    movzx eax, byte ptr [gdt + TSS + 5]
    show "  a", eax
    movzx eax, byte ptr [gdt + TASK_B + 5]
    show "  b", eax
    show "  edi", edi
    cmp dword ptr [count], 0
    jne 1f
    inc dword ptr [count]
    mov eax, 0x5a5a
    ljmp TSS, 0
1:  iretd
    jmp task_b

# Task D: prints the error code and who faulted; a first time skips the instruction in A and returns, later goes to A.
task_d:
    say "fault "
    pop eax
    show error, eax
    movzx eax, word ptr [tss_d]
    show "  task", eax
    cmp dword ptr [count], 7
    jne 1f
    mov dword ptr [count], 8
    add dword ptr [tss + 32], 6     # the instruction's length
    iretd
    jmp task_d
1:  and byte ptr [gdt + TASK_B + 5], ~2
    pushfd
    and dword ptr [esp], ~0x4000
    popfd
    mov dword ptr [tss_d + 32], offset task_d
    ljmp TSS, 0
    jmp task_d

task_ldt:
    sldt eax
    show ldt_there, eax
    push fs:[count]
    pop eax
    show fs_count, eax
    ljmp TSS, 0
task_trap:
    nop
resumed_b:
    ljmp TSS, 0
task_cr3:
    mov eax, [0x4000500]
    show through_cr3, eax
    ljmp TSS, 0
.code16
task16:
    inc ax
    mov cx, cs
    iret
.code32
.data
sel_beyond: .word 0x1f8
