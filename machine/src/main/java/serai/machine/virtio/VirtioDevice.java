package serai.machine.virtio;

import serai.machine.memory.GuestMemory;

/** A virtio device without its transport. Called with the machine lock held. */
abstract class VirtioDevice {
    /** What a device asks of its transport. */
    interface Transport {
        /** Chains of this queue have been used: interrupt the driver if it wants that. */
        void usedBuffers(Virtqueue q);

        /** The driver has broken the rules: no more until it resets the device. */
        void broken(String why);
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

    /** A byte of the device's configuration; 0 past its end. */
    abstract int configByte(int offset);

    /** The driver has put something into {@code q}, or taken something out. */
    abstract void notified(Virtqueue q) throws Virtqueue.Malformed;

    /** Forgets all; work under way must not touch the guest any more. */
    abstract void reset();

    /** Work under way and what else there is: heads of chains taken and not given back, with when they are due. */
    long[] saveWork() {
        return new long[0];
    }

    /** Takes it over; the queues have been restored. */
    void restoreWork(long[] work) throws Virtqueue.Malformed {}
}
