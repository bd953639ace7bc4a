package serai.network.nat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.network.packet.DhcpMessage;
import serai.network.packet.Ethernet;
import serai.network.packet.UdpHeader;

/**
 * A DHCP server (RFC 2131). A client, who is known by its MAC, keeps its address; when there is none left the one goes that was used longest ago, if its lease has
 * ended.
 */
final class Dhcp {
    private static final int LEASE_SECONDS = 86_400;
    private static final int OFFER_SECONDS = 60;
    /** An address that a client has found in use by another (3.1, step 5) isn't given for so long. */
    private static final int DECLINED_SECONDS = 600;

    private static final int MOST = 253;
    private static final int ALL = 0xffff_ffff;

    /** A lease; one of an address in use by we don't know whom has MAC 0. */
    private static final class Lease {
        long mac;
        long until;

        Lease(long mac) {
            this.mac = mac;
        }
    }

    private final Core core;
    private final int start;
    private final int end;
    private final Map<Integer, Lease> leases = new HashMap<>();

    Dhcp(Core core) {
        this.core = core;
        start = Ip.of(core.config.dhcpStart()).v4();
        end = (int) Math.min(core.addresses.broadcast() & 0xffff_ffffL, (start & 0xffff_ffffL) + MOST);
    }

    boolean isLeased(int address) {
        return leases.containsKey(address);
    }

    private long seconds(int s) {
        return core.now() + s * 1000L;
    }

    /** A datagram to the server's port. */
    void input(Packet p) {
        ByteBuffer b = p.bytes;
        int at = p.at + UdpHeader.LENGTH;
        int limit = p.at + p.length;
        if (limit - at < DhcpMessage.OPTIONS
                || b.get(at) != DhcpMessage.REQUEST_OP
                || b.get(at + DhcpMessage.HTYPE) != 1
                || b.get(at + DhcpMessage.HLEN) != Ethernet.ADDRESS
                || b.getInt(at + DhcpMessage.COOKIE) != DhcpMessage.MAGIC) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        long mac = Ethernet.address(b, at + DhcpMessage.CHADDR);
        int typeAt = DhcpMessage.option(b, at, limit, DhcpMessage.OPTION_MESSAGE_TYPE, 1);
        if (typeAt < 0 || mac == 0 || Ethernet.isGroup(mac)) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        int serverAt = DhcpMessage.option(b, at, limit, DhcpMessage.OPTION_SERVER, 4);
        int requestedAt = DhcpMessage.option(b, at, limit, DhcpMessage.OPTION_REQUESTED_ADDRESS, 4);
        int requested = requestedAt < 0 ? 0 : b.getInt(requestedAt);
        int ciaddr = b.getInt(at + DhcpMessage.CIADDR);
        boolean forUs = serverAt < 0 || b.getInt(serverAt) == core.addresses.host.v4();
        switch (b.get(typeAt)) {
            case DhcpMessage.DISCOVER -> {
                int address = choose(mac, requested);
                if (address != 0) {
                    Lease lease = leases.computeIfAbsent(address, a -> new Lease(mac));
                    lease.until = Math.max(lease.until, seconds(OFFER_SECONDS));
                    reply(p, at, DhcpMessage.OFFER, address, mac);
                }
            }
            case DhcpMessage.REQUEST -> {
                if (forUs) {
                    request(p, at, mac, requested != 0 ? requested : ciaddr);
                }
            }
            case DhcpMessage.DECLINE -> {
                Lease lease = leases.get(requested);
                if (forUs && lease != null && lease.mac == mac) {
                    lease.mac = 0;
                    lease.until = seconds(DECLINED_SECONDS);
                }
            }
            case DhcpMessage.RELEASE -> {
                Lease lease = leases.get(ciaddr);
                if (forUs && lease != null && lease.mac == mac) {
                    lease.until = 0;
                }
            }
            case DhcpMessage.INFORM -> reply(p, at, DhcpMessage.ACK, 0, mac);
            default -> core.counters.drop(Drop.UNKNOWN);
        }
    }

    private void request(Packet p, int at, long mac, int address) {
        if (!isFree(address, mac)) {
            reply(p, at, DhcpMessage.NAK, 0, mac);
            return;
        }
        leases.values().removeIf(l -> l.mac == mac);
        Lease lease = new Lease(mac);
        lease.until = seconds(LEASE_SECONDS);
        leases.put(address, lease);
        Ip ip = Ip.v4(address);
        core.neighbors.learn(ip, p.mac);
        reply(p, at, DhcpMessage.ACK, address, mac);
    }

    /** Whether a client may have an address. */
    private boolean isFree(int address, long mac) {
        if (Integer.compareUnsigned(address, start) < 0
                || Integer.compareUnsigned(address, end) >= 0
                || core.addresses.kind(0, Ip.lowOfV4(address)) != Addresses.Kind.NEIGHBOR) {
            return false;
        }
        Lease lease = leases.get(address);
        return lease == null || lease.mac == mac || lease.until < core.now();
    }

    /** What to offer: what the client had, what it wishes, the first that nobody had, one whose lease has ended; 0 if there is none. */
    private int choose(long mac, int wish) {
        for (Map.Entry<Integer, Lease> e : leases.entrySet()) {
            if (e.getValue().mac == mac) {
                return e.getKey();
            }
        }
        if (wish != 0 && isFree(wish, mac)) {
            leases.remove(wish);
            return wish;
        }
        int oldest = 0;
        @Nullable Lease ended = null;
        for (int a = start; a != end; a++) {
            Lease lease = leases.get(a);
            if (!isFree(a, mac)) {
                continue;
            }
            if (lease == null) {
                return a;
            }
            if (ended == null || lease.until < ended.until) {
                oldest = a;
                ended = lease;
            }
        }
        leases.remove(oldest);
        return oldest;
    }

    private void reply(Packet p, int request, int type, int address, long mac) {
        ByteBuffer q = p.bytes;
        ByteBuffer b = ByteBuffer.allocate(DhcpMessage.MINIMUM + 512);
        Addresses a = core.addresses;
        b.put(0, (byte) DhcpMessage.REPLY_OP).put(1, (byte) 1).put(2, (byte) Ethernet.ADDRESS);
        b.putInt(DhcpMessage.XID, q.getInt(request + DhcpMessage.XID));
        b.putShort(DhcpMessage.FLAGS, q.getShort(request + DhcpMessage.FLAGS));
        int ciaddr = type == DhcpMessage.NAK ? 0 : q.getInt(request + DhcpMessage.CIADDR);
        b.putInt(DhcpMessage.CIADDR, ciaddr);
        b.putInt(DhcpMessage.YIADDR, address);
        b.putInt(DhcpMessage.SIADDR, type == DhcpMessage.NAK ? 0 : a.host.v4());
        b.putInt(DhcpMessage.GIADDR, q.getInt(request + DhcpMessage.GIADDR));
        Ethernet.address(b, DhcpMessage.CHADDR, mac);
        b.putInt(DhcpMessage.COOKIE, DhcpMessage.MAGIC);
        b.position(DhcpMessage.OPTIONS);
        b.put((byte) DhcpMessage.OPTION_MESSAGE_TYPE).put((byte) 1).put((byte) type);
        number(b, DhcpMessage.OPTION_SERVER, a.host.v4());
        if (type != DhcpMessage.NAK) {
            if (address != 0) {
                number(b, DhcpMessage.OPTION_LEASE_TIME, LEASE_SECONDS);
                number(b, DhcpMessage.OPTION_RENEWAL_TIME, LEASE_SECONDS / 2);
                number(b, DhcpMessage.OPTION_REBINDING_TIME, LEASE_SECONDS / 8 * 7);
            }
            number(b, DhcpMessage.OPTION_SUBNET_MASK, a.mask);
            number(b, DhcpMessage.OPTION_BROADCAST, a.broadcast());
            if (!core.config.restrict()) { // there is no way out
                number(b, DhcpMessage.OPTION_ROUTER, a.host.v4());
                number(b, DhcpMessage.OPTION_DNS, a.dns.v4());
            }
            b.put((byte) DhcpMessage.OPTION_MTU).put((byte) 2).putShort((short) core.config.mtu());
            text(b, DhcpMessage.OPTION_HOST_NAME, core.config.hostname());
            text(b, DhcpMessage.OPTION_DOMAIN_NAME, core.config.domain());
        }
        b.put((byte) DhcpMessage.OPTION_END);
        b.limit(Math.max(b.position(), DhcpMessage.MINIMUM)).position(0);
        boolean broadcast = type == DhcpMessage.NAK
                || (b.getShort(DhcpMessage.FLAGS) & DhcpMessage.FLAG_BROADCAST) != 0
                || address == 0 && ciaddr == 0;
        Ip to = Ip.v4(broadcast ? ALL : ciaddr != 0 ? ciaddr : address); // 4.1
        core.outbox.udp(
                a.host, DhcpMessage.SERVER_PORT, to, DhcpMessage.CLIENT_PORT, broadcast ? Ethernet.BROADCAST : mac, b);
    }

    private static void number(ByteBuffer b, int option, int value) {
        b.put((byte) option).put((byte) 4).putInt(value);
    }

    private static void text(ByteBuffer b, int option, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.US_ASCII);
        if (bytes.length > 0) {
            b.put((byte) option).put((byte) bytes.length).put(bytes);
        }
    }
}
