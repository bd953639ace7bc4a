package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * The header of an Ethernet frame (IEEE 802.3, 3.1.1).
 *
 * <pre>
 *  0          6          12    14
 *  | to       | from     | type|
 * </pre>
 */
public final class Ethernet {
    public static final int TO = 0;
    public static final int FROM = 6;
    public static final int TYPE = 12;
    /** Bytes of the header. */
    public static final int HEADER = 14;
    /** Bytes of an address. */
    public static final int ADDRESS = 6;

    public static final int IPV4 = 0x0800;
    public static final int ARP = 0x0806;
    public static final int IPV6 = 0x86dd;

    /** To everybody. */
    public static final long BROADCAST = 0xffff_ffff_ffffL;

    private Ethernet() {}

    /** The address at a position, in the low 48 bits. */
    public static long address(ByteBuffer b, int at) {
        return (long) (b.getShort(at) & 0xffff) << 32 | b.getInt(at + 2) & 0xffff_ffffL;
    }

    /** Writes an address. */
    public static void address(ByteBuffer b, int at, long address) {
        b.putShort(at, (short) (address >> 32));
        b.putInt(at + 2, (int) address);
    }

    /** Whether it is that of a group: of several, or all. */
    public static boolean isGroup(long address) {
        return (address >> 40 & 1) != 0;
    }

    /** Writes a header. */
    public static void header(ByteBuffer b, int at, long to, long from, int type) {
        address(b, at + TO, to);
        address(b, at + FROM, from);
        b.putShort(at + TYPE, (short) type);
    }
}
