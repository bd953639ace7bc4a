package serai.storage.qcow2;

import java.time.Instant;

/**
 * An internal snapshot.
 *
 * @param id unique in the image, a number as a rule
 * @param name as its maker called it; may be empty, or the same as another's
 * @param time when it was made
 * @param guestNanos how long the guest had run, in ns
 * @param vmStateBytes what it has of a VM's memory and devices (QEMU's savevm)
 * @param diskBytes size of the disk then
 */
public record SnapshotInfo(String id, String name, Instant time, long guestNanos, long vmStateBytes, long diskBytes) {}
