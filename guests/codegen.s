# Code that the guest makes while it runs: functions that all CPUs call, made anew between two rounds, and one that each CPU makes for itself.
.include "smp.inc"
.set FUNCTIONS, 256
.set SIZE, 256              # of a function, at most
.set ADDITIONS, 40          # in a function, of six bytes each
.set ROUNDS, 12
.set OWN, 300

.bss
.balign 4096
shared: .skip FUNCTIONS*SIZE
own: .skip MAX_CPUS*4096
wrong: .skip 8*MAX_CPUS
constant: .skip 8           # of the round
.text

main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    call start_cpus
    mov qword ptr constant[rip], 1
1:  xor r14d, r14d          # function n adds n and the constant
2:  mov rdi, r14
    imul rdi, rdi, SIZE
    lea rax, shared[rip]
    add rdi, rax
    mov rbx, constant[rip]
    add rbx, r14
    call make
    inc r14
    cmp r14, FUNCTIONS
    jb 2b
    on_all call_shared
    inc qword ptr constant[rip]
    cmp qword ptr constant[rip], ROUNDS
    jbe 1b
    call all_wrong
    show shared, rax
    on_all call_own
    call all_wrong
    show own, rax
    quit

# At rdi a function that adds ebx to rax, ADDITIONS times.
make:
    mov ecx, ADDITIONS
1:  mov word ptr [rdi], 0x0548          # ADD RAX, imm32
    mov [rdi + 2], ebx
    add rdi, 6
    dec ecx
    jnz 1b
    mov byte ptr [rdi], 0xc3            # RET
    ret

# All functions; they were made by another CPU: behind a serializing instruction (SDM vol. 3, 9.1.3).
call_shared:
    xor eax, eax
    cpuid
    xor r14d, r14d
1:  mov rdi, r14
    imul rdi, rdi, SIZE
    lea rax, shared[rip]
    add rdi, rax
    xor eax, eax
    call rdi
    mov rcx, constant[rip]
    add rcx, r14
    imul rcx, rcx, ADDITIONS
    cmp rax, rcx
    je 2f
    inc qword ptr wrong[r15*8]
2:  inc r14
    cmp r14, FUNCTIONS
    jb 1b
    ret

# One function, made and called again and again.
call_own:
    mov rbp, r15
    shl rbp, 12
    lea rax, own[rip]
    add rbp, rax
    mov r14d, OWN
1:  mov rdi, rbp
    mov rbx, r14
    call make
    xor eax, eax
    call rbp
    imul rcx, r14, ADDITIONS
    cmp rax, rcx
    je 2f
    inc qword ptr wrong[r15*8]
2:  dec r14
    jnz 1b
    ret

# rax = how many results were wrong, all CPUs together.
all_wrong:
    xor eax, eax
    xor ecx, ecx
1:  add rax, wrong[rcx*8]
    inc ecx
    cmp rcx, cpus[rip]
    jb 1b
    ret
