package serai.network.nat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;

/** Cuts a guest's packet. */
final class Fragments {
    private Fragments() {}

    /** By so many bytes of payload each, a multiple of 8. */
    static List<ByteBuffer> of(ByteBuffer whole, int size) {
        boolean v4 = whole.get(14) >> 4 == 4;
        int header = v4 ? 34 : 54;
        List<ByteBuffer> all = new ArrayList<>();
        for (int at = header; at < whole.limit(); at += size) {
            int n = Math.min(size, whole.limit() - at);
            all.add(one(whole, at - header, n, at + n < whole.limit()));
        }
        return all;
    }

    /** One of them. */
    static ByteBuffer one(ByteBuffer whole, int offset, int length, boolean more) {
        boolean v4 = whole.get(14) >> 4 == 4;
        if (v4) {
            ByteBuffer b = ByteBuffer.allocate(34 + length).put(0, whole, 0, 34);
            Ipv4Header.write(
                    b,
                    14,
                    20 + length,
                    99,
                    offset / 8 | (more ? Ipv4Header.MORE_FRAGMENTS : 0),
                    whole.get(23),
                    whole.getInt(26),
                    whole.getInt(30));
            return b.put(34, whole, 34 + offset, length);
        }
        ByteBuffer b = ByteBuffer.allocate(62 + length).put(0, whole, 0, 54);
        b.putShort(14 + Ipv6Header.PAYLOAD_LENGTH, (short) (8 + length));
        b.put(14 + Ipv6Header.NEXT_HEADER, (byte) Ipv6Header.FRAGMENT);
        b.put(54, whole.get(14 + Ipv6Header.NEXT_HEADER));
        b.putShort(56, (short) (offset | (more ? 1 : 0)));
        b.putInt(58, 0xabcdef);
        return b.put(62, whole, 54 + offset, length);
    }
}
