package serai.machine;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of a deterministic run: what came in on the serial line, what the host did to the machine, and when. A text file of lines
 * {@code INSTRUCTIONS NANOS HEX} and {@code INSTRUCTIONS NANOS @EVENT}; the time beside the count, as it goes on while the CPU waits and
 * completes none.
 *
 * <p>A log in memory ({@link #remember}) lets a machine go back: what came in after the moment that it went back to comes in again, and live
 * input waits until the latest moment that it had reached.
 */
public final class InputLog implements AutoCloseable {
    /** One input. */
    sealed interface Entry {
        /** Completed when it came in. */
        long instructions();

        /** On the guest clock then. */
        long nanos();
    }

    /**
     * Something typed.
     *
     * @param bytes what came in on the serial line
     */
    record Typed(long instructions, long nanos, byte[] bytes) implements Entry {}

    /**
     * Something the host did.
     *
     * @param text as {@link Machine#hostEvent} has it
     */
    record Event(long instructions, long nanos, String text) implements Entry {}

    private final List<Entry> entries = new ArrayList<>();
    /** Index of the next entry that is to come in. */
    private int position;
    /** The latest moment reached before it went back; live input is for later ones. */
    private long reachedInstructions;

    private long reachedNanos;
    private final @Nullable Writer writer;
    private final boolean replays;
    private final boolean remembers;

    private InputLog(@Nullable Writer writer, boolean replays, boolean remembers) {
        this.writer = writer;
        this.replays = replays;
        this.remembers = remembers;
    }

    /** Neither records nor replays. */
    public static InputLog none() {
        return new InputLog(null, false, false);
    }

    /** Records to a file, each input as it comes. */
    public static InputLog record(Path file) throws IOException {
        return new InputLog(Files.newBufferedWriter(file, StandardCharsets.UTF_8), false, false);
    }

    /** Keeps inputs in memory, for a machine that is to go back. */
    public static InputLog remember() {
        return new InputLog(null, false, true);
    }

    /**
     * Replays a recorded file; live input is then ignored.
     *
     * @throws IOException if it can't be read or is no such file
     */
    public static InputLog replay(Path file) throws IOException {
        InputLog log = new InputLog(null, true, true);
        try (BufferedReader r = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            String line;
            long last = 0;
            while ((line = r.readLine()) != null) {
                int space = line.indexOf(' ');
                int second = line.indexOf(' ', space + 1);
                try {
                    long at = Long.parseLong(line.substring(0, Math.max(space, 0)));
                    long nanos = Long.parseLong(line.substring(space + 1, Math.max(second, space + 1)));
                    if (at < last || nanos < 0) {
                        throw new IllegalArgumentException("out of order");
                    }
                    last = at;
                    String what = line.substring(second + 1);
                    log.entries.add(
                            what.startsWith("@")
                                    ? new Event(at, nanos, what.substring(1))
                                    : new Typed(at, nanos, HexFormat.of().parseHex(what)));
                } catch (IllegalArgumentException e) {
                    throw new IOException(file + " is no record of inputs: '" + line + "'", e);
                }
            }
        }
        return log;
    }

    /** Whether inputs come from a file. */
    boolean replays() {
        return replays;
    }

    private @Nullable Entry peek() {
        return position < entries.size() ? entries.get(position) : null;
    }

    /** When the next recorded input is due, in instructions, or {@link Long#MAX_VALUE}. */
    long next() {
        Entry e = peek();
        return e == null ? Long.MAX_VALUE : e.instructions();
    }

    /** When it is due on the guest clock, if the CPU waits at {@code instructions} until then; else {@link Long#MAX_VALUE}. */
    long nextNanos(long instructions) {
        Entry e = peek();
        return e == null || e.instructions() > instructions ? Long.MAX_VALUE : e.nanos();
    }

    /** The next recorded input if it is due. */
    @Nullable
    Entry due(long instructions, long nanos) {
        Entry e = peek();
        boolean due = e != null
                && (e.instructions() < instructions || e.instructions() == instructions && e.nanos() <= nanos);
        if (due) {
            position++;
        }
        return due ? e : null;
    }

    /** Whether this moment has been before, so that live input has to wait. */
    boolean past(long instructions, long nanos) {
        return position < entries.size()
                || instructions < reachedInstructions
                || instructions == reachedInstructions && nanos < reachedNanos;
    }

    /** How many inputs have come in. */
    int position() {
        return position;
    }

    /** Goes back to where {@link #position} was {@code earlier}. The arguments are the moment that is left. */
    void back(int earlier, long instructions, long nanos) {
        if (!past(instructions, nanos)) {
            reachedInstructions = instructions;
            reachedNanos = nanos;
        }
        position = earlier;
    }

    /** What came in from {@link #position} {@code from} on, at this moment, does not come in again. */
    void forget(int from, long instructions, long nanos) {
        if (!replays) {
            entries.subList(from, entries.size()).clear();
            reachedInstructions = instructions;
            reachedNanos = nanos;
        }
    }

    /** Notes something typed. */
    void note(long instructions, long nanos, byte[] bytes) {
        add(new Typed(instructions, nanos, bytes));
        write(instructions, nanos, HexFormat.of().formatHex(bytes));
    }

    /** Notes something that the host did. */
    void note(long instructions, long nanos, String event) {
        add(new Event(instructions, nanos, event));
        write(instructions, nanos, "@" + event);
    }

    private void add(Entry e) {
        if (remembers) {
            entries.add(e);
            position++;
        }
    }

    private void write(long instructions, long nanos, String what) {
        if (writer != null) {
            try {
                writer.write(instructions + " " + nanos + " " + what + "\n");
                writer.flush();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Override
    public void close() throws IOException {
        if (writer != null) {
            writer.close();
        }
    }
}
