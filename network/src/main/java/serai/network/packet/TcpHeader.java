package serai.network.packet;

import java.nio.ByteBuffer;

/**
 * The header of a TCP segment (RFC 9293, 3.1).
 *
 * <pre>
 *  0             2                  4          8                12      13     14      16         18       20
 *  | source port | destination port | sequence | acknowledgment | words | flags| window| checksum | urgent | options
 * </pre>
 */
public final class TcpHeader {
    public static final int SOURCE_PORT = 0;
    public static final int DESTINATION_PORT = 2;
    public static final int SEQUENCE = 4;
    public static final int ACKNOWLEDGMENT = 8;
    public static final int DATA_OFFSET = 12;
    public static final int FLAGS = 13;
    public static final int WINDOW = 14;
    public static final int CHECKSUM = 16;
    public static final int URGENT = 18;
    /** Bytes without options. */
    public static final int LENGTH = 20;

    public static final int FIN = 1;
    public static final int SYN = 2;
    public static final int RST = 4;
    public static final int PSH = 8;
    public static final int ACK = 16;

    public static final int OPTION_END = 0;
    public static final int OPTION_NOP = 1;
    public static final int OPTION_MSS = 2;
    public static final int OPTION_WINDOW_SCALE = 3;

    private TcpHeader() {}

    /** Bytes of the header by its own account: 0 to 60; sound ones have at least {@link #LENGTH}. */
    public static int length(ByteBuffer b, int at) {
        return (b.get(at + DATA_OFFSET) >> 4 & 15) * 4;
    }

    /**
     * The value of an option of a header whose length has been checked.
     *
     * @param kind that of an option
     * @param bytes of its value: 1 or 2; an option of another length is as none
     * @return -1 if there is none
     */
    public static int option(ByteBuffer b, int at, int kind, int bytes) {
        int end = at + length(b, at);
        for (int i = at + LENGTH; i < end; ) {
            int k = b.get(i);
            if (k == OPTION_END) {
                break;
            }
            if (k == OPTION_NOP) {
                i++;
                continue;
            }
            int n = i + 1 < end ? b.get(i + 1) & 0xff : 0;
            if (n < 2 || n > end - i) {
                break; // what follows can't be told
            }
            if (k == kind && n == 2 + bytes) {
                return bytes == 1 ? b.get(i + 2) & 0xff : b.getShort(i + 2) & 0xffff;
            }
            i += n;
        }
        return -1;
    }
}
