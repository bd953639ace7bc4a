package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * The header of an IPv4 packet (RFC 791, 3.1).
 *
 * <pre>
 *  0        1     2          4     6           8     9         10        12      16           20
 *  |4|words | TOS | length   | id  |flags|offset| TTL | protocol| checksum| source| destination| options
 * </pre>
 */
public final class Ipv4Header {
    public static final int TOTAL_LENGTH = 2;
    public static final int ID = 4;
    public static final int FRAGMENT = 6;
    public static final int TTL = 8;
    public static final int PROTOCOL = 9;
    public static final int CHECKSUM = 10;
    public static final int SOURCE = 12;
    public static final int DESTINATION = 16;
    /** Bytes without options. */
    public static final int LENGTH = 20;

    public static final int DONT_FRAGMENT = 0x4000;
    public static final int MORE_FRAGMENTS = 0x2000;
    /** Of the fragment field: the offset, in units of 8 bytes. */
    public static final int OFFSET = 0x1fff;

    public static final int DEFAULT_TTL = 64;

    private Ipv4Header() {}

    /** Bytes of the header by its own account: 0 to 60; sound ones have at least {@link #LENGTH}. */
    public static int length(ByteBuffer b, int at) {
        return (b.get(at) & 15) * 4;
    }

    /** Writes a header without options, with its checksum. */
    public static void write(
            ByteBuffer b, int at, int total, int id, int fragment, int protocol, int source, int destination) {
        b.putInt(at, 0x4500_0000 | total);
        b.putShort(at + ID, (short) id);
        b.putShort(at + FRAGMENT, (short) fragment);
        b.put(at + TTL, (byte) DEFAULT_TTL);
        b.put(at + PROTOCOL, (byte) protocol);
        b.putShort(at + CHECKSUM, (short) 0);
        b.putInt(at + SOURCE, source);
        b.putInt(at + DESTINATION, destination);
        b.putShort(at + CHECKSUM, (short) Checksum.of(Checksum.add(0, b, at, LENGTH)));
    }
}
