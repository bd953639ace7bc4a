package serai.network.pcap;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.NetworkPort;
import serai.network.Offload;

/** A port whose frames, those of both ways, are written to a capture file, as the interface gives and gets them: large ones uncut. */
public final class CapturedPort implements NetworkPort {
    private final NetworkPort port;
    private final PcapFile file;

    private CapturedPort(NetworkPort port, PcapFile file) {
        this.port = port;
        this.file = file;
    }

    /**
     * Captures what passes through a port, and closes it with itself.
     *
     * @throws IOException if the file can't be written; the port is left as it was
     */
    public static CapturedPort of(NetworkPort port, Path file) throws IOException {
        return new CapturedPort(port, PcapFile.create(file));
    }

    @Override
    public void send(ByteBuffer frame, Offload offload) {
        file.add(frame);
        port.send(frame, offload);
    }

    @Override
    public @Nullable Frame receive() {
        Frame f = port.receive();
        if (f != null) {
            file.add(f.bytes());
        }
        return f;
    }

    @Override
    public void accept(Offload.Abilities abilities) {
        port.accept(abilities);
    }

    @Override
    public void onFrames(Runnable action) {
        port.onFrames(action);
    }

    @Override
    public void close() {
        port.close();
        file.close();
    }
}
