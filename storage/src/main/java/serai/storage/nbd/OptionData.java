package serai.storage.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** The data of an option, or of a reply to one, field by field; what does not fit is a {@link Malformed}. */
final class OptionData {
    /** The data is not what the option has. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        Malformed(String what) {
            super(what);
        }
    }

    private final ByteBuffer data;

    OptionData(ByteBuffer data) {
        this.data = data;
    }

    int u16() throws Malformed {
        need(2);
        return Short.toUnsignedInt(data.getShort());
    }

    int u32() throws Malformed {
        need(4);
        return data.getInt();
    }

    long u64() throws Malformed {
        need(8);
        return data.getLong();
    }

    /** A string with its length before it. */
    String string() throws Malformed {
        int n = u32();
        if (n < 0 || n > Nbd.MAX_STRING) {
            throw new Malformed("a string has at most " + Nbd.MAX_STRING + " bytes");
        }
        need(n);
        ByteBuffer bytes = data.slice(data.position(), n);
        data.position(data.position() + n);
        return utf8(bytes);
    }

    /** All that is left, as a string. */
    String rest() throws Malformed {
        if (data.remaining() > Nbd.MAX_STRING) {
            throw new Malformed("a string has at most " + Nbd.MAX_STRING + " bytes");
        }
        String s = utf8(data.slice());
        data.position(data.limit());
        return s;
    }

    int left() {
        return data.remaining();
    }

    /** Refuses data after the last field. */
    void end() throws Malformed {
        if (data.hasRemaining()) {
            throw new Malformed("there is data after the last field");
        }
    }

    private void need(int bytes) throws Malformed {
        if (data.remaining() < bytes) {
            throw new Malformed("the data ends in the middle of a field");
        }
    }

    private static String utf8(ByteBuffer bytes) throws Malformed {
        try {
            String s = StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
            if (s.indexOf('\0') >= 0) {
                throw new Malformed("a string has a NUL");
            }
            return s;
        } catch (CharacterCodingException e) {
            throw new Malformed("a string is not UTF-8");
        }
    }
}
