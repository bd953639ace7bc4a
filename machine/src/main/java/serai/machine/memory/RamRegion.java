package serai.machine.memory;

/**
 * A range of guest-physical memory backed by host memory.
 *
 * @param base guest-physical start, a multiple of 4 KiB
 * @param size bytes, a multiple of 4 KiB
 * @param host address of the mapping in this process, page-aligned; it stays mapped as long as the machine lives
 * @param readOnly ROM: guest stores go to the MMIO bus
 * @param fd the descriptor of the shareable file behind the mapping (a memfd or a file), or -1
 * @param fileOffset where in that file the region starts
 */
public record RamRegion(long base, long size, long host, boolean readOnly, int fd, long fileOffset) {
    /** Checks alignment and sign. */
    public RamRegion {
        if (((base | size | host) & 0xfff) != 0 || size <= 0 || base < 0 || host == 0) {
            throw new IllegalArgumentException("region %#x+%#x at %#x is not page-aligned".formatted(base, size, host));
        }
    }
}
