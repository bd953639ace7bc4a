package serai.network.lan;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import serai.network.FakePort;
import serai.network.Frame;
import serai.network.Offload;

final class SwitchTest {
    private static final long A = 0x5254_0000_0001L, B = 0x5254_0000_0002L, C = 0x5254_0000_0003L;
    private static final long ALL = 0xffff_ffff_ffffL;

    private long now;
    private final Switch lan = new Switch(() -> now);
    private final List<FakePort> ports = new ArrayList<>();

    private void ports(PortRules... rules) {
        for (PortRules r : rules) {
            FakePort p = new FakePort();
            ports.add(p);
            lan.add(r, p);
        }
    }

    private static ByteBuffer frame(long to, long from, int type, int payload) {
        ByteBuffer b = ByteBuffer.allocate(14 + payload);
        b.putShort((short) (to >>> 32))
                .putInt((int) to)
                .putShort((short) (from >>> 32))
                .putInt((int) from);
        b.putShort((short) type);
        return b.rewind();
    }

    private static ByteBuffer tagged(long to, long from, int vlan) {
        return frame(to, from, 0x8100, 50).putShort(14, (short) (vlan | 0x2000)).putShort(16, (short) 0x88b5);
    }

    private static ByteBuffer plain(long to, long from) {
        return frame(to, from, 0x88b5, 46);
    }

    /** Who gets it. */
    private List<Integer> send(int port, ByteBuffer f) {
        return send(port, f, Offload.NONE);
    }

    private List<Integer> send(int port, ByteBuffer f, Offload o) {
        ports.forEach(p -> p.sent.clear());
        ports.get(port).toReceive.add(new Frame(f, o));
        ports.get(port).action.run();
        while (lan.turn()) {
            // as its thread does
        }
        List<Integer> got = new ArrayList<>();
        for (int i = 0; i < ports.size(); i++) {
            for (byte[] unused : ports.get(i).sent) {
                got.add(i);
            }
        }
        return got;
    }

    private PortCounters counters(String name) {
        PortCounters c = lan.counters().get(name);
        assertNotNull(c);
        return c;
    }

    @Test
    void framesGoToAllUntilItIsKnownWhereTheirAddressIs() {
        ports(PortRules.open("a"), PortRules.open("b"), PortRules.open("c"));
        assertEquals(List.of(1, 2), send(0, plain(B, A)));
        assertEquals(List.of(0), send(1, plain(A, B)));
        assertEquals(List.of(1), send(0, plain(B, A)));
        assertEquals(List.of(0, 2), send(1, plain(ALL, B)));
    }

    @Test
    void anAddressThatMovesIsFoundWhereItIs_andOneThatIsSilentIsForgotten() {
        ports(PortRules.open("a"), PortRules.open("b"), PortRules.open("c"));
        send(0, plain(ALL, A));
        send(2, plain(ALL, A));
        assertEquals(List.of(2), send(1, plain(A, B)));
        now += AddressTable.MILLIS + 1;
        assertEquals(List.of(0, 2), send(1, plain(A, B)));
    }

    @Test
    void whatIsNoFrameIsDropped() {
        ports(PortRules.open("a"), PortRules.open("b"));
        assertEquals(List.of(), send(0, ByteBuffer.allocate(13)));
        assertEquals(List.of(), send(0, plain(B, ALL)), "from a group");
        assertEquals(List.of(), send(0, frame(B, A, 0x8100, 2)), "a tag that ends in the middle");
        assertEquals(3, counters("a").malformed());
    }

    @Test
    void vlansAreApart_andATrunkHasThemByTags() {
        ports(
                PortRules.open("a").withVlan(5),
                PortRules.open("b").withVlan(6),
                PortRules.open("trunk").withTrunk(Set.of(5, 7)),
                PortRules.open("c").withVlan(5));
        ByteBuffer f = plain(ALL, A);
        assertEquals(List.of(2, 3), send(0, f));
        byte[] out = ports.get(2).sent.getFirst();
        assertEquals(f.capacity() + 4, out.length);
        assertEquals(0x8100_0005, ByteBuffer.wrap(out).getInt(12));
        assertArrayEquals(Arrays.copyOfRange(f.array(), 12, f.capacity()), Arrays.copyOfRange(out, 16, out.length));
        assertArrayEquals(f.array(), ports.get(3).sent.getFirst());

        ByteBuffer t = tagged(ALL, B, 5);
        assertEquals(List.of(0, 3), send(2, t));
        assertArrayEquals(
                Arrays.copyOfRange(t.array(), 16, t.capacity()),
                Arrays.copyOfRange(ports.get(0).sent.getFirst(), 12, t.capacity() - 4));
        assertEquals(List.of(), send(2, tagged(ALL, B, 6)), "not one of the trunk's");
        assertEquals(List.of(), send(2, plain(ALL, B)), "without a tag");
        assertEquals(List.of(), send(0, tagged(ALL, A, 6)), "a tag on a port of one VLAN: none hops");
        assertEquals(List.of(2, 3), send(0, tagged(ALL, A, 0)), "a priority alone");
        assertEquals(2, counters("trunk").forbidden());
        assertEquals(1, counters("a").forbidden());
    }

    @Test
    void aChecksumThatIsToBeDoneMovesWithATag() {
        ports(PortRules.open("a").withVlan(5), PortRules.open("trunk").withTrunk(Set.of(5)));
        Offload[] seen = new Offload[1];
        FakePort p = new FakePort() {
            @Override
            public void send(ByteBuffer frame, Offload offload) {
                seen[0] = offload;
            }
        };
        lan.add(PortRules.open("t2").withTrunk(Set.of(5)), p);
        send(0, frame(ALL, A, 0x0800, 100), new Offload(true, 34, 16, false, Offload.Segmentation.TCP4, 20));
        assertEquals(new Offload(true, 38, 16, false, Offload.Segmentation.TCP4, 20), seen[0]);
    }

    @Test
    void nobodySpeaksInAnothersName() {
        ports(
                PortRules.open("a")
                        .withMac(A)
                        .withAddresses(Set.of(InetAddress.ofLiteral("10.0.0.1"), InetAddress.ofLiteral("2001:db8::1"))),
                PortRules.open("b"));
        assertEquals(List.of(), send(0, ipv4(C, 0x0a000001)), "another's MAC");
        assertEquals(List.of(), send(0, ipv4(A, 0x0a000002)), "another's IPv4 address");
        assertEquals(List.of(1), send(0, ipv4(A, 0x0a000001)));
        assertEquals(List.of(1), send(0, ipv4(A, 0)), "a DHCP request");
        assertEquals(List.of(1), send(0, arp(A, A, 0x0a000001)));
        assertEquals(List.of(), send(0, arp(A, A, 0x0a000002)), "ARP claims another's address");
        assertEquals(List.of(), send(0, arp(A, B, 0x0a000001)), "ARP claims it for another");
        assertEquals(List.of(1), send(0, ipv6(A, 0x20010db800000000L, 1, 0)));
        assertEquals(List.of(1), send(0, ipv6(A, 0xfe80000000000000L, 7, 0)), "link-local");
        assertEquals(List.of(), send(0, ipv6(A, 0x20010db800000000L, 2, 0)), "another's IPv6 address");
        assertEquals(List.of(1), send(0, ipv6(A, 0xfe80000000000000L, 7, 1)), "advertises its own");
        assertEquals(List.of(), send(0, ipv6(A, 0xfe80000000000000L, 7, 2)), "advertises another's");
        assertEquals(List.of(), send(0, plain(ALL, A)), "what has no address that could be looked at");
        assertEquals(List.of(), send(0, frame(ALL, A, 0x0806, 20)), "half of an ARP packet");
        // nothing was learnt of what was forbidden
        assertEquals(List.of(0), send(1, plain(C, B)).stream().distinct().toList());
    }

    private static ByteBuffer ipv4(long mac, int from) {
        return frame(ALL, mac, 0x0800, 60).put(14, (byte) 0x45).putInt(26, from);
    }

    private static ByteBuffer arp(long mac, long sender, int address) {
        return frame(ALL, mac, 0x0806, 46)
                .putLong(14, 0x0001_0800_0604_0001L)
                .putShort(22, (short) (sender >>> 32))
                .putInt(24, (int) sender)
                .putInt(28, address);
    }

    /** @param advertises 2001:db8:: with this number, or 0 for no neighbor advertisement */
    private static ByteBuffer ipv6(long mac, long high, long low, int advertises) {
        ByteBuffer f = frame(ALL, mac, 0x86dd, 80)
                .put(14, (byte) 0x60)
                .putLong(22, high)
                .putLong(30, low);
        if (advertises > 0) {
            f.put(20, (byte) 58)
                    .put(54, (byte) 136)
                    .putLong(62, 0x20010db800000000L)
                    .putLong(70, advertises);
        }
        return f;
    }

    @Test
    void aRateHolds_andSoMuchAtOnceAsItAllows() {
        long rate = 10_000_000;
        ports(PortRules.open("a").withRate(rate), PortRules.open("b"));
        int seconds = 5;
        for (int i = 0; i < seconds * 1_000; i++) {
            now++;
            for (int k = 0; k < 20; k++) { // 30 MB a second are offered
                send(0, frame(ALL, A, 0x88b5, 1_486));
            }
        }
        long passed = counters("b").sentBytes();
        assertTrue(Math.abs(passed - rate * seconds) <= rate / 10, passed + " bytes in " + seconds + " s");
        assertTrue(counters("a").limited() > 0);
    }

    @Test
    void whoInventsAddressesFillsNothingButHisOwn() {
        ports(PortRules.open("a"), PortRules.open("b"), PortRules.open("c"));
        send(1, plain(ALL, B));
        Random random = new Random(9);
        System.out.println("seed 9");
        for (int i = 0; i < 20_000; i++) {
            send(0, plain(ALL, random.nextLong() & 0xfeff_ffff_ffffL));
        }
        assertEquals(List.of(1), send(2, plain(B, C)), "B is still known");
    }

    @Test
    void anyBytesDoNoHarm() {
        ports(
                PortRules.open("a").withAddresses(Set.of(InetAddress.ofLiteral("10.0.0.1"))),
                PortRules.open("b").withTrunk(Set.of(1, 2)),
                PortRules.open("c"));
        Random random = new Random(11);
        System.out.println("seed 11");
        int[] types = {0x0800, 0x0806, 0x86dd, 0x8100};
        for (int i = 0; i < 50_000; i++) {
            byte[] b = new byte[random.nextInt(100)];
            random.nextBytes(b);
            ByteBuffer f = ByteBuffer.wrap(b);
            if (b.length >= 14) {
                f.putShort(12, (short) types[i % 4]).put(6, (byte) (b[6] & 0xfe));
            }
            send(i % 3, f);
        }
        assertFalse(lan.counters().isEmpty());
    }

    @Test
    void rulesThatCannotBeAreRefused() {
        PortRules r = PortRules.open("a");
        assertThrows(IllegalArgumentException.class, () -> r.withMac(0x0100_0000_0000L));
        assertThrows(IllegalArgumentException.class, () -> r.withVlan(4095));
        assertThrows(IllegalArgumentException.class, () -> r.withTrunk(Set.of()));
        assertThrows(IllegalArgumentException.class, () -> r.withTrunk(Set.of(0)));
    }
}
