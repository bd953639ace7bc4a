package serai.vmm;

import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import serai.machine.uart.SerialBackend;

/** Opens where the guest's byte streams go. */
final class Backends implements AutoCloseable {
    private final Console console;
    private final UnaryOperator<SerialBackend> between;
    private final List<OutputPump> pumps = new ArrayList<>();
    private final List<FileOutputStream> files = new ArrayList<>();

    /** None yet; {@code between} gives what each stream gets between the guest and it. */
    Backends(Console console, UnaryOperator<SerialBackend> between) {
        this.console = console;
        this.between = between;
    }

    SerialBackend open(String what, StreamConfig.Sink sink) throws VmmException {
        OutputPump pump =
                switch (sink) {
                    case StreamConfig.Sink.Stdio() -> console.stdout();
                    case StreamConfig.Sink.Null() -> null;
                    case StreamConfig.Sink.Socket(var path) ->
                        throw new VmmException(VmmException.USAGE, what + " can't go to the socket " + path);
                    case StreamConfig.Sink.ToFile(var path) -> {
                        try {
                            FileOutputStream f = new FileOutputStream(path.toFile());
                            files.add(f);
                            OutputPump p = new OutputPump("serai-" + what, f);
                            pumps.add(p);
                            yield p;
                        } catch (IOException e) {
                            throw new VmmException(
                                    VmmException.HOST,
                                    "%s can't be written to %s: %s".formatted(what, path, Reasons.of(e)),
                                    e);
                        }
                    }
                };
        return between.apply(pump == null ? b -> {} : b -> pump.write(b & 0xff));
    }

    @Override
    public void close() {
        pumps.forEach(OutputPump::close);
        for (FileOutputStream f : files) {
            try {
                f.close();
            } catch (IOException e) {
                console.say("serai: an output file could not be closed: " + Reasons.of(e) + "\n");
            }
        }
    }
}
