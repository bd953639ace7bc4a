package serai.network.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.network.Offload;
import serai.network.Offload.Abilities;
import serai.network.Offload.Segmentation;
import serai.network.packet.Checksum;

final class WireFramesTest {
    private final WireFrames wire = new WireFrames();

    /** The sum as RFC 1071 says it, word by word. */
    private static int plainSum(byte[] b, int from, int length, int sum) {
        for (int i = 0; i < length; i++) {
            sum += (b[from + i] & 0xff) << (i % 2 == 0 ? 8 : 0);
            sum = (sum >>> 16) + (sum & 0xffff);
        }
        return sum;
    }

    private List<byte[]> finish(byte[] frame, Offload offload, Abilities abilities) {
        List<byte[]> out = new ArrayList<>();
        assertTrue(wire.finish(ByteBuffer.wrap(frame), offload, abilities, (f, o) -> {
            byte[] b = new byte[f.remaining()];
            f.duplicate().get(b);
            out.add(b);
        }));
        return out;
    }

    @Test
    void theChecksumIsThatOfRfc1071() {
        // the example of section 3
        ByteBuffer b = ByteBuffer.wrap(HexFormat.of().parseHex("0001f203f4f5f6f7"));
        assertEquals(0xddf2, Checksum.fold(Checksum.add(0, b, 0, 8)));
        Random random = new Random(2);
        for (int i = 0; i < 2_000; i++) {
            byte[] bytes = new byte[random.nextInt(200)];
            random.nextBytes(bytes);
            int from = random.nextInt(bytes.length + 1);
            long sum = Checksum.add(0, ByteBuffer.wrap(bytes), from, bytes.length - from);
            assertEquals(plainSum(bytes, from, bytes.length - from, 0), Checksum.fold(sum), "from " + from);
        }
    }

    private static byte[] tcp(boolean v6, boolean vlan, int payload, int flags) {
        int ip = vlan ? 18 : 14;
        int tcp = ip + (v6 ? 40 : 24);
        ByteBuffer f = ByteBuffer.allocate(tcp + 32 + payload);
        new Random(payload).nextBytes(f.array());
        if (vlan) {
            f.putShort(12, (short) 0x8100);
        }
        f.putShort(ip - 2, (short) (v6 ? 0x86dd : 0x0800));
        if (v6) {
            f.put(ip, (byte) 0x60).put(ip + 6, (byte) 6).putShort(ip + 4, (short) (32 + payload));
        } else {
            f.put(ip, (byte) 0x46).put(ip + 9, (byte) 6).putShort(ip + 2, (short) (24 + 32 + payload));
            f.putShort(ip + 4, (short) 0xfffe);
        }
        f.putInt(tcp + 4, 0xfffffff0).put(tcp + 12, (byte) 0x80).put(tcp + 13, (byte) flags);
        return f.array();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void segmentsTogetherAreTheWhole(int kind) {
        boolean v6 = (kind & 1) != 0;
        boolean vlan = (kind & 2) != 0;
        int ip = vlan ? 18 : 14;
        int tcp = ip + (v6 ? 40 : 24);
        int headers = tcp + 32;
        int payload = 10_001;
        int size = 1_440;
        byte[] whole = tcp(v6, vlan, payload, 0x80 | 0x10 | 8 | 1);
        Offload o = new Offload(true, tcp, 16, false, v6 ? Segmentation.TCP6 : Segmentation.TCP4, size);
        List<byte[]> segments = finish(whole, o, Abilities.NONE);
        assertEquals((payload + size - 1) / size, segments.size());
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (int i = 0; i < segments.size(); i++) {
            byte[] s = segments.get(i);
            ByteBuffer b = ByteBuffer.wrap(s);
            boolean last = i == segments.size() - 1;
            assertEquals(0xfffffff0 + i * size, b.getInt(tcp + 4), "sequence number");
            assertEquals(0x10 | (last ? 8 | 1 : 0) | (i == 0 ? 0x80 : 0), s[tcp + 13] & 0xff, "flags");
            int pseudo;
            if (v6) {
                assertEquals(s.length - ip - 40, b.getShort(ip + 4) & 0xffff);
                pseudo = plainSum(s, ip + 8, 32, 6 + s.length - tcp);
            } else {
                assertEquals(s.length - ip, b.getShort(ip + 2) & 0xffff);
                assertEquals(0xfffe + i & 0xffff, b.getShort(ip + 4) & 0xffff, "identification");
                assertEquals(0xffff, plainSum(s, ip, 24, 0), "header checksum");
                pseudo = plainSum(s, ip + 12, 8, 6 + s.length - tcp);
            }
            assertEquals(0xffff, plainSum(s, tcp, s.length - tcp, pseudo), "checksum");
            data.write(s, headers, s.length - headers);
        }
        assertArrayEquals(java.util.Arrays.copyOfRange(whole, headers, whole.length), data.toByteArray());
    }

    @Test
    void aPartialChecksumIsCompletedAndNeverZero() {
        byte[] frame = new byte[60];
        frame[40] = 0x12;
        Offload o = new Offload(true, 34, 6, false, Segmentation.NONE, 0);
        byte[] done = finish(frame, o, Abilities.NONE).getFirst();
        assertEquals(0xffff, plainSum(done, 34, 26, 0x1200), "with the pseudo-header's sum, which stood in its place");
        ByteBuffer zero = ByteBuffer.allocate(60).putShort(34, (short) 0xffff);
        assertEquals(
                (short) 0xffff,
                ByteBuffer.wrap(finish(zero.array(), o, Abilities.NONE).getFirst())
                        .getShort(40));
    }

    @Test
    void whoCanDoItHimselfGetsTheFrameAsItIs() {
        byte[] frame = tcp(false, false, 5_000, 0x10);
        Offload o = new Offload(true, 38, 16, false, Segmentation.TCP4, 1_000);
        ByteBuffer given = ByteBuffer.wrap(frame);
        assertTrue(wire.finish(given, o, Abilities.ALL, (f, left) -> {
            assertSame(given, f);
            assertSame(o, left);
        }));
    }

    @Test
    void nonsenseIsRefused() {
        Random random = new Random(3);
        System.out.println("seed 3");
        for (int i = 0; i < 20_000; i++) {
            byte[] f =
                    i % 2 == 0 ? tcp(i % 4 == 0, i % 8 < 4, random.nextInt(100), 0x18) : new byte[random.nextInt(90)];
            for (int k = f.length == 0 ? 0 : random.nextInt(4); k > 0; k--) {
                f[random.nextInt(f.length)] = (byte) random.nextInt();
            }
            byte[] cut = java.util.Arrays.copyOf(f, random.nextInt(f.length + 1));
            Offload o = new Offload(
                    random.nextBoolean(),
                    random.nextInt(-5, 200),
                    random.nextInt(-5, 200),
                    false,
                    Segmentation.values()[random.nextInt(3)],
                    random.nextInt(-1, 50));
            int[] total = {0};
            wire.finish(ByteBuffer.wrap(cut), o, Abilities.NONE, (x, left) -> total[0] += x.remaining());
            assertTrue(total[0] <= cut.length * 60 + 100, "more than its segments with their headers");
        }
        assertFalse(
                wire.finish(ByteBuffer.allocate(Offload.MAX_FRAME + 1), Offload.NONE, Abilities.NONE, (f, o) -> {}));
    }
}
