package serai.network.packet;

/**
 * The header of an ICMP message (RFC 792) or an ICMPv6 message (RFC 4443, RFC 4861).
 *
 * <pre>
 *  0      1      2          4                 8
 *  | type | code | checksum | depends on type |
 * </pre>
 */
public final class IcmpHeader {
    public static final int TYPE = 0;
    public static final int CODE = 1;
    public static final int CHECKSUM = 2;
    /** Of an echo. */
    public static final int IDENTIFIER = 4;
    /** Of an echo. */
    public static final int SEQUENCE = 6;
    /** Bytes of it. */
    public static final int LENGTH = 8;

    public static final int ECHO_REPLY = 0;
    public static final int UNREACHABLE = 3;
    public static final int ECHO = 8;

    public static final int HOST_UNREACHABLE = 1;
    public static final int PORT_UNREACHABLE = 3;
    public static final int PROHIBITED = 13;

    public static final int V6_UNREACHABLE = 1;
    public static final int V6_ECHO = 128;
    public static final int V6_ECHO_REPLY = 129;
    public static final int V6_ROUTER_SOLICITATION = 133;
    public static final int V6_ROUTER_ADVERTISEMENT = 134;
    public static final int V6_NEIGHBOR_SOLICITATION = 135;
    public static final int V6_NEIGHBOR_ADVERTISEMENT = 136;

    public static final int V6_PROHIBITED = 1;
    public static final int V6_ADDRESS_UNREACHABLE = 3;
    public static final int V6_PORT_UNREACHABLE = 4;

    private IcmpHeader() {}
}
