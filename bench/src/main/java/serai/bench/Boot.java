package serai.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * An image that is started on Serai's engine java and on QEMU's TCG: with the same kernel, initrd and disk, of which either has a
 * throw-away copy.
 *
 * @param root the repository
 * @param image its name
 * @param files what is built of it
 * @param end what the start ends with, for the reader
 * @param mark the same, as the guest says it
 * @param prompt what it says when it waits for somebody; that may be the mark
 * @param qemuModel QEMU's CPU model for it
 */
record Boot(Path root, String image, Path files, String end, String mark, String prompt, String qemuModel) {
    private static final int LIMIT_SECONDS = 300;
    /** RAM, in MiB. */
    private static final String MEMORY = "512";

    static Boot of(Path root, String image) throws IOException {
        Path files = Host.cached(image);
        return Files.exists(files.resolve("disk.raw"))
                ? new Boot(root, image, files, "the login prompt", "login: ", "", Suite.DEBIAN.qemuModel())
                : new Boot(
                        root,
                        image,
                        files,
                        "the first line of init",
                        "serai: init",
                        "~ # ",
                        Suite.PROGRAMS.qemuModel());
    }

    boolean hasDisk() {
        return Files.exists(disk());
    }

    private Path disk() {
        return files.resolve("disk.raw");
    }

    /** Starts it on Serai. */
    Run serai(int cpus) throws IOException, InterruptedException {
        List<String> c = new ArrayList<>(List.of(root.resolve("serai").toString(), "run"));
        c.addAll(List.of("--engine", "java", "--cpus", Integer.toString(cpus), "--memory", MEMORY + "M"));
        if (!hasDisk()) {
            c.add(image);
            return new Run(c, root);
        }
        // before the clock runs, as QEMU's snapshot costs nothing either
        Path copy = root.resolve("build/bench-boot.raw");
        sh("cp", "--sparse=always", disk().toString(), copy.toString());
        sh("sync", copy.toString());
        c.addAll(List.of("--disk", copy.toString()));
        c.addAll(List.of("--kernel", kernel(), "--initrd", initrd(), "--append", append()));
        return new Run(c, root);
    }

    /** Starts it on QEMU. */
    Run qemu(int cpus) throws IOException {
        List<String> c = new ArrayList<>(List.of("qemu-system-x86_64", "-accel", "tcg", "-cpu", qemuModel));
        c.addAll(List.of("-m", MEMORY, "-smp", Integer.toString(cpus), "-no-reboot"));
        c.addAll(List.of("-nodefaults", "-display", "none", "-serial", "stdio"));
        if (hasDisk()) {
            c.addAll(List.of("-drive", "file=%s,format=raw,if=virtio,snapshot=on".formatted(disk())));
        }
        c.addAll(List.of("-kernel", kernel(), "-initrd", initrd(), "-append", append()));
        return new Run(c, root);
    }

    private String kernel() {
        return files.resolve("vmlinuz").toString();
    }

    private String initrd() {
        return files.resolve("initrd.cpio").toString();
    }

    private String append() {
        return hasDisk() ? "console=ttyS0 root=/dev/vda ro" : "console=ttyS0";
    }

    /** Waits until it has started: seconds from the process's start. */
    double started(Run run) throws IOException {
        CompletableFuture<Void> done = run.watchdog(LIMIT_SECONDS);
        try {
            return run.until(mark);
        } finally {
            done.complete(null);
        }
    }

    /** Waits, after {@link #started}, until somebody could type. */
    void awaitPrompt(Run run) throws IOException {
        if (!prompt.isEmpty()) {
            run.until(prompt);
        }
    }

    private static void sh(String... command) throws IOException, InterruptedException {
        if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
            throw new IOException(String.join(" ", command) + " failed");
        }
    }
}
