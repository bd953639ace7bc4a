package serai.vmm.plug;

import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.memory.PluggableRam;
import serai.machine.virtio.VirtioMem;

/**
 * The memory device of a VM whose memory can grow. How much of it the guest is to have is an event of the host (see
 * {@link Machine#hostEvent}): {@code requested-size BYTES}.
 */
public final class MemoryDevice {
    /** Its id, the one that libvirt gives its first. */
    public static final String ID = "virtiomem0";

    private static final String EVENT = "requested-size";

    /**
     * How things are.
     *
     * @param address guest-physical, of the region
     * @param requested bytes that the guest is to have plugged
     * @param plugged bytes that it has
     * @param max bytes of the region
     * @param block bytes of a block
     * @param node the NUMA node
     */
    public record Info(long address, long requested, long plugged, long max, long block, int node) {}

    private final Machine machine;
    private final VirtioMem device;

    private MemoryDevice(Machine machine, VirtioMem device) {
        this.machine = machine;
        this.device = device;
        machine.onHostEvent(EVENT, this::perform);
    }

    /** Plugs it in, before the start; null if the machine has no memory that can be plugged. */
    public static @Nullable MemoryDevice plug(Machine machine) {
        PluggableRam ram = machine.memory().pluggable();
        if (ram == null) {
            return null;
        }
        VirtioMem device = new VirtioMem(ram);
        machine.plug(Layout.MEMORY_SLOT, device.onPci("virtio-mem0", machine.memory(), machine.msi()));
        return new MemoryDevice(machine, device);
    }

    /** Who is told the bytes that are plugged when they change, with the machine lock held. */
    public void onSizeChanged(LongConsumer action) {
        machine.lock().lock();
        try {
            device.onSizeChanged(action);
        } finally {
            machine.lock().unlock();
        }
    }

    /** How things are now. */
    public Info info() {
        machine.lock().lock();
        try {
            PluggableRam r = device.ram();
            return new Info(
                    r.region().base(),
                    device.requested(),
                    r.pluggedSize(),
                    r.region().size(),
                    r.blockSize(),
                    r.node());
        } finally {
            machine.lock().unlock();
        }
    }

    /**
     * Has the guest plug or unplug memory until it has so much of it.
     *
     * @throws PlugException if it is not a multiple of the block size, or more than there is
     */
    public void request(long bytes) throws PlugException {
        check(bytes);
        if (!machine.hostEvent(EVENT + " " + bytes)) {
            throw PlugException.replayed();
        }
    }

    private void check(long bytes) throws PlugException {
        Info i = info();
        if (bytes < 0 || bytes > i.max) {
            throw new PlugException("'requested-size' cannot exceed the memory backend size (%#x)".formatted(i.max));
        }
        if (bytes % i.block != 0) {
            throw new PlugException("'requested-size' has to be multiples of %#x".formatted(i.block));
        }
    }

    private void perform(String bytes) {
        try {
            long n = Long.parseLong(bytes);
            check(n);
            device.request(n);
        } catch (NumberFormatException | PlugException e) {
            Recorded.ignored(EVENT + " " + bytes, e);
        }
    }
}
