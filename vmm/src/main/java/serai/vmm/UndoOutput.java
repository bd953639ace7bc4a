package serai.vmm;

import serai.machine.uart.SerialBackend;

/** A byte stream of the guest's that says nothing twice: what was sent before it went back in time is not sent again. */
final class UndoOutput implements SerialBackend {
    private final SerialBackend next;
    private long sent;
    /** How many have gone out. */
    private long told;

    UndoOutput(SerialBackend next) {
        this.next = next;
    }

    @Override
    public void transmit(byte b) {
        if (sent++ >= told) {
            next.transmit(b);
            told = sent;
        }
    }

    /** How many bytes the guest has sent up to now. */
    long sent() {
        return sent;
    }

    /** It has sent so many now. */
    void back(long earlier) {
        sent = earlier;
    }

    /** What it sends from that count on is new, whatever it sent there before. */
    void forgetAfter(long count) {
        told = Math.min(told, count);
    }
}
