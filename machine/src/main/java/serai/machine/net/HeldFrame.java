package serai.machine.net;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import serai.machine.net.NetBackend.Frame;

/** Room for a frame that a device has taken from the host and can't give to the guest yet: the host's bytes are not good for so long. */
public final class HeldFrame {
    private @Nullable ByteBuffer room;
    private @Nullable Frame frame;

    /** The frame that is held, or null. */
    public @Nullable Frame get() {
        return frame;
    }

    /** Takes it out; its bytes are good until the next is {@linkplain #hold held}. */
    public @Nullable Frame take() {
        Frame f = frame;
        frame = null;
        return f;
    }

    /**
     * Holds a frame of {@link NetBackend#MAX_FRAME} bytes at most instead of any other; it may be the one that was taken last.
     */
    public void hold(Frame f) {
        ByteBuffer r = room;
        if (r == null) {
            r = ByteBuffer.allocate(NetBackend.MAX_FRAME);
            room = r;
        }
        ByteBuffer b = f.bytes();
        int n = b.remaining();
        if (!b.hasArray() || b.array() != r.array()) {
            r.put(0, b, b.position(), n);
        }
        frame = new Frame(r.slice(0, n), f.offload());
    }
}
