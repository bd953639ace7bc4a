package serai.machine;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of a deterministic run: what came in on the serial line, and when. A text file of lines {@code INSTRUCTIONS NANOS HEX}; the
 * time beside the count, as it goes on while the CPU waits and completes none.
 */
public final class InputLog implements AutoCloseable {
    /**
     * One input.
     *
     * @param instructions completed when it came in
     * @param nanos on the guest clock then
     * @param bytes what came in
     */
    record Entry(long instructions, long nanos, byte[] bytes) {}

    private final Deque<Entry> entries = new ArrayDeque<>();
    private final @Nullable Writer writer;
    private final boolean replays;

    private InputLog(@Nullable Writer writer, boolean replays) {
        this.writer = writer;
        this.replays = replays;
    }

    /** Neither records nor replays. */
    public static InputLog none() {
        return new InputLog(null, false);
    }

    /** Records to a file, each input as it comes. */
    public static InputLog record(Path file) throws IOException {
        return new InputLog(Files.newBufferedWriter(file, StandardCharsets.US_ASCII), false);
    }

    /**
     * Replays a recorded file; live input is then ignored.
     *
     * @throws IOException if it can't be read or is no such file
     */
    public static InputLog replay(Path file) throws IOException {
        InputLog log = new InputLog(null, true);
        try (BufferedReader r = Files.newBufferedReader(file, StandardCharsets.US_ASCII)) {
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
                    log.entries.add(new Entry(at, nanos, HexFormat.of().parseHex(line.substring(second + 1))));
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

    /** When the next recorded input is due, in instructions, or {@link Long#MAX_VALUE}. */
    long next() {
        Entry e = entries.peek();
        return e == null ? Long.MAX_VALUE : e.instructions;
    }

    /** When it is due on the guest clock, if the CPU waits at {@code instructions} until then; else {@link Long#MAX_VALUE}. */
    long nextNanos(long instructions) {
        Entry e = entries.peek();
        return e == null || e.instructions > instructions ? Long.MAX_VALUE : e.nanos;
    }

    /** The next recorded input if it is due. */
    @Nullable
    Entry due(long instructions, long nanos) {
        Entry e = entries.peek();
        boolean due =
                e != null && (e.instructions < instructions || e.instructions == instructions && e.nanos <= nanos);
        return due ? entries.poll() : null;
    }

    /** Notes an input. */
    void note(long instructions, long nanos, byte[] bytes) {
        if (writer != null) {
            try {
                writer.write(instructions + " " + nanos + " " + HexFormat.of().formatHex(bytes) + "\n");
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
