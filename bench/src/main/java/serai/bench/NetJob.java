package serai.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * What a guest measures of its network.
 *
 * @param label for the reader
 * @param unit of the figure
 * @param more whether more is better
 * @param command for busybox's shell, which prints the figure as the last word; PEER and PEER6 stand for addresses, PORT for the server's, SECONDS
 */
record NetJob(String label, String unit, boolean more, String command) {
    private static final String IPERF =
            "iperf3 -c PEER -p PORT -t SECONDS -O 1 -f m%s | awk '/receiver/ {print $%d}' | tail -n 1";

    /** With a host that is behind a NAT. */
    static List<NetJob> withHost() {
        List<NetJob> jobs = new ArrayList<>(withGuest());
        jobs.add(new NetJob("TCP/IPv6 out", "Mbit/s", true, iperf("", 7).replace("PEER", "PEER6")));
        jobs.add(new NetJob("TCP/IPv6 in", "Mbit/s", true, iperf(" -R", 7).replace("PEER", "PEER6")));
        return jobs;
    }

    /** With another guest. */
    static List<NetJob> withGuest() {
        return List.of(
                new NetJob("TCP out", "Mbit/s", true, iperf("", 7)),
                new NetJob("TCP in", "Mbit/s", true, iperf(" -R", 7)),
                new NetJob("TCP out, 8 at once", "Mbit/s", true, iperf(" -P 8", 6)),
                new NetJob("TCP in, 8 at once", "Mbit/s", true, iperf(" -P 8 -R", 6)),
                new NetJob("UDP out, 1400 bytes", "Mbit/s", true, iperf(" -u -b 0 -l 1400", 7)),
                new NetJob(
                        "ping",
                        "us",
                        false,
                        "ping -c 41 -i 0.05 PEER | sed -n 's/.*time=\\([0-9.]*\\) ms/\\1/p' | sort -n | sed -n 21p"
                                + " | awk '{print $1 * 1000}'"));
    }

    private static String iperf(String options, int field) {
        return IPERF.formatted(options, field);
    }
}
