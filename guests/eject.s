# vCPU hot-plug by its registers (machine/hotplug/CpuHotplug): a CPU that runs is taken out and takes no message after that.
.include "smp.inc"
.set SELECTOR, 0xcd8
.set FLAGS, 0xcdc
.set EJECT, 8

.bss
.balign 64
beats: .skip 64

.text
# Shows the flags of a CPU: bit 0 tells whether it is in the machine.
.macro flags cpu
    mov edx, SELECTOR
    mov eax, \cpu
    out dx, eax
    mov edx, FLAGS
    xor eax, eax
    in al, dx
    show flags, rax
.endm
# Takes the selected CPU out.
.macro eject
    mov edx, FLAGS
    mov al, EJECT
    out dx, al
.endm

main:
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    flags 0
    flags 1
    flags 2
    flags 99
    mov ebx, 2              # CPUID tells of packages, one a CPU
    call start_counted
    on_all beat
    show beats, beats[rip]
    mov qword ptr routine[rip], offset beat_for_ever
    lock inc qword ptr round[rip]
    mov rax, beats[rip]
1:  pause
    cmp beats[rip], rax
    je 1b
    flags 1
    eject
    flags 1
    mov ecx, 1000000        # more than what it may take to stop
1:  pause
    loop 1b
    mov rbx, beats[rip]
    mov ecx, 1000000
1:  pause
    loop 1b
    sub rbx, beats[rip]
    show beats_more, rbx
    mov edx, APIC
    mov dword ptr [rdx + 0x300], 0xc4500
    mov ecx, 100000
1:  pause
    loop 1b
    mov dword ptr [rdx + 0x300], 0xc4600 | TRAMPOLINE >> 12
    mov ecx, 1000000
1:  pause
    loop 1b
    show came, next_cpu[rip]
    flags 0
    eject
    flags 0                 # the boot CPU stays
    quit

beat:
    lock inc qword ptr beats[rip]
    ret
beat_for_ever:
    lock inc qword ptr beats[rip]
    jmp beat_for_ever
