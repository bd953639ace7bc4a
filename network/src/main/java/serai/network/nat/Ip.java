package serai.network.nat;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import serai.network.packet.Checksum;

/**
 * An IP address of either version; one of IPv4 is the IPv6 address that it is mapped to (RFC 4291, 2.5.5.2). No packet of IPv6 may carry such a one.
 */
record Ip(long high, long low) {
    private static final long MAPPED = 0xffffL << 32;

    static Ip v4(int address) {
        return new Ip(0, lowOfV4(address));
    }

    static long lowOfV4(int address) {
        return MAPPED | address & 0xffff_ffffL;
    }

    static boolean isV4(long high, long low) {
        return high == 0 && (low & ~0xffff_ffffL) == MAPPED;
    }

    static Ip of(InetAddress address) {
        ByteBuffer b = ByteBuffer.wrap(address.getAddress());
        return address instanceof Inet4Address ? v4(b.getInt()) : new Ip(b.getLong(), b.getLong());
    }

    boolean isV4() {
        return isV4(high, low);
    }

    boolean is(long otherHigh, long otherLow) {
        return high == otherHigh && low == otherLow;
    }

    int v4() {
        return (int) low;
    }

    /** Adds it to the sum of a pseudo-header. */
    long sum(long sum) {
        return isV4() ? sum + (low & 0xffff_ffffL) : Checksum.add(Checksum.add(sum, high), low);
    }

    InetAddress toInetAddress() {
        ByteBuffer b = isV4()
                ? ByteBuffer.allocate(4).putInt(v4())
                : ByteBuffer.allocate(16).putLong(high).putLong(low);
        try {
            return InetAddress.getByAddress(b.array());
        } catch (UnknownHostException e) {
            throw new AssertionError("an address has 4 or 16 bytes", e);
        }
    }

    @Override
    public String toString() {
        return toInetAddress().getHostAddress();
    }
}
