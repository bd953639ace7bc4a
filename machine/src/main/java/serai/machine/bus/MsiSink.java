package serai.machine.bus;

/** Where message-signalled interrupts go: a memory write to the local APICs' range (SDM vol. 3, 11.11). */
@FunctionalInterface
public interface MsiSink {
    /** Delivers the message {@code data} written to guest-physical {@code address}. */
    void send(long address, int data);
}
