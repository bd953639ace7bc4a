/** The engine SPI: what runs virtual CPUs, what it needs of the machine, and the architectural state both engines speak. */
@NullMarked
package serai.machine.engine;

import org.jspecify.annotations.NullMarked;
