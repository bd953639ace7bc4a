package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * A DHCP message (RFC 2131, 2; options: RFC 2132).
 *
 * <pre>
 *  0    1      2     3     4    8      10     12       16       20       24       28        44   108   236     240
 *  | op | htype| hlen| hops| xid| secs | flags| ciaddr | yiaddr | siaddr | giaddr | chaddr | sname| file| cookie | options
 * </pre>
 */
public final class DhcpMessage {
    public static final int OP = 0;
    public static final int HTYPE = 1;
    public static final int HLEN = 2;
    public static final int XID = 4;
    public static final int FLAGS = 10;
    public static final int CIADDR = 12;
    public static final int YIADDR = 16;
    public static final int SIADDR = 20;
    public static final int GIADDR = 24;
    public static final int CHADDR = 28;
    public static final int COOKIE = 236;
    public static final int OPTIONS = 240;
    /** Bytes that every message has at least, as some clients drop shorter ones (RFC 951, 3). */
    public static final int MINIMUM = 300;

    public static final int MAGIC = 0x63825363;
    public static final int REQUEST_OP = 1;
    public static final int REPLY_OP = 2;
    public static final int FLAG_BROADCAST = 0x8000;

    public static final int SERVER_PORT = 67;
    public static final int CLIENT_PORT = 68;

    public static final int OPTION_PAD = 0;
    public static final int OPTION_SUBNET_MASK = 1;
    public static final int OPTION_ROUTER = 3;
    public static final int OPTION_DNS = 6;
    public static final int OPTION_HOST_NAME = 12;
    public static final int OPTION_DOMAIN_NAME = 15;
    public static final int OPTION_MTU = 26;
    public static final int OPTION_BROADCAST = 28;
    public static final int OPTION_REQUESTED_ADDRESS = 50;
    public static final int OPTION_LEASE_TIME = 51;
    public static final int OPTION_MESSAGE_TYPE = 53;
    public static final int OPTION_SERVER = 54;
    public static final int OPTION_RENEWAL_TIME = 58;
    public static final int OPTION_REBINDING_TIME = 59;
    public static final int OPTION_END = 255;

    public static final int DISCOVER = 1;
    public static final int OFFER = 2;
    public static final int REQUEST = 3;
    public static final int DECLINE = 4;
    public static final int ACK = 5;
    public static final int NAK = 6;
    public static final int RELEASE = 7;
    public static final int INFORM = 8;

    private DhcpMessage() {}

    /**
     * Where the value of an option begins.
     *
     * @param end of the message
     * @param bytes of its value at least
     * @return -1 if there is none
     */
    public static int option(ByteBuffer b, int at, int end, int option, int bytes) {
        for (int i = at + OPTIONS; i < end; ) {
            int o = b.get(i) & 0xff;
            if (o == OPTION_END) {
                break;
            }
            if (o == OPTION_PAD) {
                i++;
                continue;
            }
            if (i + 2 > end) {
                break;
            }
            int n = b.get(i + 1) & 0xff;
            if (n > end - i - 2) {
                break;
            }
            if (o == option && n >= bytes) {
                return i + 2;
            }
            i += 2 + n;
        }
        return -1;
    }
}
