# Executes where nothing is: all ones is an undefined opcode, so #UD; then spins until the time-out.
.include "long64.inc"
main:
    mov eax, 0xd0000000
    mov qword ptr resume_at[rip], offset 1f
    jmp rax
1:  show vector, trap_vector[rip]
2:  jmp 2b
