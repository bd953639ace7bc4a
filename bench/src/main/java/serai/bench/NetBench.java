package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Networks of guests: iperf3 and ping in the same guest under Serai's engine java and under QEMU's TCG. {@code bench/net} starts it; it uses the JDK
 * alone, so that it runs as a source file.
 *
 * <p>Both guests run, and do the jobs in turns: one job in one of them, while the other waits for a line on its console, then the same in the other. So what
 * else the host does, meets both. The other end is an iperf3 of the host behind the user network, or a second guest on a Unix stream socket.
 */
public final class NetBench {
    private static final String HOST = "10.0.2.2", HOST6 = "fec0::2";
    private static final int PORT = 5201;

    private final Path root;
    private final Path built;
    private final int port;
    private final int rounds;
    private final int seconds;

    private NetBench(Path root, Path built, int port, int rounds, int seconds) {
        this.root = root;
        this.built = built;
        this.port = port;
        this.rounds = rounds;
        this.seconds = seconds;
    }

    /** {@code ROOT BUILT PORT ROUNDS SECONDS KINDS}: kinds as {@code user-virtio}, with commas; on PORT an iperf3 serves on both loopback addresses. */
    public static void main(String[] args) throws Exception {
        NetBench b = new NetBench(
                Path.of(args[0]),
                Path.of(args[1]),
                Integer.parseInt(args[2]),
                Integer.parseInt(args[3]),
                Integer.parseInt(args[4]));
        b.print(args[5].split(","));
    }

    private void print(String[] kinds) throws Exception {
        System.out.printf(
                Locale.ROOT,
                "networks of a guest with one vCPU, %s, %d rounds of %d s a job%n%s%n%n",
                Host.today(),
                rounds,
                seconds,
                Host.description());
        int below = 0;
        for (String k : kinds) {
            String[] w = k.split("-");
            below += print(w[0].equals("user"), w[1]);
        }
        System.out.printf("%d below 1.00%n", below);
    }

    private int print(boolean user, String model) throws Exception {
        List<NetJob> jobs = user ? NetJob.withHost() : NetJob.withGuest();
        double[][] qemu = new double[jobs.size()][rounds];
        double[][] serai = new double[jobs.size()][rounds];
        for (int i = 0; i < rounds; i++) {
            round(user, model, jobs, i, qemu, serai);
        }
        System.out.printf(
                "%-28s %10s %10s %8s %8s%n", (user ? "user, " : "stream, ") + model, "QEMU", "Serai", "ratio", "least");
        int below = 0;
        for (int j = 0; j < jobs.size(); j++) {
            NetJob job = jobs.get(j);
            double[] ratios = new double[rounds];
            for (int i = 0; i < rounds; i++) {
                ratios[i] = job.more() ? serai[j][i] / qemu[j][i] : qemu[j][i] / serai[j][i];
            }
            double ratio = Times.median(ratios);
            below += ratio < 1 ? 1 : 0;
            System.out.printf(
                    Locale.ROOT,
                    "%-28s %10.0f %10.0f %8.2f %8.2f%n",
                    job.label() + ", " + job.unit(),
                    Times.median(qemu[j]),
                    Times.median(serai[j]),
                    ratio,
                    Times.min(ratios));
        }
        System.out.println();
        return below;
    }

    private void round(boolean user, String model, List<NetJob> jobs, int round, double[][] qemu, double[][] serai)
            throws Exception {
        Path files = Host.cached("generic");
        Path tools = built.resolve("tools.iso");
        String driver = model.equals("virtio") ? "virtio-net-pci" : model;
        List<NetGuest> open = new ArrayList<>();
        try {
            if (user) {
                open.add(NetGuest.serai(root, files, tools, "user,model=" + model));
                open.add(NetGuest.qemu(root, files, tools, "user", driver));
            } else {
                for (String end : List.of(",server=on", "")) {
                    open.add(NetGuest.serai(
                            root, files, tools, "stream,path=" + built.resolve("serai.net") + end + ",model=" + model));
                    open.add(NetGuest.qemu(
                            root,
                            files,
                            tools,
                            "stream,addr.type=unix,addr.path=" + built.resolve("qemu.net")
                                    + (end.isEmpty() ? ",server=off" : end),
                            driver + ",mac=52:54:00:00:00:0" + (end.isEmpty() ? 2 : 1)));
                    if (!end.isEmpty()) {
                        Thread.sleep(2_000); // QEMU's other end has to find the socket
                    }
                }
            }
            for (int i = 0; i < open.size(); i++) {
                open.get(i).start();
                if (!user) {
                    open.get(i).shell("killall udhcpc; ip addr add 10.0.2." + (2 + i / 2) + "/24 dev eth0");
                    if (i < 2) {
                        open.get(i).shell("iperf3 -s -D -p " + PORT);
                    }
                }
            }
            NetGuest s = open.get(user ? 0 : 2);
            NetGuest q = open.get(user ? 1 : 3);
            for (int j = 0; j < jobs.size(); j++) {
                for (NetGuest g : (j + round) % 2 == 0 ? List.of(s, q) : List.of(q, s)) {
                    double figure = g.job(jobs.get(j), HOST, HOST6, user ? port : PORT, seconds);
                    System.err.printf(
                            Locale.ROOT,
                            "%s, %s: %s %.0f %s%n",
                            user ? "user" : "stream",
                            model,
                            g == s ? "Serai" : "QEMU",
                            figure,
                            jobs.get(j).label());
                    (g == s ? serai : qemu)[j][round] = figure;
                }
            }
        } catch (IOException e) {
            throw new IOException((user ? "user, " : "stream, ") + model + ": " + e.getMessage(), e);
        } finally {
            open.forEach(NetGuest::close);
        }
    }
}
