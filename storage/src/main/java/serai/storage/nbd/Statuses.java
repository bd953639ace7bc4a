package serai.storage.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Does a BLOCK_STATUS: a chunk of descriptors for each meta context. It may tell less than was asked for; the client asks again. */
final class Statuses {
    /** Descriptors of a reply. */
    private static final int MAX_DESCRIPTORS = 8192;
    /** Looks at the disk for a reply; several that tell the same make one descriptor. */
    private static final int MAX_LOOKS = 4 * MAX_DESCRIPTORS;

    private static final int DESCRIPTOR_BYTES = 8;

    private final Worker worker;
    private final Replies replies;
    private final Agreement agreement;
    private final Request request;

    Statuses(Worker worker, Replies replies, Agreement agreement, Request request) {
        this.worker = worker;
        this.replies = replies;
        this.agreement = agreement;
        this.request = request;
    }

    void run() throws IOException {
        int contexts = agreement.contexts().size();
        int most = request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : MAX_DESCRIPTORS;
        for (int id = 0; id < contexts; id++) {
            MetaContext context = agreement.contexts().get(id);
            ByteBuffer descriptors = worker.buffer(most * DESCRIPTOR_BYTES);
            RequestError e = agreement.export().use(d -> describe(context, descriptors, most));
            if (e != RequestError.NONE) {
                replies.failed(request, e);
                return;
            }
            replies.status(request, id == contexts - 1, id, descriptors.flip());
        }
    }

    private void describe(MetaContext context, ByteBuffer out, int most) throws IOException {
        long at = request.offset();
        long end = at + request.length();
        long length = 0; // of the descriptor being made
        int status = 0;
        for (int looks = 0; looks < MAX_LOOKS && at < end; looks++) {
            MetaContext.Stretch s = context.at(at, end - at);
            if (length > 0 && s.status() != status) {
                out.putInt((int) length).putInt(status);
                length = 0;
                if (out.position() == most * DESCRIPTOR_BYTES) {
                    return;
                }
            }
            status = s.status();
            length += s.length();
            at += s.length();
        }
        out.putInt((int) length).putInt(status);
    }
}
