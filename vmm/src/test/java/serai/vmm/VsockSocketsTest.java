package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.cpu.JavaEngine;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.RealClock;

/** What programs of the host get from a VM whose guest has no driver; checks' VsockTest has one that has. */
final class VsockSocketsTest {
    @TempDir
    Path directory;

    private static Machine machine() {
        long size = 2 << 20;
        RamRegion r = new RamRegion(0, size, Arena.global().allocate(size, 4096).address(), false, -1, 0);
        return new Machine(
                new MachineConfig(
                        1, 1, X86Model.v1(1), new RealClock(), () -> 0, b -> {}, b -> {}, Numa.NONE, false, -1),
                new GuestMemory(List.of(r)),
                new JavaEngine());
    }

    @Test
    void whoAsksForWhatIsNotThere_orInOtherWords_isHungUpOn() throws Exception {
        Path path = directory.resolve("v");
        try (Machine m = machine();
                VsockSockets s = VsockSockets.listen(new VsockConfig(path, 3))) {
            s.plug(m);
            m.reset();
            s.start();
            for (String words : List.of(
                    "CONNECT 5\n",
                    "CONNECT 4294967295\r\n",
                    "CONNECT 4294967296\n",
                    "connect 5\n",
                    "CONNECT -1\n",
                    "\n",
                    "CONNECT 5 and much else that is too long for a line\n")) {
                try (SocketChannel c = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                    c.write(ByteBuffer.wrap(words.getBytes(StandardCharsets.US_ASCII)));
                    int n;
                    try {
                        n = c.read(ByteBuffer.allocate(10));
                    } catch (java.io.IOException e) {
                        n = -1; // there were bytes that nobody read
                    }
                    assertEquals(-1, n, words);
                }
            }
        }
        assertFalse(Files.exists(path));
    }

    @Test
    void words() throws VmmException {
        assertEquals(
                new VsockConfig(Path.of("a,b"), 9),
                VmConfig.parse(List.of("kernel=k", "vsock=a,b,cid=9")).vsock());
        assertEquals(
                new VsockConfig(Path.of("a"), 3),
                VmConfig.parse(List.of("kernel=k", "vsock=a")).vsock());
        for (String[] bad : new String[][] {
            {"vsock=a,cid=2", "cid must be from 3 to 4294967294, not 2"},
            {"vsock=", "vsock needs a file name"},
        }) {
            VmmException e = assertThrows(VmmException.class, () -> VmConfig.parse(List.of("kernel=k", bad[0])));
            assertEquals(bad[1], e.getMessage());
        }
        VmmException e = assertThrows(
                VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "vsock=a", "deterministic=1")));
        assertTrue(String.valueOf(e.getMessage()).contains("deterministic"), e.getMessage());
    }
}
