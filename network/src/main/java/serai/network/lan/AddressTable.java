package serai.network.lan;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which address was seen last at which port, in each VLAN: IEEE 802.1Q, 8.8. What a port can fill it with is bounded. */
final class AddressTable<P> {
    /** How long an address is remembered: the recommended time. */
    static final long MILLIS = 300_000;
    /** Addresses of one port at most. */
    static final int MOST = 1_024;

    private record Key(int vlan, long address) {}

    private static final class Place<P> {
        private P port;
        private long since;

        Place(P port, long since) {
            this.port = port;
            this.since = since;
        }
    }

    private final Map<Key, Place<P>> places = new HashMap<>();
    private final Map<P, Integer> counts = new HashMap<>();

    /** A frame of this address has come from a port. */
    void seen(int vlan, long address, P port, long now) {
        Key k = new Key(vlan, address);
        Place<P> p = places.get(k);
        if (p == null) {
            if (counts.getOrDefault(port, 0) >= MOST) {
                forgetOld(now);
                if (counts.getOrDefault(port, 0) >= MOST) {
                    return; // its frames are flooded
                }
            }
            places.put(k, new Place<>(port, now));
            counts.merge(port, 1, Integer::sum);
        } else {
            if (p.port != port) {
                counts.merge(p.port, -1, Integer::sum);
                counts.merge(port, 1, Integer::sum);
                p.port = port;
            }
            p.since = now;
        }
    }

    /** Where an address is; null if that is not known. */
    @Nullable
    P find(int vlan, long address, long now) {
        Place<P> p = places.get(new Key(vlan, address));
        return p == null || now - p.since > MILLIS ? null : p.port;
    }

    private void forgetOld(long now) {
        places.values().removeIf(p -> {
            boolean old = now - p.since > MILLIS;
            if (old) {
                counts.merge(p.port, -1, Integer::sum);
            }
            return old;
        });
    }

    int size() {
        return places.size();
    }
}
