package serai.machine.rtc;

/**
 * State of the clock.
 *
 * @param version 2
 * @param index the register selected
 * @param cmos the 128 bytes; time registers are derived from the offset
 * @param offsetSeconds what the guest has set the date ahead of the host's
 * @param phase nanoseconds that the divider chain is ahead of the guest clock, less than a second
 * @param flagsAt when on the divider's clock the flags of register C were last brought up to date
 * @param irq level of the interrupt line
 * @param second when the next update or alarm is due on the guest clock, or Long.MAX_VALUE
 * @param periodic when the next periodic interrupt is, or Long.MAX_VALUE
 */
public record RtcState(
        int version,
        int index,
        byte[] cmos,
        long offsetSeconds,
        long phase,
        long flagsAt,
        boolean irq,
        long second,
        long periodic) {}
