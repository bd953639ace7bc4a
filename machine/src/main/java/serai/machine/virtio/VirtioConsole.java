package serai.machine.virtio;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciFunction;

/** The console device with its one port: virtio 1.2, 5.3. Queue 0 receives, queue 1 transmits. */
public final class VirtioConsole extends VirtioDevice {
    private static final int RECEIVE = 0, TRANSMIT = 1;
    /** Bytes taken from one chain at most, and chains for one notification. */
    private static final int MAX_BYTES = 64 << 10, MAX_CHAINS = Virtqueue.MAX_SIZE;

    private final Consumer<byte[]> backend;
    private final Deque<Byte> input = new ArrayDeque<>();

    private VirtioConsole(Consumer<byte[]> backend) {
        super(3, 0x078000, 2);
        this.backend = backend;
    }

    /**
     * The device on PCI.
     *
     * @param backend takes what the guest writes, with the machine lock held
     */
    public static PciFunction<VirtioState> create(
            String name, Consumer<byte[]> backend, GuestMemory memory, MsiSink sink) {
        return new VirtioPci(name, new VirtioConsole(backend), memory, sink);
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
        if (q.index == RECEIVE) {
            deliver();
            return;
        }
        for (int i = 0; i < MAX_CHAINS; i++) {
            Chain c = q.pop();
            if (c == null) {
                break;
            }
            backend.accept(c.read(memory, MAX_BYTES));
            q.push(c, 0);
        }
        transport.usedBuffers(queue[TRANSMIT]);
    }

    private void deliver() throws Virtqueue.Malformed {
        while (!input.isEmpty()) {
            Chain c = queue[RECEIVE].pop();
            if (c == null) {
                break;
            }
            byte[] b = new byte[(int) Math.min(input.size(), c.writableBytes())];
            for (int i = 0; i < b.length; i++) {
                b[i] = input.removeFirst();
            }
            queue[RECEIVE].push(c, c.write(memory, 0, b));
        }
        transport.usedBuffers(queue[RECEIVE]);
    }

    @Override
    void reset() {
        input.clear();
    }

    @Override
    long[] saveWork() {
        return input.stream().mapToLong(Byte::byteValue).toArray();
    }

    @Override
    void restoreWork(long[] work) {
        for (long b : work) {
            input.add((byte) b);
        }
    }
}
