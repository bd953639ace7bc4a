package serai.network.nat;

/**
 * Which flow a packet belongs to. Tables have one that they change for each look-up, and copies of it as keys, so that looking up needs no new object.
 */
final class FlowKey {
    private long guestHigh;
    private long guestLow;
    private long peerHigh;
    private long peerLow;
    /** The guest's in the upper half. */
    private int ports;

    FlowKey set(long guestHigh, long guestLow, int guestPort, long peerHigh, long peerLow, int peerPort) {
        this.guestHigh = guestHigh;
        this.guestLow = guestLow;
        this.peerHigh = peerHigh;
        this.peerLow = peerLow;
        ports = guestPort << 16 | peerPort;
        return this;
    }

    FlowKey copy() {
        return new FlowKey().set(guestHigh, guestLow, guestPort(), peerHigh, peerLow, peerPort());
    }

    Ip guest() {
        return new Ip(guestHigh, guestLow);
    }

    Ip peer() {
        return new Ip(peerHigh, peerLow);
    }

    int guestPort() {
        return ports >>> 16;
    }

    int peerPort() {
        return ports & 0xffff;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof FlowKey k
                && k.guestLow == guestLow
                && k.peerLow == peerLow
                && k.ports == ports
                && k.guestHigh == guestHigh
                && k.peerHigh == peerHigh;
    }

    @Override
    public int hashCode() {
        long h = guestHigh * 31 + guestLow;
        h = (h * 31 + peerHigh) * 31 + peerLow;
        h = (h ^ ports * 0x9e3779b9L) * 0x9e3779b97f4a7c15L;
        return (int) (h >>> 32);
    }

    @Override
    public String toString() {
        return "[%s]:%d-[%s]:%d".formatted(guest(), guestPort(), peer(), peerPort());
    }
}
