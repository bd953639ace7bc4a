package serai.network.nat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import serai.linux.EventFd;
import serai.linux.Poll;
import serai.linux.Tap;
import serai.network.Frame;
import serai.network.NetworkPort;
import serai.network.Offload;

/** The kernel's network stack as a guest: carries frames between a TAP interface and a port, in a thread of its own. */
final class TapGuest implements AutoCloseable {
    private static final int NEEDS_CHECKSUM = 1;
    private static final int DATA_VALID = 2;
    private static final int GSO_TCP4 = 1;
    private static final int GSO_TCP6 = 4;
    private static final int ECN = 0x80;
    private static final int BATCH = 64;

    private final Tap tap;
    private final boolean header;
    private final NetworkPort port;
    private final int lost;
    private final Random random = new Random(1);
    private final EventFd wake;
    private final Thread thread;
    private volatile boolean stopped;
    private volatile @Nullable Throwable failure;

    /** With or without large frames. */
    TapGuest(String name, NetworkPort port, boolean header) throws IOException {
        this(name, port, header, 0);
    }

    /** One that loses one frame of so many that are for it; 0: none. */
    TapGuest(String name, NetworkPort port, boolean header, int lost) throws IOException {
        this.lost = lost;
        this.port = port;
        this.header = header;
        tap = Tap.open(name, header);
        wake = EventFd.create();
        port.accept(header ? Offload.Abilities.ALL : Offload.Abilities.NONE);
        port.onFrames(wake::signal);
        thread = Thread.ofPlatform().daemon().name("tap").start(this::run);
    }

    String name() {
        return tap.name();
    }

    private void run() {
        try {
            ByteBuffer in = ByteBuffer.allocateDirect(Tap.HEADER + Offload.MAX_FRAME);
            ByteBuffer out = ByteBuffer.allocateDirect(Tap.HEADER + Offload.MAX_FRAME);
            while (!stopped) {
                boolean worked = false;
                for (int i = 0; i < BATCH && tap.read(in.clear()); i++) {
                    worked = true;
                    in.flip();
                    Offload offload = header ? offload(in) : Offload.NONE;
                    port.send(in.position(header ? Tap.HEADER : 0), offload);
                }
                Frame f;
                for (int i = 0; i < BATCH && (f = port.receive()) != null; i++) {
                    worked = true;
                    out.clear();
                    if (header) {
                        header(out, f.offload());
                    }
                    boolean unused = isLost() || tap.write(out.put(f.bytes()).flip());
                }
                if (!worked) {
                    long ready = Poll.readable(-1, tap.fd(), wake.fd());
                    if ((ready & 2) != 0) {
                        long unused = wake.take();
                    }
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            failure = e;
            e.printStackTrace();
        }
    }

    private boolean isLost() {
        return lost > 0 && random.nextInt(lost) == 0;
    }

    private static Offload offload(ByteBuffer b) {
        b.order(ByteOrder.LITTLE_ENDIAN);
        int flags = b.get(0);
        int gso = b.get(1) & 0xff & ~ECN;
        int size = b.getShort(4) & 0xffff;
        int start = b.getShort(6) & 0xffff;
        int offset = b.getShort(8) & 0xffff;
        b.order(ByteOrder.BIG_ENDIAN);
        return new Offload(
                (flags & NEEDS_CHECKSUM) != 0,
                start,
                offset,
                (flags & DATA_VALID) != 0,
                gso == GSO_TCP4
                        ? Offload.Segmentation.TCP4
                        : gso == GSO_TCP6 ? Offload.Segmentation.TCP6 : Offload.Segmentation.NONE,
                gso == 0 ? 0 : size);
    }

    private static void header(ByteBuffer b, Offload o) {
        b.order(ByteOrder.LITTLE_ENDIAN);
        b.put((byte) (o.partialChecksum() ? NEEDS_CHECKSUM : o.verified() ? DATA_VALID : 0));
        b.put((byte)
                switch (o.segmentation()) {
                    case NONE -> 0;
                    case TCP4 -> GSO_TCP4;
                    case TCP6 -> GSO_TCP6;
                });
        b.putShort((short) (o.segmentation() == Offload.Segmentation.NONE ? 0 : o.checksumStart() + 20));
        b.putShort((short) o.segmentSize());
        b.putShort((short) o.checksumStart());
        b.putShort((short) o.checksumOffset());
        b.order(ByteOrder.BIG_ENDIAN);
    }

    /** What ended its thread, if anything has. */
    @Nullable
    Throwable failure() {
        return failure;
    }

    @Override
    public void close() {
        stopped = true;
        wake.signal();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        tap.close();
        wake.close();
    }

    /** By hand: makes the interface and moves it into a network namespace. */
    public static void main(String[] args) throws Exception {
        UserNetworkConfig config = UserNetworkConfig.DEFAULT;
        if (args.length > 2) {
            config = config.withMtu(Integer.parseInt(args[2]));
        }
        for (int i = 3; i < args.length; i++) {
            config = config.withForward(HostForward.parse(args[i]));
        }
        try (UserNetwork network = UserNetwork.start(config);
                TapGuest guest = new TapGuest("nattap", network.port(), !args[1].equals("plain"))) {
            int rc = new ProcessBuilder("ip", "link", "set", guest.name(), "netns", args[0])
                    .inheritIO()
                    .start()
                    .waitFor();
            System.out.println("ready " + rc + " " + network.forwards());
            while (System.in.read() >= 0) {
                System.out.println(network.statistics());
            }
        }
    }
}
