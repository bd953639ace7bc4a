package serai.machine.boot;

/**
 * An entry of the memory map told to the guest (ACPI 6.5, 15.1; the E820 types).
 *
 * @param base guest-physical start
 * @param size bytes, above 0
 * @param type one of the constants here
 */
public record MemoryRange(long base, long size, int type) {
    /** Usable RAM. */
    public static final int RAM = 1;
    /** Not to be used. */
    public static final int RESERVED = 2;
    /** ACPI tables, usable once they have been read. */
    public static final int ACPI = 3;
    /** ACPI memory to be kept. */
    public static final int NVS = 4;

    /** The first byte after it. */
    public long end() {
        return base + size;
    }
}
