package serai.network.nat;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Puts packets together that came in fragments (RFC 791, 3.2; RFC 8200, 4.5): 16 at once, of 64 KiB, each within 15 seconds. One with fragments that overlap is given up
 * (RFC 5722), of either version.
 */
final class Reassembly {
    private static final int MOST = 16;
    private static final long MILLIS = 15_000;
    private static final int MAX_PAYLOAD = 0xffff;
    /** Of a header: more than IPv4's 60, and enough for IPv6 with some extensions. */
    static final int MAX_HEADER = 256;

    private record Key(long sourceHigh, long sourceLow, long high, long low, int id, int protocol) {}

    private static final class Parts {
        final long until;
        byte[] bytes = new byte[2048];
        /** In units of 8 bytes. */
        final BitSet there = new BitSet();

        byte[] header = new byte[0];
        int total = -1;
        int received;

        Parts(long until) {
            this.until = until;
        }
    }

    private final Core core;
    private final LinkedHashMap<Key, Parts> packets = new LinkedHashMap<>();

    Reassembly(Core core) {
        this.core = core;
    }

    /**
     * Adds a fragment.
     *
     * @param p whose payload is the fragment's
     * @param header bytes of it before what is fragmented, up to {@link #MAX_HEADER}
     * @param offset of the fragment, in bytes
     * @param more whether others follow it
     * @return the whole packet, header and all, if this was the last that lacked
     */
    @Nullable
    ByteBuffer add(Packet p, int header, int id, int offset, boolean more) {
        Key key = new Key(p.sourceHigh, p.sourceLow, p.destinationHigh, p.destinationLow, id, p.v6 ? 0 : p.protocol);
        int end = offset + p.length;
        if (p.length == 0 || end > MAX_PAYLOAD || more && p.length % 8 != 0) {
            core.counters.drop(Drop.MALFORMED);
            return null;
        }
        Parts parts = packets.get(key);
        if (parts == null) {
            if (packets.size() == MOST) {
                drop(packets.entrySet().iterator());
            }
            parts = new Parts(core.now() + MILLIS);
            packets.put(key, parts);
            core.loop.arm(parts.until);
        }
        int firstUnit = offset / 8;
        int endUnit = (end + 7) / 8;
        int next = parts.there.nextSetBit(firstUnit);
        boolean overlaps = next >= 0 && next < endUnit;
        boolean contradicts = parts.total >= 0 ? end > parts.total || !more : !more && parts.there.length() > endUnit;
        if (overlaps || contradicts) {
            packets.remove(key);
            core.counters.drop(Drop.FRAGMENT);
            return null;
        }
        if (end > parts.bytes.length) {
            parts.bytes =
                    java.util.Arrays.copyOf(parts.bytes, Math.min(MAX_PAYLOAD, Math.max(end, parts.bytes.length * 4)));
        }
        p.bytes.get(p.at, parts.bytes, offset, p.length);
        parts.there.set(firstUnit, endUnit);
        parts.received += p.length;
        if (offset == 0) {
            parts.header = new byte[header];
            p.bytes.get(p.ip, parts.header);
        }
        if (!more) {
            parts.total = end;
        }
        if (parts.received != parts.total || parts.header.length + parts.total > MAX_PAYLOAD + MAX_HEADER) {
            return null;
        }
        packets.remove(key);
        return ByteBuffer.allocate(parts.header.length + parts.total)
                .put(parts.header)
                .put(parts.bytes, 0, parts.total)
                .flip();
    }

    private void drop(Iterator<Map.Entry<Key, Parts>> at) {
        Map.Entry<Key, Parts> unused = at.next();
        at.remove();
        core.counters.drop(Drop.FRAGMENT);
    }

    void tick(long now) {
        for (Iterator<Map.Entry<Key, Parts>> i = packets.entrySet().iterator(); i.hasNext(); ) {
            Parts p = i.next().getValue();
            if (p.until > now) {
                core.loop.arm(p.until);
                break; // those that follow came later
            }
            i.remove();
            core.counters.drop(Drop.FRAGMENT);
        }
    }
}
