# Several CPUs: they start, their locked operations are atomic, a CPU's stores to its page tables and its code reach the others.
.include "smp.inc"
.set EACH, 2000

.bss
.balign 4096
page_a: .skip 4096
page_b: .skip 4096
counters: .skip 4096        # the one at the end crosses into the next page
after: .skip 64
mapped: .skip 8
acknowledged: .skip 8
seen: .skip 8*MAX_CPUS
nmis: .skip 8
.balign 64
spin: .skip 64
pair: .skip 64
generation: .skip 64

.text
main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    call start_cpus
    show cpus, cpus[rip]
    on_all numbers
    show numbers, counters[rip]
    mov qword ptr counters[rip], 0
    on_all counting
    .irp o, 0, 64, 128, 192, 259, 320, 384
    show count, counters[rip + \o]
    .endr
    show crossing, counters[rip + 4092]
    show pair_low, pair[rip]
    show pair_high, pair[rip + 8]
    show bits, counters[rip + 448]
    show locked, spin[rip + 8]
    call shootdown
    call code
    call nmi
    quit

# Each CPU sets the bit of its number, and of its initial APIC id.
numbers:
    mov eax, 1
    cpuid
    shr ebx, 24
    lock bts dword ptr counters[rip], ebx
    mov eax, 0xb
    mov ecx, 0
    cpuid
    add edx, 16
    lock bts dword ptr counters[rip], edx
    ret

counting:
    mov ebp, EACH
    lea r8, counters[rip]
1:  lock inc qword ptr [r8]
    mov eax, 3
    lock xadd [r8 + 64], eax
    lock add word ptr [r8 + 128], 1
    lock sub byte ptr [r8 + 192], 1
    lock add word ptr [r8 + 259], 1     # across a doubleword
    # compare and exchange, until it succeeds
    mov eax, [r8 + 320]
2:  lea ecx, [rax + 1]
    lock cmpxchg [r8 + 320], ecx
    jnz 2b
    # the same of eight bytes
    mov eax, [r8 + 384]
    mov edx, [r8 + 388]
3:  mov ebx, eax
    mov ecx, edx
    add ebx, 1
    adc ecx, 0
    lock cmpxchg8b [r8 + 384]
    jnz 3b
    # and of sixteen
    lea r9, pair[rip]
    mov rax, [r9]
    mov rdx, [r9 + 8]
4:  lea rbx, [rax + 1]
    lea rcx, [rdx - 1]
    lock cmpxchg16b [r9]
    jnz 4b
    # across two pages
    lock inc qword ptr [r8 + 4092]
    # a lock and a count that is not atomic
    lea r9, spin[rip]
5:  mov eax, 1
    xchg eax, [r9]
    test eax, eax
    jz 6f
    pause
    jmp 5b
6:  inc qword ptr [r9 + 8]
    mov dword ptr [r9], 0
    dec ebp
    jnz 1b
    # a bit each: set, complemented, reset, complemented
    mov ecx, r15d
    lock bts dword ptr [r8 + 448], ecx
    lock btc dword ptr [r8 + 448], ecx
    lock btc dword ptr [r8 + 448], ecx
    add ecx, 16
    lock bts dword ptr [r8 + 448], ecx
    lock btr dword ptr [r8 + 448], ecx
    ret

# rax = what all CPUs have seen, together.
all_seen:
    xor eax, eax
    xor ecx, ecx
1:  add rax, seen[rcx*8]
    inc ecx
    cmp rcx, cpus[rip]
    jb 1b
    ret

# The boot CPU maps another page at one address; the others drop their translation when they are told.
shootdown:
    mov qword ptr page_a[rip], 0xaaaa
    mov qword ptr page_b[rip], 0xbbbb
    # a page table for the 2 MiB from 1 GiB on
    lea rax, page_table[rip]
    or rax, 3
    mov pd[rip + 4096], rax
    lea rax, page_a[rip]
    or rax, 3
    mov page_table[rip], rax
    mov rax, cr3
    mov cr3, rax
    mov qword ptr generation[rip], 0
    mov qword ptr acknowledged[rip], 0
    on_all watch
    call all_seen
    show shootdown, rax
    ret
watch:
    test r15, r15
    jnz 3f
    # 200 times: the other page, tell, wait for all
    mov ebp, 200
1:  lea rax, page_a[rip]
    test ebp, 1
    jz 2f
    lea rax, page_b[rip]
2:  or rax, 3
    mov page_table[rip], rax
    invlpg [0x40000000]
    mov qword ptr acknowledged[rip], 1
    lock inc qword ptr generation[rip]
6:  pause
    mov rax, cpus[rip]
    cmp acknowledged[rip], rax
    jb 6b
    dec ebp
    jnz 1b
    mov qword ptr seen[rip], 0
    ret
    # the others: what they read has to be the page of the generation
3:  xor r14d, r14d
    xor ebp, ebp
    mov rax, [0x40000000]
4:  inc r14
5:  pause
    cmp generation[rip], r14
    jb 5b
    invlpg [0x40000000]
    mov rax, [0x40000000]
    mov ecx, 0xaaaa
    test r14, 1
    jnz 7f
    mov ecx, 0xbbbb
7:  cmp rax, rcx
    je 8f
    inc ebp
8:  lock inc qword ptr acknowledged[rip]
    cmp r14, 200
    jb 4b
    mov seen[r15*8], rbp
    ret
.bss
.balign 4096
page_table: .skip 4096
.text

# The boot CPU changes an instruction; the others run it behind a serializing one (SDM vol. 3, 9.1.3).
code:
    mov qword ptr generation[rip], 0
    mov qword ptr acknowledged[rip], 0
    on_all patch
    call all_seen
    show stale, rax
    ret
.balign 64
patched:
    mov eax, 0
    ret
patch:
    test r15, r15
    jnz 3f
    mov ebp, 1
1:  mov patched[rip + 1], ebp
    mov qword ptr acknowledged[rip], 1
    mov generation[rip], rbp
2:  pause
    mov rax, cpus[rip]
    cmp acknowledged[rip], rax
    jb 2b
    inc ebp
    cmp ebp, 1000
    jbe 1b
    mov qword ptr seen[rip], 0
    ret
3:  xor r14d, r14d
    xor ebp, ebp
    call patched
4:  inc r14
5:  pause
    cmp generation[rip], r14
    jb 5b
    xor eax, eax
    cpuid
    call patched
    cmp rax, r14
    je 6f
    inc ebp
6:  lock inc qword ptr acknowledged[rip]
    cmp r14, 1000
    jb 4b
    mov seen[r15*8], rbp
    ret

# An NMI to all others, which wait in HLT with interrupts off.
nmi:
    mov eax, 2
    lea rdx, on_nmi[rip]
    mov ecx, 0x8e
    call set_gate
    mov qword ptr acknowledged[rip], 1
    on_all sleep
    show nmis, nmis[rip]
    ret
sleep:
    test r15, r15
    jnz 2f
1:  pause
    mov rax, cpus[rip]
    cmp acknowledged[rip], rax
    jb 1b
    mov ecx, 20000              # they are about to halt
3:  pause
    loop 3b
    mov edx, APIC
    mov dword ptr [rdx + 0x300], 0xc4400
    ret
2:  lock inc qword ptr acknowledged[rip]
    hlt
    ret
on_nmi:
    lock inc qword ptr nmis[rip]
    iretq
