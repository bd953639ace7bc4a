package serai.machine.virtio;

import java.util.function.LongSupplier;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestMemory;

/** The entropy device: virtio 1.2, 5.4. */
public final class VirtioRng extends VirtioDevice {
    /** Bytes given for one chain at most. */
    private static final int MAX_BYTES = 4096;

    private final LongSupplier random;

    private VirtioRng(LongSupplier random) {
        super(4, 0xff0000, 1);
        this.random = random;
    }

    /**
     * The device on PCI.
     *
     * @param random where the entropy comes from
     */
    public static VirtioPci create(String name, LongSupplier random, GuestMemory memory, MsiSink sink) {
        return new VirtioPci(name, new VirtioRng(random), memory, sink);
    }

    @Override
    long features() {
        return 0;
    }

    @Override
    int configByte(int offset) {
        return 0;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        drain(q, c -> {
            byte[] b = new byte[(int) Math.min(MAX_BYTES, c.writableBytes())];
            long word = 0;
            for (int k = 0; k < b.length; k++) {
                if (k % 8 == 0) {
                    word = random.getAsLong();
                }
                b[k] = (byte) (word >>> k % 8 * 8);
            }
            q.push(c, c.write(memory, 0, b));
        });
    }

    @Override
    void reset() {}
}
