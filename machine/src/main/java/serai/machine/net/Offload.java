package serai.machine.net;

/**
 * What is still to be done to a frame, or need not be: segmentation and checksums that its sender has left to whoever sends it on a wire.
 *
 * @param partialChecksum the checksum at {@code checksumStart + checksumOffset} covers the pseudo-header alone; it is to be computed from
 *     {@code checksumStart} to the frame's end and stored there (virtio 1.2, 5.1.6.2)
 * @param checksumStart bytes from the frame's begin
 * @param checksumOffset bytes from {@code checksumStart}
 * @param verified whoever gives the frame vouches for its transport checksum, which need not be looked at
 * @param segmentation whether it is to be cut
 * @param segmentSize payload bytes of each segment but the last; 0 without segmentation
 */
public record Offload(
        boolean partialChecksum,
        int checksumStart,
        int checksumOffset,
        boolean verified,
        Segmentation segmentation,
        int segmentSize) {
    /** A frame as it is on the wire. */
    public static final Offload NONE = new Offload(false, 0, 0, false, Segmentation.NONE, 0);

    /** How a frame is larger than its network allows. */
    public enum Segmentation {
        NONE,
        /** TCP over IPv4; the checksum is partial, too. */
        TCP4,
        /** TCP over IPv6; the checksum is partial, too. */
        TCP6
    }
}
