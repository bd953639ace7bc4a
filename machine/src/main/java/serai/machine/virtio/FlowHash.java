package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Which flow an Ethernet frame is of: the same number for all frames of a connection, in both directions. */
final class FlowHash {
    private static final int ETHERNET = 14, VLAN_TAG = 4;
    private static final int VLAN = 0x8100, IPV4 = 0x0800, IPV6 = 0x86dd;
    private static final int TCP = 6, UDP = 17;
    /** More fragments, and the place of this one. */
    private static final int FRAGMENT = 0x3fff;

    private final ByteBuffer b;
    private final boolean swapped;

    private FlowHash(ByteBuffer b) {
        this.b = b;
        swapped = b.order() != ByteOrder.BIG_ENDIAN;
    }

    /** Of the frame from a buffer's position to its limit, of 14 bytes at least. What is not IP is all one flow. */
    static int of(ByteBuffer frame) {
        return new FlowHash(frame).hash();
    }

    private int u16(int at) {
        return (b.get(at) & 0xff) << 8 | b.get(at + 1) & 0xff;
    }

    private int word(int at) {
        int v = b.getInt(at);
        return swapped ? Integer.reverseBytes(v) : v;
    }

    private int hash() {
        int at = b.position() + ETHERNET;
        int type = u16(at - 2);
        if (type == VLAN && b.limit() >= at + VLAN_TAG) {
            at += VLAN_TAG;
            type = u16(at - 2);
        }
        int left = b.limit() - at;
        if (type == IPV4 && left >= 20) {
            int header = (b.get(at) & 15) * 4;
            boolean whole = (u16(at + 6) & FRAGMENT) == 0;
            return mix(word(at + 12) ^ word(at + 16) ^ ports(whole ? b.get(at + 9) : 0, at + header));
        }
        if (type == IPV6 && left >= 40) {
            int h = 0;
            for (int i = 8; i < 40; i += 4) {
                h ^= word(at + i);
            }
            return mix(h ^ ports(b.get(at + 6), at + 40));
        }
        return 0;
    }

    private int ports(int protocol, int at) {
        return (protocol == TCP || protocol == UDP) && at + 4 <= b.limit() ? u16(at) ^ u16(at + 2) : 0;
    }

    /** Not negative; each bit of the input reaches the low ones. */
    private static int mix(int h) {
        int m = h * 0x9e3779b1;
        return (m ^ m >>> 15) * 0x85ebca6b >>> 16;
    }
}
