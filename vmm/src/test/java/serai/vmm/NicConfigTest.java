package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.network.nat.HostForward;
import serai.network.nat.UserNetworkConfig;
import serai.vmm.net.Network;
import serai.vmm.net.NicModel;

final class NicConfigTest {
    private static List<NicConfig> nics(String... words) throws VmmException {
        List<String> all = new java.util.ArrayList<>(List.of("kernel=k"));
        all.addAll(List.of(words));
        return VmConfig.parse(all).nics();
    }

    @Test
    void aUserNetworkIsAsQemuHasIt() throws VmmException {
        NicConfig n = nics("net=user").getFirst();
        assertEquals(
                new NicConfig("net0", NicModel.VIRTIO, -1, 0, new Network.User(UserNetworkConfig.DEFAULT), null), n);
    }

    @Test
    void itsSettings() throws VmmException {
        NicConfig n = nics("net=user,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-10.0.2.15:53,restrict=on,ipv6=off"
                        + ",mac=52:54:00:AB:cd:0f,mtu=9000,id=lan,capture=a,,b.pcap")
                .getFirst();
        assertEquals("lan", n.id());
        assertEquals(0x525400abcd0fL, n.mac());
        assertEquals(9000, n.mtu());
        assertEquals(Path.of("a,b.pcap"), n.capture());
        assertEquals(
                new Network.User(UserNetworkConfig.DEFAULT
                        .withForward(HostForward.parse("tcp:127.0.0.1:2222-:22"))
                        .withForward(HostForward.parse("udp::53-10.0.2.15:53"))
                        .withRestrict(true)
                        .withVersions(true, false)),
                n.network());
    }

    @Test
    void addressesOfAnotherNetworkAreNumberedAsQemuNumbersThem() throws VmmException {
        Network.User u =
                (Network.User) nics("net=user,net=192.168.7.0/24").getFirst().network();
        assertEquals("192.168.7.2", u.config().host().getHostAddress());
        assertEquals("192.168.7.3", u.config().dns().getHostAddress());
        assertEquals("192.168.7.15", u.config().dhcpStart().getHostAddress());
    }

    @Test
    void aStream() throws VmmException {
        assertEquals(
                List.of(
                        new Network.Stream(Path.of("/s"), true),
                        new Network.Stream(Path.of("t"), false),
                        new Network.None()),
                nics("net=stream,addr.type=unix,addr.path=/s,server=on", "net=stream,path=t", "net=none").stream()
                        .map(NicConfig::network)
                        .toList());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "net=bridge|a network is user, stream or none, not 'bridge'",
                "net=user,path=x|a network interface of 'user' has no setting 'path'",
                "net=stream|a network of 'stream' needs path=PATH, its socket",
                "net=user,mac=1|mac of a network interface must be like 52:54:00:12:34:56, not '1'",
                "net=user,mac=01:00:00:00:00:00|mac 01:00:00:00:00:00 is not the address of one interface: the first byte must be even, and not all 0",
                "net=user,mtu=20|mtu of a network interface must be from 68 to 65535, not 20",
                "net=user,restrict=maybe|restrict of a network must be one of on, off, not 'maybe'",
                "net=user,net=10.0.2.0|net of a network must be like 10.0.2.0/24, not '10.0.2.0'",
                "net=user,net=10.0.2.1/24|10.0.2.1 is not the address of a network of 24 bits",
                "net=user,hostfwd=tcp:22|bad forwarded port 'tcp:22': it is tcp or udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT",
                "net=user,id=9|id of a network interface must be a letter and at most 30 letters, digits, '.', '_' or '-', not '9'"
            })
    void nonsenseIsRefusedInASentence(String word, String sentence) {
        assertEquals(
                sentence, assertThrows(VmmException.class, () -> nics(word)).getMessage());
    }

    @Test
    void notTwoOfOneName_notMoreThanFive_notInARunThatRepeats() {
        assertEquals(
                "there is a network interface 'a' already",
                assertThrows(VmmException.class, () -> nics("net=none,id=a", "net=user,id=a"))
                        .getMessage());
        assertEquals(
                "a VM has at most 5 network interfaces",
                assertThrows(
                                VmmException.class,
                                () -> nics("net=none", "net=none", "net=none", "net=none", "net=none", "net=none"))
                        .getMessage());
        assertEquals(
                "what comes in by a network does not repeat: not with deterministic",
                assertThrows(VmmException.class, () -> nics("net=user", "deterministic=1"))
                        .getMessage());
    }
}
