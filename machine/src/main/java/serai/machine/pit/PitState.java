package serai.machine.pit;

/**
 * State of the 8254; arrays by channel.
 *
 * @param version 1
 * @param mode 0 to 5
 * @param access 1 low byte, 2 high byte, 3 both
 * @param reload 0 stands for 65,536
 * @param start when the count began, on the guest clock
 * @param latched the latched count, or -1
 * @param flip bit 0: the next byte read is the high one, 1: the next written, 2: a status is latched
 * @param status the latched status
 * @param low the low byte written while the high one is awaited
 * @param gate2 channel 2's gate and speaker data, bits 0 and 1 of port 0x61
 * @param deadline0 when channel 0 fires next, or Long.MAX_VALUE
 * @param output0 level of channel 0's output
 */
public record PitState(
        int version,
        int[] mode,
        int[] access,
        int[] reload,
        long[] start,
        int[] latched,
        int[] flip,
        int[] status,
        int[] low,
        int gate2,
        long deadline0,
        boolean output0) {}
