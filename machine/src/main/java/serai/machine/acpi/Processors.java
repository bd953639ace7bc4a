package serai.machine.acpi;

/**
 * The vCPUs that the tables tell of; the n-th has UID and APIC id n.
 *
 * @param possible how many there can be
 * @param present a bit for each that is in the machine
 * @param pluggable whether they come and go while it runs
 */
public record Processors(int possible, int present, boolean pluggable) {
    /** Whether one is in the machine. */
    boolean has(int cpu) {
        return (present >>> cpu & 1) != 0;
    }
}
