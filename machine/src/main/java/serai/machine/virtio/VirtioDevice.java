package serai.machine.virtio;

import serai.machine.memory.GuestMemory;

/** A virtio device without its transport. Called with the machine lock held. */
abstract class VirtioDevice {
    /** What a device asks of its transport. */
    interface Transport {
        /** Chains of this queue have been used: interrupt the driver if it wants that. */
        void usedBuffers(Virtqueue q);

        /** Whether the driver lets the device read and write memory: the bus-master bit. */
        boolean mayAccessMemory();

        /** Whether the device may take chains and give them back: the driver is ready, and the above. */
        boolean runs();

        /** What {@link #configByte} tells has changed. */
        void configChanged();

        /** The driver has broken the rules: no more until it resets the device. */
        void broken(String why);
    }

    /** Chains taken at one notification: far more than any ring holds, so that only a guest that refills it all the while is cut off. */
    private static final int MAX_CHAINS = 1 << 16;

    /** Does something with a chain. */
    @FunctionalInterface
    interface ChainConsumer {
        void accept(Chain c) throws Virtqueue.Malformed;
    }

    private final int id;
    private final int classCode;
    private final int queues;

    @SuppressWarnings("NullAway.Init") // set by the transport that the device is given to
    Transport transport;

    @SuppressWarnings("NullAway.Init")
    GuestMemory memory;

    @SuppressWarnings("NullAway.Init")
    Virtqueue[] queue;

    VirtioDevice(int id, int classCode, int queues) {
        this.id = id;
        this.classCode = classCode;
        this.queues = queues;
    }

    final int id() {
        return id;
    }

    final int classCode() {
        return classCode;
    }

    final int queues() {
        return queues;
    }

    /** Feature bits of the device type itself. */
    abstract long features();

    /** What the driver has accepted so far, also in a restored device; it may still change. */
    void negotiated(long features) {}

    /** A byte of the device's configuration; 0 past its end. */
    abstract int configByte(int offset);

    /**
     * The driver writes to the device's configuration, by default to no effect.
     *
     * @param size 1, 2, 4 or 8 bytes, the lowest first
     */
    void configWritten(int offset, int size, long value) {}

    /** The driver has put something into {@code q}, or taken something out. */
    abstract void notified(Virtqueue q) throws Virtqueue.Malformed;

    /** Takes what is available, and interrupts the driver for what was used meanwhile. */
    final void drain(Virtqueue q, ChainConsumer consumer) throws Virtqueue.Malformed {
        Chain c;
        for (int i = 0; i < MAX_CHAINS && (c = q.pop()) != null; i++) {
            consumer.accept(c);
        }
        transport.usedBuffers(q);
    }

    /** The whole machine is reset; {@link #reset} has been done. */
    void systemReset() {}

    /** Forgets all; work under way must not touch the guest any more. */
    abstract void reset();

    /** The driver resets a queue alone: forgets what is under way there. */
    void reset(Virtqueue q) {}

    /** The device may write to memory again; each queue is notified after this. */
    void resume() {}

    /** Work under way and what else there is, in the device's own words. */
    long[] saveWork() {
        return new long[0];
    }

    /** Takes it over; the queues have been restored. */
    void restoreWork(long[] work) throws Virtqueue.Malformed {}
}
