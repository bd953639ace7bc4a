package serai.machine.net;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A network for tests: keeps what an interface sends, and has what it is given; to some frames it answers with a frame of the same bytes. */
public final class TestNetwork implements NetBackend {
    private static final int MOST = 64;

    /**
     * A frame of the guest.
     *
     * @param bytes of it
     * @param offload what is to be done to it
     */
    public record Sent(byte[] bytes, Offload offload) {}

    /** What came; its {@link #MOST} last. */
    public final List<Sent> sent = new ArrayList<>();

    /** Of all that came: its number and what was in it. */
    public long digest;

    public final Deque<Frame> waiting = new ArrayDeque<>();
    public Abilities abilities = Abilities.NONE;
    /** Whether each frame is answered with itself. */
    public boolean echoes;

    private Runnable action = () -> {};
    private final byte[] lent = new byte[MAX_FRAME + 3];

    @Override
    public void send(ByteBuffer frame, Offload offload) {
        Arrays.fill(lent, (byte) 0x55);
        byte[] b = new byte[frame.remaining()];
        frame.get(b);
        digest = digest * 31 + Arrays.hashCode(b) + offload.toString().hashCode();
        if (sent.size() == MOST) {
            sent.removeFirst();
        }
        sent.add(new Sent(b, offload));
        if (echoes && waiting.size() < MOST) {
            waiting.add(new Frame(ByteBuffer.wrap(b), offload));
        }
    }

    @Override
    public @Nullable Frame receive() {
        Frame f = waiting.poll();
        if (f == null) {
            return null;
        }
        // good until the next call, as may well be said
        Arrays.fill(lent, (byte) 0x55);
        int n = f.bytes().remaining();
        f.bytes().get(f.bytes().position(), lent, 3, n);
        return new Frame(ByteBuffer.wrap(lent, 3, n), f.offload());
    }

    @Override
    public void accept(Abilities now) {
        abilities = now;
    }

    @Override
    public void onFrames(Runnable a) {
        action = a;
    }

    /** Frames for the interface; who has them is not told. */
    public void put(byte[] bytes, Offload offload) {
        if (waiting.size() < MOST) {
            waiting.add(new Frame(ByteBuffer.wrap(bytes), offload));
        }
    }

    /** A frame for the interface, as it is on the wire, and it is told. */
    public void give(byte[] bytes) {
        give(bytes, Offload.NONE);
    }

    /** The same with something to be done to it. */
    public void give(byte[] bytes, Offload offload) {
        put(bytes, offload);
        tell();
    }

    /** Tells that there are frames. */
    public void tell() {
        action.run();
    }

    /** Becomes as another is. */
    public void copy(TestNetwork other) {
        digest = other.digest;
        waiting.clear();
        waiting.addAll(other.waiting);
    }

    /** An Ethernet frame: to whom, from whom, type, bytes that count up. */
    public static byte[] frame(long to, long from, int type, int length) {
        ByteBuffer b = ByteBuffer.allocate(length);
        b.putShort((short) (to >>> 32)).putInt((int) to);
        b.putShort((short) (from >>> 32)).putInt((int) from);
        b.putShort((short) type);
        for (int i = 14; i < length; i++) {
            b.put((byte) i);
        }
        return b.array();
    }

    /** A TCP segment over IPv4 between two ports of two addresses, with zeros in it and where checksums are. */
    public static byte[] tcp4(long to, long from, int source, int destination, int payload) {
        byte[] f = frame(to, from, 0x800, 14 + 40 + payload);
        ByteBuffer b = ByteBuffer.wrap(f);
        Arrays.fill(f, 14, 54, (byte) 0);
        b.put(14, (byte) 0x45)
                .putShort(16, (short) (40 + payload))
                .put(22, (byte) 64)
                .put(23, (byte) 6);
        b.putInt(26, 0x0a000001).putInt(30, 0x0a000002);
        b.putShort(34, (short) source).putShort(36, (short) destination).put(46, (byte) 0x50);
        return f;
    }
}
