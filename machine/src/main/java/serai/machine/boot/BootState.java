package serai.machine.boot;

import serai.machine.engine.CpuState;

/**
 * How the boot CPU starts, now that everything is in guest RAM.
 *
 * @param protocol by which the kernel is started
 * @param cpu the state of the boot CPU; its local APIC page is empty, as the machine keeps it
 * @param kernelEnd guest-physical end (exclusive) of the kernel as loaded, its zeroed data included
 * @param initrdAddress guest-physical start of the initrd, 0 if there is none
 * @param initrdSize its size in bytes, 0 if there is none
 */
public record BootState(Protocol protocol, CpuState cpu, long kernelEnd, long initrdAddress, long initrdSize) {
    /** The boot protocols. */
    public enum Protocol {
        /** The 64-bit protocol, entering an unpacked vmlinux at startup_64. */
        LINUX64,
        /** The 64-bit protocol, entering a bzImage at load address + 0x200; it unpacks itself if it is packed. */
        LINUX64_PACKED,
        /** Xen's PVH entry in 32-bit protected mode. */
        PVH,
        /** Multiboot 1. */
        MULTIBOOT
    }
}
