package serai.machine.virtio;

import java.util.function.LongSupplier;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciFunction;

/** The entropy device: virtio 1.2, 5.4. */
public final class VirtioRng extends VirtioDevice {
    /** Bytes given for one chain at most, and chains for one notification: all that fit in a queue. */
    private static final int MAX_BYTES = 4096, MAX_CHAINS = Virtqueue.MAX_SIZE;

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
    public static PciFunction<VirtioState> create(String name, LongSupplier random, GuestMemory memory, MsiSink sink) {
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
        for (int i = 0; i < MAX_CHAINS; i++) {
            Chain c = q.pop();
            if (c == null) {
                break;
            }
            byte[] b = new byte[(int) Math.min(MAX_BYTES, c.writableBytes())];
            long word = 0;
            for (int k = 0; k < b.length; k++) {
                if (k % 8 == 0) {
                    word = random.getAsLong();
                }
                b[k] = (byte) (word >>> k % 8 * 8);
            }
            q.push(c.head(), c.write(memory, 0, b));
        }
        transport.usedBuffers(q);
    }

    @Override
    void reset() {}
}
