package serai.network.nat;

import java.util.EnumMap;
import java.util.Map;

/** Counts, with the lock of the NAT held. */
final class Counters {
    long framesFromGuest;
    long bytesFromGuest;
    long framesToGuest;
    long bytesToGuest;

    private final Map<Drop, Long> drops = new EnumMap<>(Drop.class);

    void drop(Drop reason) {
        drops.merge(reason, 1L, Long::sum);
    }

    Map<Drop, Long> drops() {
        return drops;
    }
}
