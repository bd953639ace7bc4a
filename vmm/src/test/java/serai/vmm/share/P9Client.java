package serai.vmm.share;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** The guest's side of 9P2000.L, as small as it can be: messages, and what was answered. */
final class P9Client {
    private final P9Server server;

    /** Of the last answer: what follows its tag. */
    ByteBuffer answer = ByteBuffer.allocate(0);

    P9Client(P9Server server) {
        this.server = server;
    }

    static P9Writer fields() {
        return new P9Writer();
    }

    static byte[] name(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    /** Sends a message; 0, or the error. */
    int ask(int type, P9Writer fields) {
        byte[] a = server.answer(fields.message(type, 9));
        ByteBuffer b = ByteBuffer.wrap(a).order(ByteOrder.LITTLE_ENDIAN);
        if (b.getInt() != a.length) {
            throw new AssertionError(b.getInt(0) + " is not the length " + a.length);
        }
        int got = b.get() & 0xff;
        if (b.getShort() != 9 || got != 7 && got != type + 1) {
            throw new AssertionError("an answer of type " + got);
        }
        answer = b;
        return got == 7 ? b.getInt() : 0;
    }

    int version(int msize, String version) {
        return ask(100, fields().u32(msize).string(name(version)));
    }

    int attach(int fid) {
        return ask(
                104,
                fields().u32(fid).u32(-1).string(name("root")).string(name("")).u32(0));
    }

    int walk(int fid, int newFid, String... names) {
        P9Writer w = fields().u32(fid).u32(newFid).u16(names.length);
        for (String n : names) {
            w.string(name(n));
        }
        return ask(110, w);
    }

    int open(int fid, int flags) {
        return ask(12, fields().u32(fid).u32(flags));
    }

    int read(int fid, long at, int count) {
        return ask(116, fields().u32(fid).u64(at).u32(count));
    }

    int clunk(int fid) {
        return ask(120, fields().u32(fid));
    }

    /** The data of an answer to a read. */
    String data() {
        byte[] b = new byte[answer.getInt()];
        answer.get(b);
        return new String(b, StandardCharsets.UTF_8);
    }
}
