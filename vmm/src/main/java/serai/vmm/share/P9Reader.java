package serai.vmm.share;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import serai.linux.Errno;

/** The fields of a message, in their order. Whoever asks for more than is there gets EINVAL. */
final class P9Reader {
    private final ByteBuffer b;

    P9Reader(byte[] message) {
        b = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void need(int bytes) throws P9Exception {
        if (b.remaining() < bytes) {
            throw new P9Exception(Errno.EINVAL);
        }
    }

    int u8() throws P9Exception {
        need(1);
        return b.get() & 0xff;
    }

    int u16() throws P9Exception {
        need(2);
        return b.getShort() & 0xffff;
    }

    int u32() throws P9Exception {
        need(4);
        return b.getInt();
    }

    long u64() throws P9Exception {
        need(8);
        return b.getLong();
    }

    /** Bytes with their number before them. */
    byte[] string() throws P9Exception {
        byte[] s = new byte[u16()];
        need(s.length);
        b.get(s);
        return s;
    }

    /** What is left, {@code most} bytes at most. */
    byte[] rest(long most) {
        byte[] all = new byte[(int) Math.min(most, b.remaining())];
        b.get(all);
        return all;
    }
}
