package serai.machine.uart;

/**
 * State of a 16550A.
 *
 * @param version 1
 * @param registers IER, FCR, LCR, MCR, SCR, DLL, DLM, LSR errors
 * @param received bytes in the receive FIFO, the oldest first
 * @param transmitEmptyPending whether the transmitter-empty interrupt waits
 * @param timeoutPending whether the receive timeout interrupt waits
 * @param polls looks at the empty receiver since the last byte was sent, at most 16
 * @param settled nanoseconds of the clock at which the driver that has enabled the receive interrupt is taken to be ready;
 *     {@link Long#MAX_VALUE} if it is or there is none
 */
public record UartState(
        int version,
        byte[] registers,
        byte[] received,
        boolean transmitEmptyPending,
        boolean timeoutPending,
        int polls,
        long settled) {}
