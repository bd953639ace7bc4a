package serai.machine.irq;

/**
 * State of a local APIC beside its register page, which is part of the CPU's state.
 *
 * @param version 2
 * @param apicBase IA32_APIC_BASE
 * @param page the register page as CpuState carries it, 4,096 bytes
 * @param timerDeadline when the timer fires, on the guest clock, or Long.MAX_VALUE
 * @param timerStart when the present count began, on the guest clock
 * @param tscDeadline IA32_TSC_DEADLINE, without the CPU's TSC offset
 * @param nmi an NMI waits
 * @param init an INIT waits
 * @param startup vector of a start-up IPI that waits, or -1
 * @param waitForSipi the CPU waits for a start-up IPI
 * @param errors those found since the guest last wrote the error status register
 */
public record LocalApicState(
        int version,
        long apicBase,
        byte[] page,
        long timerDeadline,
        long timerStart,
        long tscDeadline,
        boolean nmi,
        boolean init,
        int startup,
        boolean waitForSipi,
        int errors) {}
