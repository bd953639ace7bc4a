package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * An ARP packet for IPv4 on Ethernet (RFC 826).
 *
 * <pre>
 *  0         2         4     5     6         8
 *  | hardware| protocol| hlen| plen| operation|
 *  8               14          18              24
 *  | sender's MAC  | its IPv4  | target's MAC  | its IPv4 |
 * </pre>
 */
public final class ArpPacket {
    public static final int OPERATION = 6;
    public static final int SENDER_MAC = 8;
    public static final int SENDER_IP = 14;
    public static final int TARGET_MAC = 18;
    public static final int TARGET_IP = 24;
    /** Bytes of it. */
    public static final int LENGTH = 28;

    public static final int REQUEST = 1;
    public static final int REPLY = 2;

    private static final long ETHERNET_IPV4 = 0x0001_0800_0604L;

    private ArpPacket() {}

    /** Whether the packet is of this kind at all. */
    public static boolean isIpv4OnEthernet(ByteBuffer b, int at) {
        return b.getLong(at) >>> 16 == ETHERNET_IPV4;
    }

    /** Writes one. */
    public static void write(
            ByteBuffer b, int at, int operation, long senderMac, int senderIp, long targetMac, int targetIp) {
        b.putLong(at, ETHERNET_IPV4 << 16 | operation);
        Ethernet.address(b, at + SENDER_MAC, senderMac);
        b.putInt(at + SENDER_IP, senderIp);
        Ethernet.address(b, at + TARGET_MAC, targetMac);
        b.putInt(at + TARGET_IP, targetIp);
    }
}
