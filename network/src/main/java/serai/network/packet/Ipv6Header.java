package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * The header of an IPv6 packet (RFC 8200, 3), and the extension headers' numbers.
 *
 * <pre>
 *  0                   4              6           7          8        24            40
 *  |6|class|flow label | payload bytes| next header| hop limit| source | destination |
 * </pre>
 */
public final class Ipv6Header {
    public static final int PAYLOAD_LENGTH = 4;
    public static final int NEXT_HEADER = 6;
    public static final int HOP_LIMIT = 7;
    public static final int SOURCE = 8;
    public static final int DESTINATION = 24;
    /** Bytes of it. */
    public static final int LENGTH = 40;

    public static final int HOP_BY_HOP = 0;
    public static final int ROUTING = 43;
    public static final int FRAGMENT = 44;
    public static final int NO_NEXT_HEADER = 59;
    public static final int DESTINATION_OPTIONS = 60;

    /** Bytes of a fragment header: next header, reserved, offset and flag (16 bits), identification (32 bits); 4.5. */
    public static final int FRAGMENT_LENGTH = 8;

    private Ipv6Header() {}

    /** Writes a header. */
    public static void write(
            ByteBuffer b,
            int at,
            int payload,
            int next,
            int hopLimit,
            long sourceHigh,
            long sourceLow,
            long destinationHigh,
            long destinationLow) {
        b.putInt(at, 0x6000_0000);
        b.putShort(at + PAYLOAD_LENGTH, (short) payload);
        b.put(at + NEXT_HEADER, (byte) next);
        b.put(at + HOP_LIMIT, (byte) hopLimit);
        b.putLong(at + SOURCE, sourceHigh);
        b.putLong(at + SOURCE + 8, sourceLow);
        b.putLong(at + DESTINATION, destinationHigh);
        b.putLong(at + DESTINATION + 8, destinationLow);
    }
}
