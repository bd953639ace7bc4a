package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A guest of image {@code tiny} with a disk of its own, in which fio does its jobs one by one when it is told to. */
final class FioGuest implements AutoCloseable {
    private static final int LIMIT_SECONDS = 300;
    private static final String MARK = "tools";
    /** The disk first, then the one with the programs. Where its name differs by the bus, the tools' does, too. */
    private static final String MOUNT =
            "mkdir /t; mount -o ro %s /t; ln -s /t/lib /lib64; export PATH=/t/bin:$PATH LD_LIBRARY_PATH=/t/lib; echo '"
                    + MARK + "' mounted";

    /** What differs between the guests of a comparison: the bus and the format. */
    record Kind(String bus, String format) {
        String device() {
            return bus.equals("nvme") ? "/dev/nvme0n1" : "/dev/vda";
        }

        private String tools() {
            return bus.equals("nvme") ? "/dev/vda" : "/dev/vdb";
        }
    }

    private final Run run;

    private FioGuest(Run run) {
        this.run = run;
    }

    /** The same kernel, memory and command line for both. The kernel's mitigations are off, as they depend on the CPU's model. */
    private static List<String> boot(Path files) {
        return List.of(
                "-kernel",
                files.resolve("vmlinuz").toString(),
                "-initrd",
                files.resolve("initrd.cpio").toString(),
                "-append",
                "console=ttyS0 quiet loglevel=0 mitigations=off");
    }

    static FioGuest serai(Path root, Path files, Kind kind, Path disk, Path tools) throws IOException {
        List<String> c = new ArrayList<>(List.of(root.resolve("serai").toString(), "run"));
        c.addAll(List.of("--engine", "java", "--memory", "512M"));
        c.addAll(List.of("--disk", "%s,format=%s,bus=%s".formatted(disk, kind.format, kind.bus)));
        c.addAll(List.of("--disk", tools + ",format=raw,readonly=true"));
        boot(files).forEach(w -> c.add(w.startsWith("-") ? "-" + w : w));
        return new FioGuest(new Run(c, root));
    }

    /**
     * QEMU with what TCG lets it have: requests go to the main loop's thread, as there is no ioeventfd, and so no iothread, without KVM.
     * Writes go to the host's page cache and become durable by the guest's flushes, as with Serai.
     *
     * @param aio how QEMU does asynchronous input and output
     */
    static FioGuest qemu(Path root, Path files, Kind kind, Path disk, Path tools, String aio) throws IOException {
        List<String> c =
                new ArrayList<>(List.of("qemu-system-x86_64", "-accel", "tcg", "-cpu", Suite.DEBIAN.qemuModel()));
        c.addAll(List.of("-m", "512", "-no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio"));
        c.addAll(List.of(
                "-drive",
                "if=none,id=d,file=%s,format=%s,cache=writeback,discard=unmap,aio=%s".formatted(disk, kind.format, aio),
                "-device",
                kind.bus.equals("nvme") ? "nvme,drive=d,serial=d" : "virtio-blk-pci,drive=d"));
        c.addAll(List.of(
                "-drive",
                "if=none,id=t,file=%s,format=raw,readonly=on,file.locking=off".formatted(tools),
                "-device",
                "virtio-blk-pci,drive=t"));
        c.addAll(boot(files));
        return new FioGuest(new Run(c, root));
    }

    /** Waits until the first job could begin. */
    void start(Kind kind, FioJob first) throws IOException {
        within(() -> {
            run.until("~ # ");
            run.say(MOUNT.formatted(kind.tools()));
            run.until(MARK + " mounted");
            run.say("fio --minimal /t/" + kind.bus + ".fio; echo 'fio' ends");
            run.until("<" + first.label() + " waits>");
            return 0;
        });
    }

    /**
     * Has the next job done.
     *
     * @return how long it has taken by this machine's clock, in seconds
     */
    double job(FioJob job) throws IOException {
        return within(() -> {
            run.say("");
            double begin = run.until("<" + job.label() + " begins>");
            return run.until("<" + job.label() + " is over>") - begin;
        });
    }

    /** Lets the guest go on, behind {@link #job}, until the next job could begin. */
    void await(FioJob next) throws IOException {
        within(() -> run.until("<" + next.label() + " waits>"));
    }

    /**
     * What fio says of a job, after the last one; in the order in which they were done.
     *
     * @return KiB a second
     */
    double result(FioJob job) throws IOException {
        return within(() -> {
            run.until(";" + job.label() + ";");
            // terse format 3, from its fourth field on: group, error, and of reads KiB, KiB/s, requests/s, ms; of
            // writes the same 41 later
            String[] f = run.line().split(";");
            if (f.length < 50 || !f[1].equals("0")) {
                throw new IOException("fio failed: " + String.join(";", f));
            }
            return Double.parseDouble(f[(job.reads() ? 0 : 41) + 3]);
        });
    }

    private interface Step {
        double take() throws IOException;
    }

    private double within(Step step) throws IOException {
        CompletableFuture<Void> done = run.watchdog(LIMIT_SECONDS);
        try {
            return step.take();
        } finally {
            done.complete(null);
        }
    }

    @Override
    public void close() {
        run.close();
    }
}
