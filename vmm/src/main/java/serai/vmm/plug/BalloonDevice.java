package serai.vmm.plug;

import java.time.Instant;
import java.util.Arrays;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.virtio.VirtioBalloon;

/**
 * The memory balloon of a VM. How much memory the guest is to be left with, and that statistics are wanted, are events of the host (see
 * {@link Machine#hostEvent}): {@code balloon left BYTES} and {@code balloon statistics}.
 */
public final class BalloonDevice {
    /** Its id, the one that libvirt gives it. */
    public static final String ID = "balloon0";

    /** Its name in the machine. */
    public static final String NAME = "virtio-balloon0";

    /** Seconds between two requests for statistics at most: as QEMU has it. */
    public static final long MAX_INTERVAL = 0xffff_ffffL;

    private static final String WORD = "balloon";
    private static final long PAGE = GuestMemory.PAGE_SIZE;

    /**
     * What the guest has said of itself.
     *
     * @param values by the tags of virtio 1.2, 5.5.6.3, -1 for what it has not said
     * @param when it said so last, {@link Instant#EPOCH} for never
     */
    public record Statistics(long[] values, Instant when) {}

    private final Machine machine;
    private final VirtioBalloon device;
    private LongConsumer changed = bytes -> {};
    private volatile Statistics statistics = new Statistics(none(), Instant.EPOCH);
    /** Seconds, 0 for never; guarded by itself. */
    private final long[] interval = {0};

    private @Nullable Thread poller;

    private BalloonDevice(Machine machine, VirtioBalloon device) {
        this.machine = machine;
        this.device = device;
        device.listener(new VirtioBalloon.Listener() {
            @Override
            public void actual(long pages) {
                changed.accept(memory() - pages * PAGE);
            }

            @Override
            public void statistics(long[] values) {
                statistics = new Statistics(values, Instant.now());
            }
        });
        machine.onHostEvent(WORD, this::perform);
    }

    private static long[] none() {
        long[] values = new long[VirtioBalloon.STATISTICS];
        Arrays.fill(values, -1);
        return values;
    }

    /**
     * Plugs it in, before the start.
     *
     * @param left bytes that the guest is to be left with, or 0 for all
     */
    public static BalloonDevice plug(Machine machine, long left) {
        VirtioBalloon device = new VirtioBalloon();
        machine.plug(Layout.BALLOON_SLOT, device.onPci(NAME, machine.memory(), machine.msi()));
        BalloonDevice d = new BalloonDevice(machine, device);
        if (left > 0) {
            d.leave(left);
        }
        return d;
    }

    /** All the memory that the guest has, with what is in the balloon. */
    private long memory() {
        PluggableRam pluggable = machine.memory().pluggable();
        return machine.memory().ramSize() + (pluggable == null ? 0 : pluggable.pluggedSize());
    }

    /** Who is told the bytes that the guest has left when they change, with the machine lock held. */
    public void onChanged(LongConsumer action) {
        machine.lock().lock();
        try {
            changed = action;
        } finally {
            machine.lock().unlock();
        }
    }

    /** Bytes of memory that the guest has left. */
    public long left() {
        machine.lock().lock();
        try {
            return memory() - device.actual() * PAGE;
        } finally {
            machine.lock().unlock();
        }
    }

    /**
     * Has the guest give memory back, or take it again, until it has so much left; with more than there is, all of it.
     *
     * @throws PlugException if this run takes no inputs, or it is nothing
     */
    public void request(long bytes) throws PlugException {
        if (bytes <= 0) {
            throw new PlugException("Parameter 'target' expects a size");
        }
        event("left " + bytes);
    }

    private void leave(long bytes) {
        device.want(Math.min((memory() - Math.min(bytes, memory())) / PAGE, 0xffff_ffffL));
    }

    /** What the guest last said of itself. */
    public Statistics statistics() {
        return statistics;
    }

    /** Seconds between two requests for statistics, 0 for none. */
    public long interval() {
        synchronized (interval) {
            return interval[0];
        }
    }

    /**
     * Asks for statistics at once and then ever again.
     *
     * @param seconds between two requests, 0 for no more of them
     */
    public void interval(long seconds) throws PlugException {
        if (seconds < 0) {
            throw new PlugException("timer value must be greater than zero");
        }
        if (seconds > MAX_INTERVAL) {
            throw new PlugException("timer value is too big");
        }
        synchronized (interval) {
            interval[0] = seconds;
            interval.notifyAll();
            if (poller == null && seconds > 0) {
                poller = Thread.ofPlatform().daemon().name("serai-balloon").start(this::poll);
            }
        }
        if (seconds > 0) {
            event("statistics");
        }
    }

    private void poll() {
        try {
            while (true) {
                awaitTurn();
                boolean unused = machine.hostEvent(WORD + " statistics");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Waits for the interval to pass, as it may be changed meanwhile. */
    private void awaitTurn() throws InterruptedException {
        synchronized (interval) {
            long begun = System.nanoTime();
            while (true) {
                if (interval[0] == 0) {
                    interval.wait();
                    begun = System.nanoTime();
                }
                long left = interval[0] * 1000 - (System.nanoTime() - begun) / 1_000_000;
                if (interval[0] > 0 && left <= 0) {
                    return;
                }
                if (interval[0] > 0) {
                    interval.wait(left);
                }
            }
        }
    }

    private void event(String what) throws PlugException {
        if (!machine.hostEvent(WORD + " " + what)) {
            throw PlugException.replayed();
        }
    }

    private void perform(String what) {
        if (what.equals("statistics")) {
            device.requestStatistics();
            return;
        }
        try {
            if (!what.startsWith("left ")) {
                throw new NumberFormatException("it is not known");
            }
            long bytes = Long.parseLong(what.substring(5));
            if (bytes <= 0) {
                throw new NumberFormatException("that is nothing");
            }
            leave(bytes);
        } catch (IllegalArgumentException e) {
            Recorded.ignored(WORD + " " + what, e);
        }
    }
}
