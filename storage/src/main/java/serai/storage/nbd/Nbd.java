package serai.storage.nbd;

/**
 * The numbers of the protocol and the layout of its messages; all fields are big-endian.
 *
 * <pre>
 * greeting      S: u64 MAGIC, u64 OPTION_MAGIC, u16 handshake flags    C: u32 client flags
 * option        C: u64 OPTION_MAGIC, u32 option, u32 length, data
 * option reply  S: u64 OPTION_REPLY_MAGIC, u32 option, u32 type, u32 length, data
 * request       C: u32 REQUEST_MAGIC, u16 flags, u16 command, u64 cookie, u64 offset, u32 length, data of a WRITE
 * simple reply  S: u32 SIMPLE_REPLY_MAGIC, u32 error, u64 cookie, data of a READ
 * chunk         S: u32 STRUCTURED_REPLY_MAGIC, u16 flags, u16 type, u64 cookie, u32 length, payload
 * </pre>
 *
 * <p>Source: proto, "Protocol phases" and "Values"; names are those of the document without {@code NBD_}.
 */
final class Nbd {
    /** TCP port where none is given. */
    static final int PORT = 10809;

    /** "NBDMAGIC". */
    static final long MAGIC = 0x4e42444d41474943L;
    /** "IHAVEOPT". */
    static final long OPTION_MAGIC = 0x49484156454F5054L;

    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    static final int REQUEST_MAGIC = 0x25609513;
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;

    static final int GREETING_BYTES = 18;
    static final int OPTION_BYTES = 16;
    static final int OPTION_REPLY_BYTES = 20;
    static final int REQUEST_BYTES = 28;
    static final int SIMPLE_REPLY_BYTES = 16;
    static final int CHUNK_BYTES = 20;

    // handshake flags of the server, and the client's of the same value
    static final int FLAG_FIXED_NEWSTYLE = 1;
    static final int FLAG_NO_ZEROES = 2;

    /** Zeros after the answer to EXPORT_NAME, unless both sides have NO_ZEROES. */
    static final int EXPORT_NAME_ZEROES = 124;

    // transmission flags
    static final int FLAG_HAS_FLAGS = 1;
    static final int FLAG_READ_ONLY = 1 << 1;
    static final int FLAG_SEND_FLUSH = 1 << 2;
    static final int FLAG_SEND_FUA = 1 << 3;
    static final int FLAG_SEND_TRIM = 1 << 5;
    static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    static final int FLAG_SEND_DF = 1 << 7;
    static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    static final int FLAG_SEND_CACHE = 1 << 10;
    static final int FLAG_SEND_FAST_ZERO = 1 << 11;

    // options
    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_ABORT = 2;
    static final int OPT_LIST = 3;
    static final int OPT_STARTTLS = 5;
    static final int OPT_INFO = 6;
    static final int OPT_GO = 7;
    static final int OPT_STRUCTURED_REPLY = 8;
    static final int OPT_LIST_META_CONTEXT = 9;
    static final int OPT_SET_META_CONTEXT = 10;

    // option replies
    static final int REP_ACK = 1;
    static final int REP_SERVER = 2;
    static final int REP_INFO = 3;
    static final int REP_META_CONTEXT = 4;
    static final int REP_ERR = 1 << 31;
    static final int REP_ERR_UNSUP = REP_ERR | 1;
    static final int REP_ERR_INVALID = REP_ERR | 3;
    static final int REP_ERR_UNKNOWN = REP_ERR | 6;
    static final int REP_ERR_SHUTDOWN = REP_ERR | 7;
    static final int REP_ERR_TOO_BIG = REP_ERR | 9;

    // information of INFO and GO
    static final int INFO_EXPORT = 0;
    static final int INFO_NAME = 1;
    static final int INFO_DESCRIPTION = 2;
    static final int INFO_BLOCK_SIZE = 3;

    // commands
    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_CACHE = 5;
    static final int CMD_WRITE_ZEROES = 6;
    static final int CMD_BLOCK_STATUS = 7;

    // command flags
    static final int CMD_FLAG_FUA = 1;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;
    static final int CMD_FLAG_DF = 1 << 2;
    static final int CMD_FLAG_REQ_ONE = 1 << 3;
    static final int CMD_FLAG_FAST_ZERO = 1 << 4;

    // chunks of a structured reply
    static final int REPLY_FLAG_DONE = 1;
    static final int REPLY_TYPE_NONE = 0;
    static final int REPLY_TYPE_OFFSET_DATA = 1;
    static final int REPLY_TYPE_OFFSET_HOLE = 2;
    static final int REPLY_TYPE_BLOCK_STATUS = 5;
    /** Set in the type of every chunk that tells an error. */
    static final int REPLY_TYPE_ERR = 1 << 15;

    static final int REPLY_TYPE_ERROR = REPLY_TYPE_ERR | 1;

    // status of base:allocation
    static final int STATE_HOLE = 1;
    static final int STATE_ZERO = 1 << 1;

    // errors
    static final int EPERM = 1;
    static final int EIO = 5;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int EOVERFLOW = 75;
    static final int ENOTSUP = 95;
    static final int ESHUTDOWN = 108;

    /** Bytes of an export's or context's name, or of a message, at most (proto, "Conventions"). */
    static final int MAX_STRING = 4096;

    /** Bytes of data in a request or a reply at most, where nothing else has been agreed on (proto, "Size constraints"). */
    static final int MAX_PAYLOAD = 32 << 20;

    /** Whether that can be the name of an export or of a context. */
    static boolean isName(String s) {
        return s.indexOf('\0') < 0 && s.getBytes(java.nio.charset.StandardCharsets.UTF_8).length <= MAX_STRING;
    }

    /** An error by its name. */
    static String error(int number) {
        return switch (number) {
            case EPERM -> "EPERM";
            case EIO -> "EIO";
            case 12 -> "ENOMEM";
            case EINVAL -> "EINVAL";
            case ENOSPC -> "ENOSPC";
            case EOVERFLOW -> "EOVERFLOW";
            case ENOTSUP -> "ENOTSUP";
            case ESHUTDOWN -> "ESHUTDOWN";
            default -> "error " + Integer.toUnsignedString(number);
        };
    }

    private Nbd() {}
}
