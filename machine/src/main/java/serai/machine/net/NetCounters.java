package serai.machine.net;

/**
 * What has gone through a network interface. A large frame counts as one.
 *
 * @param received frames that the guest got
 * @param receivedBytes in them
 * @param receivedDrops frames for the guest that it did not get: not for it by its own filters, without a link, or of a kind that its driver does not take
 * @param sent frames of the guest
 * @param sentBytes in them
 * @param sentDrops frames of the guest that went nowhere: malformed, or without a link
 */
public record NetCounters(
        long received, long receivedBytes, long receivedDrops, long sent, long sentBytes, long sentDrops) {}
