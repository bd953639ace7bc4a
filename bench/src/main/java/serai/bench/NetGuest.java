package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A guest of image {@code generic} with a network interface and a CD with the tools. */
final class NetGuest implements AutoCloseable {
    private static final int LIMIT_SECONDS = 120;
    private static final String MOUNT =
            "mkdir /t; mount -t iso9660 -o ro /dev/sr0 /t; ln -s /t/lib /lib64; export PATH=/t/bin:$PATH LD_LIBRARY_PATH=/t/lib;"
                    + " for i in 1 2 3 4 5 6 7 8 9; do ip addr | grep -q 'scope [gs][li][ot][be]' || sleep 1; done";

    private final Run run;
    private int marks;

    private NetGuest(Run run) {
        this.run = run;
    }

    /** The same kernel, memory and command line for both. */
    private static List<String> boot(Path files) {
        return List.of(
                "-kernel",
                files.resolve("vmlinuz").toString(),
                "-initrd",
                files.resolve("initrd.cpio").toString(),
                "-append",
                "console=ttyS0 quiet loglevel=0 mitigations=off");
    }

    /** @param net as {@code --net} has it */
    static NetGuest serai(Path root, Path files, Path tools, String net) throws IOException {
        List<String> c = new ArrayList<>(List.of(root.resolve("serai").toString(), "run"));
        c.addAll(List.of("--engine", "java", "--memory", "512M", "--cdrom", tools.toString(), "--net", net));
        boot(files).forEach(w -> c.add(w.startsWith("-") ? "-" + w : w));
        return new NetGuest(new Run(c, root));
    }

    /**
     * @param netdev as {@code -netdev} has it, without the id
     * @param device the driver's name and settings
     */
    static NetGuest qemu(Path root, Path files, Path tools, String netdev, String device) throws IOException {
        List<String> c =
                new ArrayList<>(List.of("qemu-system-x86_64", "-accel", "tcg", "-cpu", Suite.DEBIAN.qemuModel()));
        c.addAll(List.of("-m", "512", "-no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio"));
        c.addAll(List.of(
                "-device",
                "ich9-ahci,id=a",
                "-drive",
                "if=none,id=c,media=cdrom,readonly=on,format=raw,file.driver=file,file.locking=off,file.filename="
                        + tools));
        c.addAll(List.of("-device", "ide-cd,bus=a.0,drive=c"));
        c.addAll(List.of("-netdev", netdev + ",id=n", "-device", device + ",netdev=n"));
        c.addAll(boot(files));
        return new NetGuest(new Run(c, root));
    }

    /** Waits for the shell, and for an address. */
    void start() throws IOException {
        within(() -> run.until("~ # "));
        shell(MOUNT);
    }

    /** Has the shell do something; the last line that it prints. */
    String shell(String command) throws IOException {
        String end = "<end " + ++marks + ">";
        String[] said = new String[1];
        within(() -> {
            // the mark is put together by the shell, so that its echo of the line is not taken for it
            run.say(command + "; echo '<end '" + marks + "'>'");
            said[0] = run.before(end);
            return 0;
        });
        String[] lines = said[0].replace("\r", "").strip().split("\n");
        return lines[lines.length - 1].strip();
    }

    /** The figure that a job prints. */
    double job(NetJob job, String peer, String peer6, int port, int seconds) throws IOException {
        String said = shell(job.command()
                .replace("PEER6", peer6)
                .replace("PEER", peer)
                .replace("PORT", Integer.toString(port))
                .replace("SECONDS", Integer.toString(seconds)));
        try {
            return Double.parseDouble(said);
        } catch (NumberFormatException e) {
            throw new IOException(job.label() + " failed: " + said, e);
        }
    }

    private interface Step {
        double take() throws IOException;
    }

    private void within(Step step) throws IOException {
        CompletableFuture<Void> done = run.watchdog(LIMIT_SECONDS);
        try {
            step.take();
        } finally {
            done.complete(null);
        }
    }

    @Override
    public void close() {
        run.close();
    }
}
