package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.function.LongConsumer;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;

/**
 * The memory device: virtio 1.3, 5.15. The host says how much memory it wants the guest to have of a {@link PluggableRam}, and the driver plugs
 * and unplugs blocks of its choice until it has that.
 *
 * <pre>
 * configuration: 0 block size (8) | 8 node (2), padding (6) | 16 address (8) | 24 region (8) | 32 usable region (8)
 *                40 plugged (8) | 48 requested (8)
 * request:       0 type (2), padding (6) | 8 address (8) | 16 blocks (2), padding (6)
 * response:      0 type (2), padding (6) | 8 state (2)
 * </pre>
 *
 * The whole region is usable. A request is done when its chain goes back: nothing is ever busy. A reset of the device leaves what is
 * plugged, and so does S3, which VIRTIO_MEM_F_PERSISTENT_SUSPEND (newer than 1.3; Linux 6.11) promises: without it Linux refuses to suspend while
 * memory is plugged. A reset of the machine unplugs all, and the host's wish stays. What there is no request for is answered as one that is wrong.
 */
public final class VirtioMem extends VirtioDevice {
    /** Bytes of a block: what Linux can offline in one go, and the host's huge page. */
    public static final long BLOCK_SIZE = 2L << 20;

    private static final long F_ACPI_PXM = 1, F_UNPLUGGED_INACCESSIBLE = 2, F_PERSISTENT_SUSPEND = 4;
    private static final int PLUG = 0, UNPLUG = 1, UNPLUG_ALL = 2, STATE = 3;
    private static final int ACK = 0, NACK = 1, ERROR = 3;
    private static final int PLUGGED = 0, UNPLUGGED = 1, MIXED = 2;
    private static final int REQUEST = 24, RESPONSE = 10, CONFIG = 56;
    private static final int VERSION = 1;

    private final PluggableRam ram;
    private LongConsumer sizeChanged = size -> {};
    private long requested;

    /** A device for a range of memory. */
    public VirtioMem(PluggableRam ram) {
        super(24, 0xff0000, 1);
        this.ram = ram;
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        return new VirtioPci(name, this, guestMemory, sink);
    }

    // ---- the host's side, with the machine lock held ----

    /** Who is told the bytes that are plugged whenever they change, with the machine lock held. */
    public void onSizeChanged(LongConsumer action) {
        sizeChanged = action;
    }

    /** The memory that comes and goes. */
    public PluggableRam ram() {
        return ram;
    }

    /** Bytes that the guest is to have plugged. */
    public long requested() {
        return requested;
    }

    /**
     * Has the guest plug or unplug until it has so many bytes; how far it comes is its affair.
     *
     * @param bytes a multiple of the block size, at most the size of the region
     */
    public void request(long bytes) {
        if (bytes < 0 || bytes > ram.region().size() || bytes % ram.blockSize() != 0) {
            throw new IllegalArgumentException("%#x bytes can't be requested".formatted(bytes));
        }
        if (bytes != requested) {
            requested = bytes;
            transport.configChanged();
        }
    }

    // ---- the driver's side ----

    @Override
    long features() {
        return F_ACPI_PXM | F_UNPLUGGED_INACCESSIBLE | F_PERSISTENT_SUSPEND;
    }

    @Override
    int configByte(int offset) {
        if (offset >= CONFIG) {
            return 0;
        }
        long field =
                switch (offset >>> 3) {
                    case 0 -> ram.blockSize();
                    case 1 -> ram.node();
                    case 2 -> ram.region().base();
                    case 3, 4 -> ram.region().size();
                    case 5 -> ram.pluggedSize();
                    default -> requested;
                };
        return (int) (field >>> (offset & 7) * 8) & 0xff;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        drain(q, c -> {
            if (c.readableBytes() < REQUEST || c.writableBytes() < RESPONSE) {
                throw new Virtqueue.Malformed("a request of %d bytes with %d for the response"
                        .formatted(c.readableBytes(), c.writableBytes()));
            }
            ByteBuffer request = ByteBuffer.wrap(c.read(memory, REQUEST)).order(ByteOrder.LITTLE_ENDIAN);
            q.push(c, c.write(memory, 0, answer(request)));
        });
    }

    private byte[] answer(ByteBuffer request) {
        int type = request.getShort(0);
        int state = 0;
        int response;
        if (type == UNPLUG_ALL) {
            unplugAll();
            response = ACK;
        } else {
            int count = request.getShort(16) & 0xffff;
            int first = first(request.getLong(8), count);
            response = first < 0
                    ? ERROR
                    : switch (type) {
                        case PLUG -> plug(first, count);
                        case UNPLUG -> unplug(first, count);
                        case STATE -> ACK;
                        default -> ERROR;
                    };
            if (type == STATE && response == ACK) {
                int n = ram.plugged(first, count);
                state = n == count ? PLUGGED : n == 0 ? UNPLUGGED : MIXED;
            }
        }
        return ByteBuffer.allocate(RESPONSE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort(0, (short) response)
                .putShort(8, (short) state)
                .array();
    }

    /** The number of the block at an address, if so many from there on are in the region; else -1. */
    private int first(long address, int count) {
        long offset = address - ram.region().base();
        long block = ram.blockSize();
        if (count == 0 || offset < 0 || offset % block != 0 || offset / block > ram.blocks() - count) {
            return -1;
        }
        return (int) (offset / block);
    }

    private int plug(int first, int count) {
        if (ram.plugged(first, count) != 0) {
            return ERROR;
        }
        if (ram.pluggedSize() + count * ram.blockSize() > requested) {
            return NACK;
        }
        ram.plug(first, count);
        sizeChanged.accept(ram.pluggedSize());
        return ACK;
    }

    private int unplug(int first, int count) {
        if (ram.plugged(first, count) != count) {
            return ERROR;
        }
        ram.unplug(first, count);
        sizeChanged.accept(ram.pluggedSize());
        return ACK;
    }

    private void unplugAll() {
        if (ram.pluggedSize() != 0) {
            ram.become(new BitSet());
            sizeChanged.accept(0);
        }
    }

    @Override
    void reset() {
        // 5.15.5.2: a driver that comes back finds its memory as it was
    }

    @Override
    void systemReset() {
        unplugAll();
    }

    // ---- state: version, bytes requested, the plugged blocks as a bit set ----

    @Override
    long[] saveWork() {
        long[] words = ram.plugged().toLongArray();
        long[] all = new long[2 + words.length];
        all[0] = VERSION;
        all[1] = requested;
        System.arraycopy(words, 0, all, 2, words.length);
        return all;
    }

    /** The memory of the plugged blocks has been filled before, with {@link PluggableRam#plugAll}. */
    @Override
    void restoreWork(long[] work) {
        if (work.length < 2 || work[0] != VERSION) {
            throw new IllegalArgumentException("memory device state of another version");
        }
        BitSet plugged = BitSet.valueOf(java.util.Arrays.copyOfRange(work, 2, work.length));
        if (plugged.length() > ram.blocks()
                || work[1] < 0
                || work[1] > ram.region().size()
                || work[1] % ram.blockSize() != 0) {
            throw new IllegalArgumentException("the state is of a memory device of another size");
        }
        requested = work[1];
        ram.become(plugged);
        sizeChanged.accept(ram.pluggedSize());
    }
}
