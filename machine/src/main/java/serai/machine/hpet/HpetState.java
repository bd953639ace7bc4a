package serai.machine.hpet;

import java.util.List;

/**
 * State of the HPET.
 *
 * @param version 1
 * @param configuration the general configuration register
 * @param status the general interrupt status register
 * @param counter the main counter: its value while it stands, else how far it is ahead of the guest clock's ticks
 * @param timers in their order
 */
public record HpetState(int version, long configuration, long status, long counter, List<Timer> timers) {
    /**
     * State of a timer.
     *
     * @param configuration the writable bits of its configuration register
     * @param comparator what it waits for, with 32 bits in 32-bit mode
     * @param period what was last written to the comparator in periodic mode
     * @param fsb address (high half) and value of its message
     * @param raised the line that it holds high, by number, or -1
     * @param deadline when it matches next on the guest clock, or Long.MAX_VALUE
     */
    public record Timer(long configuration, long comparator, long period, long fsb, int raised, long deadline) {}
}
