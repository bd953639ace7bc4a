package serai.network.packet;

/**
 * The header of a UDP datagram (RFC 768).
 *
 * <pre>
 *  0             2                  4        6          8
 *  | source port | destination port | length | checksum |
 * </pre>
 */
public final class UdpHeader {
    public static final int SOURCE_PORT = 0;
    public static final int DESTINATION_PORT = 2;
    public static final int TOTAL_LENGTH = 4;
    public static final int CHECKSUM = 6;
    /** Bytes of it. */
    public static final int LENGTH = 8;

    private UdpHeader() {}
}
