package serai.machine.virtio;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.disk.Demand;
import serai.machine.disk.DiskGate;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/**
 * The 9P transport, device 9 of virtio 1.2 (5): a chain is a message of the file protocol 9P in its readable buffers and room for the answer in
 * the others. The device knows nothing of what is in them.
 *
 * <pre>
 * configuration: 0 bytes of the mount tag (2) | 2 the tag
 * </pre>
 *
 * Messages are answered off the vCPU's thread, one at a time. A state holds those under way, and a machine restored from it asks them again;
 * what the guest had open is closed then, as it is the server's.
 */
public final class Virtio9p extends VirtioDevice {
    /** Bytes of a mount tag at most. */
    public static final int MAX_TAG = 31;

    private static final long F_MOUNT_TAG = 1;

    /** A message under way; known by its chain's id. */
    private static final class Request {
        private final Chain chain;
        private byte @Nullable [] answer;

        Request(Chain chain) {
            this.chain = chain;
        }

        @Override
        public boolean equals(@Nullable Object o) {
            return o instanceof Request r && r.chain.id() == chain.id();
        }

        @Override
        public int hashCode() {
            return chain.id();
        }
    }

    private final byte[] tag;
    private final FileServer server;
    private final DiskRequests<Request> underWay;

    /**
     * A device.
     *
     * @param tag what the guest finds it by, 1 to {@value #MAX_TAG} bytes of ASCII
     * @param io does one work at a time
     */
    public Virtio9p(String tag, FileServer server, IoExecutor io) {
        super(9, 0xff0000, 1);
        this.tag = tag.getBytes(StandardCharsets.US_ASCII);
        if (this.tag.length == 0 || this.tag.length > MAX_TAG) {
            throw new IllegalArgumentException("a tag of " + this.tag.length + " bytes");
        }
        this.server = server;
        underWay = new DiskRequests<>(io, DiskGate.OPEN, () -> transport.mayAccessMemory());
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        return new VirtioPci(name, this, guestMemory, sink);
    }

    @Override
    long features() {
        return F_MOUNT_TAG;
    }

    @Override
    int configByte(int offset) {
        return offset == 0 ? tag.length : offset >= 2 && offset < 2 + tag.length ? tag[offset - 2] & 0xff : 0;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        drain(q, c -> start(new Request(c), 0));
    }

    private void start(Request r, long due) throws Virtqueue.Malformed {
        if (underWay.contains(r)) {
            throw new Virtqueue.Malformed(
                    "descriptor " + r.chain.id() + " offered again while its message is under way");
        }
        byte[] message = r.chain.read(memory, FileServer.MAX_REQUEST);
        underWay.submit(
                r,
                new Demand(Demand.Kind.READ, 0, 0),
                () -> r.answer = server.answer(message),
                failure -> complete(r),
                due);
    }

    private void complete(Request r) {
        byte[] answer = r.answer;
        try {
            queue[0].push(r.chain, answer == null ? 0 : r.chain.write(memory, 0, answer));
            transport.usedBuffers(queue[0]);
        } catch (GuestAddressException e) {
            transport.broken(String.valueOf(e.getMessage()));
        }
    }

    @Override
    void reset() {
        underWay.abandon(r -> true);
        server.reset();
    }

    @Override
    void reset(Virtqueue q) {
        underWay.abandon(r -> true);
    }

    @Override
    void resume() {
        underWay.resume();
    }

    // ---- state: for each message when it is due, its chain, the answer if there is one: its bytes and how many ----

    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder();
        underWay.forEach((r, due) -> {
            w.add(due);
            r.chain.save(w);
            byte[] answer = due == 0 ? null : r.answer;
            w.add(answer == null ? -1 : answer.length);
            for (int i = 0; answer != null && i < answer.length; i++) {
                w.add(answer[i]);
            }
        });
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) throws Virtqueue.Malformed {
        PrimitiveIterator.OfLong from = Arrays.stream(work).iterator();
        try {
            while (from.hasNext()) {
                long due = DiskRequests.restored(from.nextLong());
                Request r = new Request(Chain.restore(from));
                long length = from.nextLong();
                if (length < -1 || length > FileServer.MAX_ANSWER) {
                    throw new IllegalArgumentException("an answer of " + length + " bytes");
                }
                if (length >= 0) {
                    byte[] answer = new byte[(int) length];
                    for (int i = 0; i < answer.length; i++) {
                        answer[i] = (byte) from.nextLong();
                    }
                    r.answer = answer;
                }
                start(r, due);
            }
        } catch (NoSuchElementException e) {
            throw new IllegalArgumentException("a message that ends in the middle", e);
        }
    }
}
