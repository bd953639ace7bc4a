package serai.vmm.qmp;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/**
 * Cuts a stream of bytes into JSON values. Clients send a value a line, but some send none of the line ends and some send values over
 * several lines: a value that begins with a brace or bracket ends with the one that closes it, any other text with its line.
 */
final class Frames {
    /** Bytes of one message at most. */
    static final int MAX_BYTES = 1 << 20;

    /** A message that is past what is read of a client; the stream can't be used any more. */
    static final class Excessive extends IOException {
        Excessive(String sentence) {
            super(sentence);
        }
    }

    private final InputStream in;

    Frames(InputStream in) {
        this.in = in;
    }

    /**
     * The next value's text, perhaps malformed; null at the end of the stream.
     *
     * @throws Excessive if it is too long or nests too deeply
     */
    byte @Nullable [] next() throws IOException {
        int c = in.read();
        while (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            c = in.read();
        }
        if (c < 0) {
            return null;
        }
        ByteArrayOutputStream message = new ByteArrayOutputStream();
        boolean structured = c == '{' || c == '[';
        int depth = 0;
        boolean string = false;
        boolean escaped = false;
        while (c >= 0) {
            if (message.size() == MAX_BYTES) {
                throw new Excessive("a message has more than " + MAX_BYTES + " bytes");
            }
            if (!structured && c == '\n') {
                break;
            }
            message.write(c);
            if (string) {
                string = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else if (c == '"') {
                string = true;
            } else if (c == '{' || c == '[') {
                depth++;
                if (depth > Json.MAX_DEPTH) {
                    throw new Excessive("a message nests deeper than " + Json.MAX_DEPTH);
                }
            } else if (c == '}' || c == ']') {
                depth--;
                if (structured && depth == 0) {
                    break;
                }
            }
            c = in.read();
        }
        return message.toByteArray();
    }
}
