# Litmus tests of x86-TSO (SDM vol. 3, 9.2; Owens, Sarkar, Sewell: A better x86 memory model: x86-TSO, 2009). The command line has the
# number of runs of each. Prints for each test how often the outcome that TSO forbids was seen, or, for SB without a fence and its like,
# whether the one that only a store buffer explains was. On 2 CPUs; IRIW on 4.
.include "smp.inc"

.bss
.balign 64
x: .skip 64
y: .skip 64
results: .skip 64*4         # of each CPU, a cache line each: two doublewords
runs: .skip 8
hits: .skip 8
kind: .skip 8               # the test under way
cpus_of_test: .skip 8

.text
# A body: the CPU's number is in r15; eax and ecx are its results. Delays of its own make the CPUs meet in different ways.
.macro litmus name, code, want
    .section .rodata
.Lname\@: .asciz "\name="
    .text
    mov qword ptr kind[rip], offset \code
    mov qword ptr judge[rip], offset \want
    mov rsi, offset .Lname\@
    call run_test
.endm

.bss
judge: .skip 8
.text

main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    call start_cpus
    call parse_runs
    cmp qword ptr cpus[rip], 4
    jae four
    # what only a store buffer explains may be seen or not: asked for in long runs
    cmp qword ptr runs[rip], 100000
    jb 1f
    litmus sb_relaxed, sb, both_zero
1:
    litmus sb_mfence, sb_mfence, both_zero
    litmus sb_xchg, sb_xchg, both_zero
    litmus sb_lock, sb_lock, both_zero
    litmus sb_cpuid, sb_cpuid, both_zero
    litmus mp, mp, one_zero
    litmus lb, lb, both_one
    litmus s, s_test, s_bad
    litmus two_plus_two_w, ww, ww_bad
    litmus corr, corr, one_zero
    litmus sb_own_store, sb_own, own_bad
    # a CPU that has AVX promises it (SDM vol. 3, 9.1.1)
    mov eax, 1
    cpuid
    bt ecx, 28
    jnc 1f
    litmus aligned_16_bytes, whole, torn
1:  quit
four:
    litmus iriw, iriw, iriw_bad
    litmus iriw_locked, iriw_locked, iriw_bad
    litmus wrc, wrc, wrc_bad
    quit

run_test:
    push rsi
    mov qword ptr hits[rip], 0
    barriers_reset
    on_all worker
    pop rsi
    call puts
    mov rax, hits[rip]
    push rax
    call puthex
    pop rax
    mov al, '\n'
    out DEBUGCON, al
    ret

# The command line of the PVH start info: a decimal number, 1000 without one.
parse_runs:
    mov eax, start_info[rip]
    mov rsi, [rax + 24]
    xor eax, eax
    test rsi, rsi
    jz 2f
1:  movzx ecx, byte ptr [rsi]
    inc rsi
    sub ecx, '0'
    cmp ecx, 9
    ja 2f
    imul rax, rax, 10
    add rax, rcx
    jmp 1b
2:  test rax, rax
    jnz 3f
    mov eax, 1000
3:  mov runs[rip], rax
    ret

worker:
    xor ebx, ebx                # barriers
    xor r13d, r13d              # runs
    lea r12, results[rip]
    mov rax, r15
    shl rax, 6
    add r12, rax
    lea r8, x[rip]
    lea r9, y[rip]
1:  barrier
    # a delay of 0 to 7 rounds, another one on each CPU
    mov rcx, r13
    mov rax, r15
    test rax, rax
    jz 2f
    shr rcx, 3
2:  and ecx, 7
    inc ecx
3:  dec ecx
    jnz 3b
    call kind[rip]
    mov [r12], eax
    mov [r12 + 4], ecx
    barrier
    test r15, r15
    jnz 4f
    lea rsi, results[rip]
    call judge[rip]
    add hits[rip], rax
    mov dword ptr [r8], 0
    mov dword ptr [r9], 0
4:  inc r13
    cmp r13, runs[rip]
    jb 1b
    barrier
    ret

# ---- bodies: r8 = x, r9 = y ----

.macro on_first other
    test r15, r15
    jnz \other
.endm

sb: xor ecx, ecx
    on_first 1f
    mov dword ptr [r8], 1
    mov eax, [r9]
    ret
1:  mov dword ptr [r9], 1
    mov eax, [r8]
    ret

sb_mfence:
    xor ecx, ecx
    on_first 1f
    mov dword ptr [r8], 1
    mfence
    mov eax, [r9]
    ret
1:  mov dword ptr [r9], 1
    mfence
    mov eax, [r8]
    ret

sb_xchg:
    mov ecx, 1
    on_first 1f
    xchg [r8], ecx
    mov eax, [r9]
    ret
1:  xchg [r9], ecx
    mov eax, [r8]
    ret

sb_lock:
    xor ecx, ecx
    on_first 1f
    mov dword ptr [r8], 1
    lock add dword ptr [rsp - 64], 0
    mov eax, [r9]
    ret
1:  mov dword ptr [r9], 1
    lock add dword ptr [rsp - 64], 0
    mov eax, [r8]
    ret

sb_cpuid:
    push rbx
    on_first 1f
    mov dword ptr [r8], 1
    xor eax, eax
    cpuid
    mov eax, [r9]
    pop rbx
    ret
1:  mov dword ptr [r9], 1
    xor eax, eax
    cpuid
    mov eax, [r8]
    pop rbx
    ret

# Message passing: who sees y sees x.
mp: on_first 1f
    mov dword ptr [r8], 1
    mov dword ptr [r9], 1
    ret
1:  mov eax, [r9]
    mov ecx, [r8]
    ret

# Loads are not delayed past later stores.
lb: xor ecx, ecx
    on_first 1f
    mov eax, [r8]
    mov dword ptr [r9], 1
    ret
1:  mov eax, [r9]
    mov dword ptr [r8], 1
    ret

# x = 2; y = 1 against r = y; x = 1: r = 1 and x = 2 at the end is forbidden.
s_test:
    xor ecx, ecx
    on_first 1f
    mov dword ptr [r8], 2
    mov dword ptr [r9], 1
    ret
1:  mov eax, [r9]
    mov dword ptr [r8], 1
    ret

# x = 1; y = 2 against y = 1; x = 2: both at 1 at the end is forbidden.
ww: on_first 1f
    mov dword ptr [r8], 1
    mov dword ptr [r9], 2
    ret
1:  mov dword ptr [r9], 1
    mov dword ptr [r8], 2
    ret

# Two loads of one place see its stores in order.
corr:
    on_first 1f
    mov dword ptr [r8], 1
    ret
1:  mov eax, [r8]
    mov ecx, [r8]
    ret

# A CPU sees its own store at once, whatever the others see: eax is the own value, and has to be 1.
sb_own:
    on_first 1f
    mov dword ptr [r8], 1
    mov eax, [r8]
    mov ecx, [r9]
    ret
1:  mov dword ptr [r9], 1
    mov eax, [r9]
    mov ecx, [r8]
    ret

# One stores 16 bytes that are all alike, the other loads them: never some old and some new. eax counts.
whole:
    mov rax, cr0
    and al, 0xf3                # EM and TS clear: SSE may be used
    mov cr0, rax
    mov rax, cr4
    or ah, 2                    # OSFXSR
    mov cr4, rax
    xor ecx, ecx
    mov edx, 32
    on_first 1f
    pcmpeqd xmm0, xmm0
    pxor xmm1, xmm1
2:  movdqa [r8], xmm0
    movaps [r8], xmm1
    dec edx
    jnz 2b
    xor eax, eax
    ret
1:  xor eax, eax
2:  movdqa xmm0, [r8]
    movq r10, xmm0
    psrldq xmm0, 8
    movq r11, xmm0
    cmp r10, r11
    setne cl
    add eax, ecx
    dec edx
    jnz 2b
    ret

# Two writers, two readers: the readers see the stores in the same order.
iriw:
    xor ecx, ecx
    cmp r15d, 1
    jb 1f
    je 2f
    cmp r15d, 3
    je 3f
    ja 4f
    mov eax, [r8]
    mov ecx, [r9]
    ret
3:  mov eax, [r9]
    mov ecx, [r8]
    ret
1:  mov dword ptr [r8], 1
    ret
2:  mov dword ptr [r9], 1
4:  ret

iriw_locked:
    xor eax, eax
    xor ecx, ecx
    cmp r15d, 1
    jb 1f
    je 2f
    cmp r15d, 3
    je 3f
    ja 4f
    lock xadd [r8], eax
    lock xadd [r9], ecx
    ret
3:  lock xadd [r9], eax
    lock xadd [r8], ecx
    ret
1:  lock inc dword ptr [r8]
    ret
2:  lock inc dword ptr [r9]
4:  ret

# Write to read causality: 0 writes x; 1 reads it and writes y; 2 reads y, then x.
wrc:
    xor ecx, ecx
    cmp r15d, 1
    jb 1f
    je 2f
    cmp r15d, 2
    ja 4f
    mov eax, [r9]
    mov ecx, [r8]
    ret
1:  mov dword ptr [r8], 1
    ret
2:  mov eax, [r8]
    mov [r9], eax
4:  ret

# ---- judges: rsi = results; rax is 1 for the outcome that is counted ----

both_zero:
    mov eax, [rsi]
    or eax, [rsi + 64]
    jmp is_zero
both_one:
    mov eax, [rsi]
    and eax, [rsi + 64]
    and eax, 1
    ret
torn:
    xor eax, eax
    cmp dword ptr [rsi + 64], 0
    setne al
    ret
# the second CPU's first load saw 1, its second one 0
one_zero:
    mov eax, [rsi + 64]
    mov ecx, [rsi + 68]
    xor ecx, 1
    and eax, ecx
    and eax, 1
    ret
s_bad:
    xor eax, eax
    cmp dword ptr [rsi + 64], 1
    jne 1f
    cmp dword ptr [r8], 2
    jne 1f
    inc eax
1:  ret
ww_bad:
    xor eax, eax
    cmp dword ptr [r8], 1
    jne 1f
    cmp dword ptr [r9], 1
    jne 1f
    inc eax
1:  ret
own_bad:
    mov eax, [rsi]
    and eax, [rsi + 64]
is_zero:
    cmp eax, 1
    sbb eax, eax
    neg eax
    ret
iriw_bad:
    xor eax, eax
    cmp dword ptr [rsi + 128], 1
    jne 1f
    cmp dword ptr [rsi + 132], 0
    jne 1f
    cmp dword ptr [rsi + 192], 1
    jne 1f
    cmp dword ptr [rsi + 196], 0
    jne 1f
    inc eax
1:  ret
wrc_bad:
    xor eax, eax
    cmp dword ptr [rsi + 128], 1
    jne 1f
    cmp dword ptr [rsi + 132], 0
    jne 1f
    inc eax
1:  ret
