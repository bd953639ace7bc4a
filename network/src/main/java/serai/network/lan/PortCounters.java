package serai.network.lan;

/**
 * What has gone through a port of a switch.
 *
 * @param received frames that came from whoever is plugged in, and
 * @param receivedBytes their bytes
 * @param sent frames for him, and
 * @param sentBytes their bytes
 * @param malformed frames that were none
 * @param forbidden frames that were not allowed to pass: of other addresses, or of a VLAN that the port is not in
 * @param limited frames above the port's rate
 */
public record PortCounters(
        long received, long receivedBytes, long sent, long sentBytes, long malformed, long forbidden, long limited) {}
