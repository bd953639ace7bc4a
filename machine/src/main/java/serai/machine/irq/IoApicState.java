package serai.machine.irq;

/**
 * State of the I/O APIC.
 *
 * @param version 1
 * @param id the identification register
 * @param select the register selected
 * @param entries the 24 redirection entries, remote IRR included
 * @param lines bit n: input n is high
 */
public record IoApicState(int version, int id, int select, long[] entries, int lines) {}
