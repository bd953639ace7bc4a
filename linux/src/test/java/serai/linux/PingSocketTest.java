package serai.linux;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PingSocketTest {
    /** Whether the host's administrator lets our group. */
    private static boolean allowed() throws IOException {
        String[] range;
        try (BufferedReader r = Files.newBufferedReader(Path.of("/proc/sys/net/ipv4/ping_group_range"))) {
            range = Objects.requireNonNull(r.readLine())
                    .strip()
                    .split("\\s+"); // at once: the kernel gives no rest of it
        }
        int group = (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:gid");
        return Long.parseLong(range[0]) <= group && group <= Long.parseLong(range[1]);
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void echo_comesBack(String address) throws IOException {
        assumeTrue(allowed(), "capability: ping-sockets");
        boolean v6 = address.contains(":");
        try (PingSocket s = PingSocket.open(v6)) {
            ByteBuffer in = ByteBuffer.allocateDirect(100);
            assertFalse(s.receive(in));
            ByteBuffer echo = ByteBuffer.allocate(12).put((byte) (v6 ? 128 : 8)).putShort(6, (short) 77);
            echo.putInt(8, 0x1234_5678).position(0);
            s.send(echo, InetAddress.ofLiteral(address));
            assertEquals(1, Poll.readable(10_000, s.fd()));
            assertTrue(s.receive(in));
            byte[] got = new byte[in.flip().remaining()];
            in.get(got);
            assertEquals(v6 ? (byte) 129 : 0, got[0]);
            assertArrayEquals(new byte[] {0, 77, 0x12, 0x34, 0x56, 0x78}, java.util.Arrays.copyOfRange(got, 6, 12));
        }
    }

    @Test
    void whereItIsForbidden_isSaid() throws IOException {
        if (!allowed()) {
            LinuxException e = assertThrows(LinuxException.class, () -> PingSocket.open(false));
            assertEquals("can't open an ICMP socket: access denied (EACCES)", e.getMessage());
        }
    }
}
