package serai.machine.bus;

/** A level-carrying interrupt line (ISA IRQ, PCI INTx or GSI input). Raising a raised line does nothing. */
@FunctionalInterface
public interface IrqLine {
    /** Drives the line high or low. */
    void set(boolean high);
}
