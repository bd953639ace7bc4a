package serai.network;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Where a network interface is plugged in. The interface gives frames, and fetches those that there are for it when it has room: nobody
 * waits for anybody, and what waits lies in the network, bounded.
 *
 * <p>{@link #send} and {@link #receive} are each called by one thread at a time, with the lock of the interface's machine held; a network must not
 * call the action of {@link #onFrames} with a lock that they take.
 */
public interface NetworkPort extends AutoCloseable {
    /**
     * Takes a frame; one for which there is no room, or that makes no sense, is dropped. Doesn't wait.
     *
     * @param frame from position to limit, big-endian; read within the call alone
     */
    void send(ByteBuffer frame, Offload offload);

    /** The next frame for the interface, good until the next call of {@link #send} or {@code receive}; null if there is none. */
    @Nullable
    Frame receive();

    /**
     * Says what frames the interface can take from now on; {@link Offload.Abilities#NONE} at first.
     */
    void accept(Offload.Abilities abilities);

    /**
     * Who is told that {@link #receive} has frames again after it had none. Frames that are there when {@link #send} returns, as answers to what was
     * sent, need not be told: the interface looks by itself.
     */
    void onFrames(Runnable action);

    /** Unplugs: nobody is told anything any more. */
    @Override
    void close();
}
