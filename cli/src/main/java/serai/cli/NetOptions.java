package serai.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** The network interfaces of {@code serai run}. */
final class NetOptions {
    @Option(
            names = "--net",
            paramLabel = "KIND[,SETTING]...",
            description = {
                "A network interface; may be given up to five times. Without, image debian has one of kind user, others have none."
                        + " KINDs and their settings:",
                "user: a network of the guest's own behind this machine, without any privilege: addresses by DHCP (10.0.2.15) and IPv6, DNS,"
                        + " TCP, UDP and ping to wherever this machine can reach, which is 10.0.2.2 itself."
                        + " hostfwd=tcp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT (also udp; may be given several times) leads a port"
                        + " of this machine to the guest; restrict=on lets nothing else in or out; net=ADDRESS/BITS, ipv4=off, ipv6=off.",
                "stream: path=PATH, a Unix socket with QEMU's framing, to another machine or to a switch ('serai switch');"
                        + " with server=on it is made here, without, somebody else makes it.",
                "none: an interface without a cable.",
                "Of all kinds: model=virtio (default) or e1000; mac=ADDRESS; mtu=BYTES (virtio); id=NAME; capture=FILE writes all frames"
                        + " to a file that tcpdump and Wireshark read. A comma in a value is written ',,'."
            })
    private List<String> nets = new ArrayList<>();

    /** What an image with a disk has if nothing is said. */
    void addDefault(VmmProcess p) {
        if (nets.isEmpty()) {
            p.add("net", "user");
        }
    }

    void addTo(VmmProcess p) {
        nets.forEach(n -> p.add("net", n));
    }
}
