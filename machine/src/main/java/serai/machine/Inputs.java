package serai.machine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import serai.machine.uart.Uart;

/**
 * What comes into a machine from outside, live or recorded: bytes for its serial port, and what the host does to it. In deterministic mode
 * live input waits until it can be noted with its moment. Guarded by the machine lock.
 */
final class Inputs {
    private final SerialInput serial = new SerialInput();
    private final HostEvents events = new HostEvents();
    private final Uart uart;
    private final boolean deterministic;
    private final Consumer<String> perform;
    private InputLog log = InputLog.none();

    /**
     * No input yet.
     *
     * @param perform does what the host wants done
     */
    Inputs(Uart uart, boolean deterministic, Consumer<String> perform) {
        this.uart = uart;
        this.deterministic = deterministic;
        this.perform = perform;
        uart.onRoom(this::feed);
    }

    /** The queue of bytes, whose state is saved with the devices'. */
    SerialInput serial() {
        return serial;
    }

    /** The events of the host. */
    HostEvents events() {
        return events;
    }

    void log(InputLog newLog) {
        log = newLog;
    }

    /** Bytes from the host; ignored while a recording is replayed. */
    void give(byte[] bytes) {
        if (log.replays()) {
            return;
        }
        serial.give(bytes);
        if (!deterministic) {
            serial.take();
            feed();
        }
    }

    /** Something that the host does; ignored while a recording is replayed. */
    void event(String event) {
        if (log.replays()) {
            return;
        }
        events.add(event);
        if (!deterministic) {
            events.takeAll(perform);
        }
    }

    /** Bytes given and not yet taken by the guest. */
    int pending() {
        return serial.pending();
    }

    private void feed() {
        serial.feed(uart);
    }

    /** Takes over what is due, recorded or live. */
    void take(long instructions, long nanos) {
        InputLog.Entry e;
        while ((e = log.due(instructions, nanos)) != null) {
            replay(e);
        }
        if (log.past(instructions, nanos)) {
            feed();
            return;
        }
        byte[] live = serial.take();
        if (live.length > 0) {
            log.note(instructions, nanos, live);
        }
        feed();
        events.takeAll(event -> {
            log.note(instructions, nanos, event);
            perform.accept(event);
        });
    }

    private void replay(InputLog.Entry e) {
        switch (e) {
            case InputLog.Typed t -> serial.replay(t.bytes());
            case InputLog.Event event -> perform.accept(event.text());
        }
    }

    /** Recorded at a count that is never reached, because the CPUs waited there too: taken now. False if there is none. */
    boolean takeLate() {
        InputLog.Entry e = log.due(Long.MAX_VALUE, Long.MAX_VALUE);
        if (e == null) {
            return false;
        }
        replay(e);
        feed();
        return true;
    }

    /** When the next recorded input is due, in instructions, or {@link Long#MAX_VALUE}. */
    long next() {
        return log.next();
    }

    /** When it is due on the guest clock, if the CPUs wait at {@code instructions} until then; else {@link Long#MAX_VALUE}. */
    long nextNanos(long instructions) {
        return log.nextNanos(instructions);
    }

    /** Whether live input waits to be noted, and this is a moment for it. */
    boolean live(long instructions, long nanos) {
        return (serial.live() || !events.none()) && !log.past(instructions, nanos);
    }

    /** How many inputs have come in. */
    int position() {
        return log.position();
    }

    /**
     * Goes back to an earlier moment; what live input waits goes on waiting.
     *
     * @param earlier what {@link #position} was then
     * @param instructions the moment that is left
     * @param restore puts the devices back
     */
    void back(int earlier, long instructions, long nanos, Runnable restore) {
        byte[] typed = serial.withdraw();
        List<String> waiting = new ArrayList<>();
        events.takeAll(waiting::add);
        log.back(earlier, instructions, nanos);
        restore.run();
        serial.withdraw();
        serial.give(typed);
        waiting.forEach(events::add);
    }

    /** What came in from {@code position} on, at this moment, does not come in again. */
    void forget(int position, long instructions, long nanos) {
        log.forget(position, instructions, nanos);
    }

    /** Whether inputs come from a recording alone. */
    boolean replays() {
        return log.replays();
    }
}
