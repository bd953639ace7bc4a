package serai.network;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** A network that a test plays. */
public class FakePort implements NetworkPort {
    public final List<byte[]> sent = new ArrayList<>();
    public final Queue<Frame> toReceive = new ArrayDeque<>();
    public Runnable action = () -> {};
    public Offload.Abilities abilities = Offload.Abilities.NONE;
    public boolean closed;

    @Override
    public void send(ByteBuffer frame, Offload offload) {
        byte[] b = new byte[frame.remaining()];
        frame.get(b);
        sent.add(b);
    }

    @Override
    public @Nullable Frame receive() {
        return toReceive.poll();
    }

    @Override
    public void accept(Offload.Abilities newAbilities) {
        abilities = newAbilities;
    }

    @Override
    public void onFrames(Runnable newAction) {
        action = newAction;
    }

    @Override
    public void close() {
        closed = true;
    }
}
