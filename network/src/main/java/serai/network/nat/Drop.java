package serai.network.nat;

/** Why a frame of the guest, or something for it, came to nothing. */
public enum Drop {
    /** Lengths or fields that contradict each other, or the specification. */
    MALFORMED,
    /** The checksum is wrong. */
    CHECKSUM,
    /** A protocol, or a kind of message, that nobody here speaks. */
    UNKNOWN,
    /** Not for an address that can be reached through here. */
    UNREACHABLE,
    /** The network is isolated. */
    RESTRICTED,
    /** A fragment whose packet did not become whole, or had too many beside it. */
    FRAGMENT,
    /** Too many flows or connections at once. */
    TOO_MANY,
    /** The guest does not fetch what there is for it. */
    NO_ROOM,
    /** A TCP segment of no connection, or outside of its window. */
    STALE,
    /** The host refused a socket, or to send. */
    HOST
}
