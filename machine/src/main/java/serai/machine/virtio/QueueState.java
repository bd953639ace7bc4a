package serai.machine.virtio;

/**
 * State of a virtqueue.
 *
 * @param size entries, as the driver chose
 * @param enabled whether it is
 * @param descriptors guest-physical address of the descriptor table
 * @param available of the available ring
 * @param used of the used ring
 * @param nextAvailable free-running index of the next available entry
 * @param nextUsed free-running index of the next used entry
 * @param signalledUsed the used index at the last interrupt
 * @param vector MSI-X vector, 0xffff for none
 */
public record QueueState(
        int size,
        boolean enabled,
        long descriptors,
        long available,
        long used,
        int nextAvailable,
        int nextUsed,
        int signalledUsed,
        int vector) {}
