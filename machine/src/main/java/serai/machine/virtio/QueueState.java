package serai.machine.virtio;

/**
 * State of a virtqueue.
 *
 * @param size entries, as the driver chose
 * @param enabled whether it is
 * @param descriptors guest-physical address of the descriptor table or ring
 * @param available of the available ring or the driver area
 * @param used of the used ring or the device area
 * @param nextAvailable free-running index of the next available entry; of a packed ring its place, with the wrap counter in bit 15
 * @param nextUsed of the next used entry, likewise
 * @param signalledUsed the used index at the last interrupt; of a packed ring how many descriptors were used since
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
