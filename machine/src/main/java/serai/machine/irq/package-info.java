/** Interrupt controllers: local APICs (SDM vol. 3, chapter 11), the I/O APIC (82093AA), the pair of 8259s. */
@NullMarked
package serai.machine.irq;

import org.jspecify.annotations.NullMarked;
