package serai.vmm.net;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import serai.machine.net.NetBackend;
import serai.machine.net.Offload;
import serai.network.NetworkPort;

/** A port of a network as the machine wants it: the two modules know the same things by names of their own. */
final class PortBackend implements NetBackend {
    private final NetworkPort port;
    private boolean silent;

    PortBackend(NetworkPort port) {
        this.port = port;
    }

    @Override
    public void send(ByteBuffer frame, Offload o) {
        port.send(frame, o == Offload.NONE ? serai.network.Offload.NONE : toNetwork(o));
    }

    private static serai.network.Offload toNetwork(Offload o) {
        return new serai.network.Offload(
                o.partialChecksum(),
                o.checksumStart(),
                o.checksumOffset(),
                o.verified(),
                switch (o.segmentation()) {
                    case NONE -> serai.network.Offload.Segmentation.NONE;
                    case TCP4 -> serai.network.Offload.Segmentation.TCP4;
                    case TCP6 -> serai.network.Offload.Segmentation.TCP6;
                },
                o.segmentSize());
    }

    /** Gives no frames any more. With the machine lock held, as all of this. */
    void silence() {
        silent = true;
    }

    @Override
    public @Nullable Frame receive() {
        if (silent) {
            return null;
        }
        serai.network.Frame f = port.receive();
        if (f == null) {
            return null;
        }
        serai.network.Offload o = f.offload();
        return new Frame(f.bytes(), o == serai.network.Offload.NONE ? Offload.NONE : toMachine(o));
    }

    private static Offload toMachine(serai.network.Offload o) {
        return new Offload(
                o.partialChecksum(),
                o.checksumStart(),
                o.checksumOffset(),
                o.verified(),
                switch (o.segmentation()) {
                    case NONE -> Offload.Segmentation.NONE;
                    case TCP4 -> Offload.Segmentation.TCP4;
                    case TCP6 -> Offload.Segmentation.TCP6;
                },
                o.segmentSize());
    }

    @Override
    public void accept(Abilities a) {
        port.accept(new serai.network.Offload.Abilities(a.checksums(), a.tcp4(), a.tcp6()));
    }

    @Override
    public void onFrames(Runnable action) {
        port.onFrames(action);
    }
}
