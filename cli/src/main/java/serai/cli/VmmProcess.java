package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A VMM in a process of its own, with this process's standard streams: {@code java … serai.vmm.Main KEY=VALUE…}.
 *
 * <pre>
 *   memory=BYTES cpus=N[,max=M] numa=cpus=N-N,memory=SIZE (repeated) numa-distance=N,N,N (repeated) engine=NAME,translate=WHEN cpu-model=NAME kernel=FILE initrd=FILE append=STRING
 *   disk=FILE,readonly=BOOLEAN,bus=NAME,id=NAME,addr=SLOT,KEY=VALUE... (repeated; what follows bus may be left out)
 *   net=KIND,KEY=VALUE... (repeated)
 *   secret=id=NAME,file=PATH (repeated)
 *   serial=WHERE debugcon=WHERE console=WHERE port=NAME,WHERE (repeated) debug-exit=PORT timeout=SECONDS
 *   no-reboot=true gdb=PORT stats=true trace=RANGE profile=FILE symbols=FILE[,offset=N] deterministic=SEED record=FILE replay=FILE save-at=N snapshot=FILE
 *   load=FILE hash-every=N parent=PID qmp=PATH
 * </pre>
 *
 * Numbers are decimal; what was not given is left out. The VMM's status is ours, if it is one of its own: a JVM that is
 * killed, or does not start, must not look like a guest that ended.
 */
final class VmmProcess {
    private static final String MAIN = "serai.vmm.Main";
    private static final String REHEARSAL = "serai.vmm.Rehearsal";
    /**
     * Why each: GuestMemory's accessor; the bindings of module linux; decompressors; a small heap's cheapest collector, which
     * begins small, as the default of a 64th of the host's memory is filled before the first collection and the old generation never
     * gets smaller than it began (6 MiB of it are alive in an idle VMM), keeps little room that is not used, and what compilers leave in
     * malloc's pools and channels in buffers goes back; the AOT cache where it was made for, so that nothing in it
     * has to be adjusted (20 to 40 ms of the start) and VMs share 15 MiB of it; and what the JVM has to say goes to standard error, as only the guest writes to standard output.
     */
    private static final List<String> JVM = List.of(
            "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-XX:+UseSerialGC",
            "-Xms12m",
            "-XX:NewSize=5440k",
            "-Xmx512m",
            "-XX:MinHeapFreeRatio=10",
            "-XX:MaxHeapFreeRatio=20",
            "-XX:-ShrinkHeapInSteps",
            "-XX:TrimNativeHeapInterval=5000",
            "-Djdk.nio.maxCachedBufferSize=65536",
            "-XX:+UnlockDiagnosticVMOptions",
            "-XX:ArchiveRelocationMode=0",
            "-Xlog:disable",
            "-Xlog:all=error:stderr",
            "-XX:+DisplayVMOutputToStderr");

    private final List<String> arguments = new ArrayList<>();

    void add(String key, String value) {
        arguments.add(key + "=" + value);
    }

    /** Before all others: of disks the first is the one that the guest starts from. */
    void addFirst(String key, String value) {
        arguments.addFirst(key + "=" + value);
    }

    void addIfGiven(String key, @Nullable String value) {
        if (value != null) {
            add(key, value);
        }
    }

    /** A run that leaves an AOT cache for those to come: flags and class path have to be theirs. */
    static List<String> rehearsal(Path cache) {
        List<String> c = java();
        c.add("-XX:AOTCacheOutput=" + cache);
        c.addAll(List.of("-cp", System.getProperty("java.class.path"), REHEARSAL));
        return c;
    }

    private static List<String> java() {
        List<String> c = new ArrayList<>();
        c.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        c.addAll(JVM);
        return c;
    }

    /** The whole command. */
    List<String> command() {
        List<String> c = java();
        // not into the directory that the user happens to be in
        c.add("-XX:ErrorFile=" + Path.of(System.getProperty("java.io.tmpdir"), "serai-hs_err-%p.log"));
        String extra = System.getProperty("serai.vmm.jvm", "").strip();
        if (!extra.isEmpty()) {
            c.addAll(List.of(extra.split("\\s+")));
        }
        String aot = System.getProperty("serai.vmm.aot", "");
        if (!aot.isEmpty() && Files.isReadable(Path.of(aot))) {
            c.add("-XX:AOTCache=" + aot);
        }
        c.add("-cp");
        c.add(System.getProperty("java.class.path"));
        c.add(MAIN);
        c.addAll(arguments);
        return c;
    }

    /** Starts it and waits for its end. */
    int run() throws CliException, InterruptedException {
        Process p;
        try {
            p = new ProcessBuilder(command()).inheritIO().start();
        } catch (IOException e) {
            throw new CliException(Status.HOST, "the VMM could not be started: " + e.getMessage(), e);
        }
        // a signal to us ends the VMM in order: it puts the terminal back
        Thread end = new Thread(() -> {
            p.destroy();
            try {
                if (!p.waitFor(10, TimeUnit.SECONDS)) {
                    p.destroyForcibly();
                }
            } catch (InterruptedException e) {
                p.destroyForcibly();
            }
        });
        Runtime.getRuntime().addShutdownHook(end);
        int status = p.waitFor();
        try {
            Runtime.getRuntime().removeShutdownHook(end);
        } catch (IllegalStateException e) {
            // we are being ended, too
        }
        return own(status);
    }

    private int own(int status) throws CliException {
        boolean guest = status % 2 != 0 && arguments.stream().anyMatch(a -> a.startsWith("debug-exit="));
        if (guest || (status % 2 == 0 && status < 128)) {
            return status;
        }
        throw new CliException(
                Status.HOST,
                status > 128
                        ? "the VMM was ended by signal " + (status - 128)
                        : "the VMM could not be started or broke down (status " + status + ")");
    }
}
