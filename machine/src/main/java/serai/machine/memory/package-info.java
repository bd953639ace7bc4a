/** Guest-physical memory: the mapping, its one accessor, dirty tracking. */
@NullMarked
package serai.machine.memory;

import org.jspecify.annotations.NullMarked;
