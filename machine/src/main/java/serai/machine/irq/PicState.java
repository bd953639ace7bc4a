package serai.machine.irq;

/**
 * State of the two 8259s; each array holds master, slave.
 *
 * @param version 1
 * @param irr requests latched
 * @param isr in service
 * @param imr masks
 * @param lines levels of the inputs
 * @param elcr edge/level control: a bit is set for level
 * @param base vector of input 0
 * @param init step of the initialization sequence, 0 when done
 * @param flags bit 0 read ISR, 1 auto-EOI, 2 special mask, 3 poll, 4 ICW4 expected, 5 rotate on auto-EOI
 * @param lowest input with the lowest priority
 */
public record PicState(
        int version,
        int[] irr,
        int[] isr,
        int[] imr,
        int[] lines,
        int[] elcr,
        int[] base,
        int[] init,
        int[] flags,
        int[] lowest) {}
