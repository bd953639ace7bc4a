package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import serai.machine.virtio.VirtioConsole;

/**
 * Where the guest's byte streams go.
 *
 * @param serial COM1
 * @param debugcon port 0xe9
 * @param console the virtio console's terminal, hvc0
 * @param ports further ports of the virtio console
 */
public record StreamConfig(Sink serial, Sink debugcon, Sink console, List<Port> ports) {
    private static final int MAX_PORT_NAME = 64;

    /** Where a byte stream of the guest goes. */
    public sealed interface Sink {
        /** Standard output, and input from standard input. */
        record Stdio() implements Sink {}

        /** Nowhere. */
        record Null() implements Sink {}

        /** A file, written anew. */
        record ToFile(Path path) implements Sink {}

        /** A Unix socket that is made, with one client at a time; for ports of the virtio console. */
        record Socket(Path path) implements Sink {}
    }

    /**
     * A port of the virtio console.
     *
     * @param name what the guest finds it by
     * @param sink where it goes
     */
    public record Port(String name, Sink sink) {}

    /** Whether anything comes in from a socket. */
    boolean haveSockets() {
        return Stream.concat(Stream.of(console), ports.stream().map(Port::sink))
                .anyMatch(s -> s instanceof Sink.Socket);
    }

    static final class Group implements WordGroup {
        private @Nullable Sink serial;
        private Sink debugcon = new Sink.Null();
        private Sink console = new Sink.Null();
        private final List<Port> ports = new ArrayList<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "serial" -> serial = sink(key, v);
                case "debugcon" -> debugcon = sink(key, v);
                case "console" -> console = portSink(key, v);
                case "port" -> {
                    int comma = v.indexOf(',');
                    if (comma <= 0 || v.substring(0, comma).length() > MAX_PORT_NAME) {
                        throw Words.usage("port must be NAME,WHERE, not '" + v + "'");
                    }
                    ports.add(new Port(v.substring(0, comma), portSink(key, v.substring(comma + 1))));
                }
                default -> {
                    return false;
                }
            }
            return true;
        }

        StreamConfig finish() throws VmmException {
            if (ports.size() >= VirtioConsole.MAX_PORTS) {
                throw Words.usage(
                        "a VM has at most %d ports beside the console".formatted(VirtioConsole.MAX_PORTS - 1));
            }
            Sink stdio = new Sink.Stdio();
            Sink ofSerial = serial != null ? serial : console.equals(stdio) ? new Sink.Null() : stdio;
            if (console.equals(stdio) && ofSerial.equals(stdio)
                    || ports.stream().anyMatch(p -> p.sink().equals(stdio))) {
                throw Words.usage("standard input is the serial line's or the console's, not of both or of a port");
            }
            return new StreamConfig(ofSerial, debugcon, console, List.copyOf(ports));
        }
    }

    private static Sink sink(String key, String v) throws VmmException {
        return switch (v) {
            case "stdio" -> new Sink.Stdio();
            case "null" -> new Sink.Null();
            default -> {
                if (!v.startsWith("file:")) {
                    throw Words.usage("%s must be stdio, null or file:PATH, not '%s'".formatted(key, v));
                }
                yield new Sink.ToFile(Words.path(key, v.substring(5)));
            }
        };
    }

    private static Sink portSink(String key, String v) throws VmmException {
        if (v.startsWith("unix:")) {
            return new Sink.Socket(Words.path(key, v.substring(5)));
        }
        try {
            return sink(key, v);
        } catch (VmmException e) {
            throw Words.usage("%s must go to stdio, null, file:PATH or unix:PATH, not '%s'".formatted(key, v));
        }
    }
}
