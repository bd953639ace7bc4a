package serai.machine.net;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The host's end of a network interface: what the machine needs of a network. All but {@link #onFrames}'s action is called with the machine lock
 * held, and must not wait.
 */
public interface NetBackend {
    /** Bytes of the largest frame: an IP packet of 65,535 bytes behind an Ethernet header with a VLAN tag. */
    int MAX_FRAME = 65_535 + 18;

    /**
     * A frame for the guest.
     *
     * @param bytes from position to limit
     * @param offload what is to be done to it
     */
    record Frame(ByteBuffer bytes, Offload offload) {}

    /**
     * What the driver of the interface can do by itself.
     *
     * @param checksums take frames with partial checksums
     * @param tcp4 take TCP over IPv4 in frames of up to {@link #MAX_FRAME} bytes
     * @param tcp6 the same over IPv6
     */
    record Abilities(boolean checksums, boolean tcp4, boolean tcp6) {
        /** Frames as on the wire. */
        public static final Abilities NONE = new Abilities(false, false, false);
    }

    /**
     * Takes a frame of the guest, from position to limit; it is read within the call alone. Answers to it may be there for {@link #receive} when this
     * returns, without {@link #onFrames} telling it. The guest's is all in the frame and in {@code offload}: any of it may make no sense.
     */
    void send(ByteBuffer frame, Offload offload);

    /** The next frame for the guest, good until the next call of {@link #send} or {@code receive}; null if there is none. */
    @Nullable
    Frame receive();

    /** What the driver can take from now on; nothing at first, and again after a reset. */
    void accept(Abilities abilities);

    /** Who is told that {@link #receive} has frames again after it had none: from other threads, without the machine lock, which it takes. */
    void onFrames(Runnable action);

    /** A network that takes all frames and has none. */
    static NetBackend none() {
        return new NetBackend() {
            @Override
            public void send(ByteBuffer frame, Offload offload) {}

            @Override
            public @Nullable Frame receive() {
                return null;
            }

            @Override
            public void accept(Abilities abilities) {}

            @Override
            public void onFrames(Runnable action) {}
        };
    }
}
