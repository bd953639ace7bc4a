package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code serai switch}: starts the process of a switch, and waits for its end. */
@Command(
        name = "switch",
        description = {
            "A network that several virtual machines share: a switch, until it is ended (Ctrl-C).",
            "It learns addresses, knows VLANs, lets nobody speak in another's name who is told not to, and tells at its end what has"
                    + " gone through each port."
        },
        sortOptions = false,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {"2:usage: an unknown option or a bad value", "8:a socket, a file or a port can't be had"},
        footer = {
            "",
            "Example: two machines that see each other and, by a NAT, the world:",
            "  serai switch --port path=a.sock,mac=52:54:00:00:00:01 --port path=b.sock --user",
            "  serai run debian --net stream,path=a.sock,mac=52:54:00:00:00:01",
            "  serai run tiny --net stream,path=b.sock"
        })
final class SwitchCommand implements Callable<Integer> {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Option(
            names = "--port",
            paramLabel = "path=SOCKET[,SETTING]...",
            description = {
                "A port: a Unix socket that is made for one machine, Serai's or QEMU's (-netdev stream); may be given several times."
                        + " Settings:",
                "mac=ADDRESS: frames of this address alone; ip=ADDRESS (may be repeated): packets of these addresses alone.",
                "vlan=N: it is in this VLAN (1); trunk=N (may be repeated): it is in these, by tagged frames.",
                "rate=BYTES: it may send so many in a second. capture=FILE: for tcpdump. name=NAME: for the counters."
            })
    private List<String> ports = new ArrayList<>();

    @Option(
            names = "--user",
            arity = "0..1",
            fallbackValue = "",
            paramLabel = "SETTING[,SETTING]...",
            description = "A port to a user network that all share, as --net user of 'serai run': DHCP, DNS and a NAT."
                    + " Settings: those of --port, hostfwd= and restrict=on.")
    private String user = "none";

    @Override
    public Integer call() throws CliException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmx128m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "serai.network.lan.SwitchMain"));
        command.addAll(ports);
        if (!user.equals("none")) {
            command.add(user.isEmpty() ? "user" : "user," + user);
        }
        try {
            Process p = new ProcessBuilder(command).inheritIO().start();
            // a signal to us alone has to end it, too
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                p.destroy();
                try {
                    int unused = p.waitFor();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
            return p.waitFor();
        } catch (IOException e) {
            throw new CliException(Status.HOST, "the process of the switch can't be started: " + e.getMessage(), e);
        }
    }
}
