package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;

/**
 * Which frames the driver of a network device wants: virtio 1.2, 5.1.6.5.1 to 5.1.6.5.3. At first all of them; as long as it is promiscuous,
 * too.
 */
final class ReceiveFilter {
    static final long BROADCAST = 0xffff_ffff_ffffL;
    /** Of a MAC address as a number. */
    private static final long GROUP = 1L << 40;
    /** Addresses in a table; a driver that wants more of a kind gets all of that kind. */
    private static final int TABLE = 64;

    private static final int VLANS = 4096, VLAN = 0x8100;
    private static final int ADDRESSES = 12, TAGGED = 18;

    boolean promiscuous;
    boolean allMulticast;
    private boolean allUnicast;
    private long[] unicast = {};
    private long[] multicast = {};
    private boolean tooManyMulticast;
    /** Those that are let through, if {@link #filterVlans}. */
    private final BitSet vlans = new BitSet(VLANS);

    boolean filterVlans;

    ReceiveFilter() {
        reset();
    }

    void reset() {
        promiscuous = true;
        allMulticast = false;
        allUnicast = false;
        tooManyMulticast = false;
        unicast = new long[0];
        multicast = new long[0];
        vlans.clear();
    }

    /** The six bytes at an index of a buffer, as a number. */
    static long address(ByteBuffer b, int at) {
        long v = 0;
        for (int i = 0; i < 6; i++) {
            v = v << 8 | b.get(at + i) & 0xff;
        }
        return v;
    }

    /** The tables of addresses beside the device's own. */
    void tables(long[] unicastAddresses, long[] multicastAddresses) {
        allUnicast = unicastAddresses.length > TABLE;
        unicast = allUnicast ? new long[0] : unicastAddresses;
        tooManyMulticast = multicastAddresses.length > TABLE;
        multicast = tooManyMulticast ? new long[0] : multicastAddresses;
    }

    /** Lets a VLAN through, or not. */
    void vlan(int id, boolean wanted) {
        vlans.set(id & VLANS - 1, wanted);
    }

    /**
     * Whether the driver wants a frame.
     *
     * @param frame from position to limit, 14 bytes at least
     * @param own the device's address
     */
    boolean wants(ByteBuffer frame, long own) {
        if (promiscuous) {
            return true;
        }
        int at = frame.position();
        if (filterVlans
                && frame.remaining() >= TAGGED
                && (frame.get(at + ADDRESSES) & 0xff) == VLAN >>> 8
                && frame.get(at + ADDRESSES + 1) == (byte) VLAN
                && !vlans.get((frame.get(at + ADDRESSES + 2) & 15) << 8 | frame.get(at + ADDRESSES + 3) & 0xff)) {
            return false;
        }
        long to = address(frame, at);
        if ((to & GROUP) == 0) {
            return to == own || allUnicast || contains(unicast, to);
        }
        return to == BROADCAST || allMulticast || tooManyMulticast || contains(multicast, to);
    }

    private static boolean contains(long[] table, long address) {
        for (long a : table) {
            if (a == address) {
                return true;
            }
        }
        return false;
    }

    // ---- state: flags, each table with its length before it, a bit for each VLAN ----

    void save(LongStream.Builder w) {
        w.add((promiscuous ? 1 : 0) | (allMulticast ? 2 : 0) | (allUnicast ? 4 : 0) | (tooManyMulticast ? 8 : 0));
        for (long[] table : new long[][] {unicast, multicast}) {
            w.add(table.length);
            Arrays.stream(table).forEach(w::add);
        }
        long[] words = Arrays.copyOf(vlans.toLongArray(), VLANS / 64);
        Arrays.stream(words).forEach(w::add);
    }

    void restore(PrimitiveIterator.OfLong from) {
        long flags = from.nextLong();
        promiscuous = (flags & 1) != 0;
        allMulticast = (flags & 2) != 0;
        allUnicast = (flags & 4) != 0;
        tooManyMulticast = (flags & 8) != 0;
        unicast = table(from);
        multicast = table(from);
        long[] words = new long[VLANS / 64];
        for (int i = 0; i < words.length; i++) {
            words[i] = from.nextLong();
        }
        vlans.clear();
        vlans.or(BitSet.valueOf(words));
    }

    private static long[] table(PrimitiveIterator.OfLong from) {
        long n = from.nextLong();
        if (n < 0 || n > TABLE) {
            throw new IllegalArgumentException(n + " addresses in a filter");
        }
        long[] t = new long[(int) n];
        for (int i = 0; i < t.length; i++) {
            t[i] = from.nextLong();
        }
        return t;
    }
}
