package serai.machine;

import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.Deque;
import serai.machine.uart.Uart;

/**
 * Bytes on their way to the serial port that its FIFO has no room for yet. In deterministic mode they pass a first stage, where they wait
 * to be noted in the input log.
 */
final class SerialInput implements Device<SerialInput.State> {
    /**
     * State of the queue.
     *
     * @param version 1
     * @param live given by the host and not noted yet
     * @param waiting for room in the FIFO
     */
    public record State(int version, byte[] live, byte[] waiting) {}

    private final ByteArrayOutputStream live = new ByteArrayOutputStream();
    /** None is empty. */
    private final Deque<byte[]> waiting = new ArrayDeque<>();

    /** The host gives bytes. */
    void give(byte[] bytes) {
        live.writeBytes(bytes);
    }

    /** Whether the host has given some that were not taken. */
    boolean live() {
        return live.size() > 0;
    }

    /** Takes back what the host has given and nobody has taken. */
    byte[] withdraw() {
        byte[] b = live.toByteArray();
        live.reset();
        return b;
    }

    /** Takes them over to those that wait for room. */
    byte[] take() {
        byte[] b = live.toByteArray();
        live.reset();
        replay(b);
        return b;
    }

    /** Bytes that were noted in an earlier run. */
    void replay(byte[] bytes) {
        if (bytes.length > 0) {
            waiting.add(bytes);
        }
    }

    /**
     * As many as there is room for, once the FIFO is empty: what it holds then follows from what the guest does, not from how
     * often somebody looks.
     */
    void feed(Uart uart) {
        if (!uart.empty()) {
            return;
        }
        byte[] b;
        while (uart.listening() && (b = waiting.peek()) != null) {
            int n = uart.receive(b, 0, b.length);
            if (n == 0) {
                return;
            }
            waiting.poll();
            if (n < b.length) {
                waiting.addFirst(java.util.Arrays.copyOfRange(b, n, b.length));
            }
        }
    }

    /** How many bytes the guest has not taken. */
    int pending() {
        return live.size() + waiting.stream().mapToInt(b -> b.length).sum();
    }

    @Override
    public String name() {
        return "serial-input";
    }

    /** Leaves them: a reset of the PC does not reach those who write to it. */
    @Override
    public void reset() {}

    @Override
    public void sleep() {}

    @Override
    public State save() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        waiting.forEach(all::writeBytes);
        return new State(1, live.toByteArray(), all.toByteArray());
    }

    @Override
    public void restore(State s) {
        if (s.version() != 1) {
            throw new IllegalArgumentException("serial input of version " + s.version());
        }
        live.reset();
        give(s.live());
        waiting.clear();
        replay(s.waiting().clone());
    }

    @Override
    public Class<State> stateType() {
        return State.class;
    }
}
