package serai.network.nat;

import java.util.Map;

/**
 * What has gone through, and what there is.
 *
 * @param framesFromGuest frames that were sent
 * @param bytesFromGuest of all of them
 * @param framesToGuest frames that were received
 * @param bytesToGuest of all of them
 * @param tcpConnections that there are, those that wait for the end included
 * @param udpFlows that there are
 * @param bufferBytes memory outside the heap that holds what is on its way
 * @param drops how many, of those reasons that there were
 */
public record UserNetworkStatistics(
        long framesFromGuest,
        long bytesFromGuest,
        long framesToGuest,
        long bytesToGuest,
        int tcpConnections,
        int udpFlows,
        long bufferBytes,
        Map<Drop, Long> drops) {
    /** Copies the map. */
    public UserNetworkStatistics {
        drops = Map.copyOf(drops);
    }

    /** How often that happened. */
    public long drops(Drop reason) {
        return drops.getOrDefault(reason, 0L);
    }
}
