package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.packet.Checksum;

/** A packet of the guest, as far as it has been looked at; one object for all of them. */
final class Packet {
    ByteBuffer bytes = ByteBuffer.allocate(0);
    /** Who sent the frame. */
    long mac;

    long sourceHigh;
    long sourceLow;
    long destinationHigh;
    long destinationLow;
    boolean v6;
    /** Where the IP header is. */
    int ip;
    /** Of what IP carries. */
    int protocol;
    /** Where that begins. */
    int at;
    /** Bytes of it. */
    int length;
    /** Whether its checksum need not be looked at. */
    boolean verified;

    Ip source() {
        return new Ip(sourceHigh, sourceLow);
    }

    Ip destination() {
        return new Ip(destinationHigh, destinationLow);
    }

    int u16(int offset) {
        return bytes.getShort(at + offset) & 0xffff;
    }

    /** Whether the checksum over pseudo-header and payload is right, or was vouched for (RFC 9293, 3.1; RFC 8200, 8.1). */
    boolean isSound() {
        return verified || Checksum.of(Checksum.add(pseudoHeader(), bytes, at, length)) == 0;
    }

    private long pseudoHeader() {
        long sum = protocol + length;
        if (v6) {
            return Checksum.add(
                    Checksum.add(Checksum.add(Checksum.add(sum, sourceHigh), sourceLow), destinationHigh),
                    destinationLow);
        }
        return sum + (sourceLow & 0xffff_ffffL) + (destinationLow & 0xffff_ffffL);
    }
}
