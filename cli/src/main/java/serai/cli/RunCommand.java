package serai.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/** {@code serai run}. */
@Command(
        name = "run",
        description = {
            "Runs a virtual machine and attaches this terminal to its serial console.",
            "Only the guest writes to standard output; Serai speaks on standard error. The end of standard input does not"
                    + " end the machine. On a terminal, Ctrl-A X quits and Ctrl-A H shows all keys."
        },
        customSynopsis = {
            "serai run [OPTIONS] IMAGE",
            "       serai run [OPTIONS] --kernel FILE [--initrd FILE] [--append STRING]"
        },
        sortOptions = false,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "0:the guest powered itself off",
            "odd:the guest wrote V to the debug-exit port: (V << 1) | 1",
            "2:usage: an unknown option or a bad value",
            "4:the guest stopped abnormally: triple fault, halted for ever, touched what is not there",
            "6:an image, kernel, initrd or disk was refused",
            "8:this machine can't do it, or something failed here",
            "124:the time given by --timeout is over"
        },
        footer = {
            "",
            "Examples:",
            "  serai run tiny",
            "  serai run tiny --memory 1G --disk data.raw",
            "  serai run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 root=/dev/vda1'"
        })
final class RunCommand implements Callable<Integer> {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "IMAGE",
            description = "The image to run; 'tiny' is Debian's cloud kernel with busybox, made on first use.")
    private @Nullable String image;

    @Option(
            names = "--kernel",
            paramLabel = "FILE",
            description = "A Linux bzImage or vmlinux, a PVH ELF file, or a multiboot file.")
    private @Nullable Path kernel;

    @Option(names = "--initrd", paramLabel = "FILE", description = "Initial RAM disk, or module, for --kernel.")
    private @Nullable Path initrd;

    @Option(
            names = "--append",
            paramLabel = "STRING",
            description = "Kernel command line; with an image, added to the image's own.")
    private @Nullable String append;

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            defaultValue = "512M",
            description = "RAM, with K, M or G (default: ${DEFAULT-VALUE}).")
    private String memory = "512M";

    @Option(
            names = "--cpus",
            paramLabel = "N",
            defaultValue = "1",
            description = "Number of virtual CPUs (default: ${DEFAULT-VALUE}); this version runs 1.")
    private String cpus = "1";

    @Option(
            names = "--engine",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto, java or kvm (default: ${DEFAULT-VALUE}, the faster one as measured at start).")
    private String engine = "auto";

    @Option(
            names = "--cpu-model",
            paramLabel = "NAME",
            description =
                    "Which CPU the guest sees: x86-64-v2 (default) or x86-64-v1; with -FEATURE after commas, less.")
    private @Nullable String cpuModel;

    @Option(
            names = "--disk",
            paramLabel = "FILE[,format=raw][,readonly][,bus=virtio]",
            description = "A disk; may be given several times. A comma in the name is written ',,'.")
    private List<String> disks = new ArrayList<>();

    @Option(
            names = "--serial",
            paramLabel = "WHERE",
            description = "The first serial port: stdio (default), null or file:PATH.")
    private @Nullable String serial;

    @Option(
            names = "--debugcon",
            paramLabel = "WHERE",
            description = "The debug console at port 0xe9: stdio, null (default) or file:PATH.")
    private @Nullable String debugcon;

    @Option(
            names = "--debug-exit",
            paramLabel = "PORT",
            description = "An I/O port, such as 0x501, that ends the machine when the guest writes to it.")
    private @Nullable String debugExit;

    @Option(names = "--timeout", paramLabel = "SECONDS", description = "Ends the machine after this time, status 124.")
    private @Nullable String timeout;

    @Option(names = "--no-reboot", description = "A reboot by the guest ends the machine.")
    private boolean noReboot;

    @Option(
            names = "--gdb",
            paramLabel = "PORT",
            description = "Waits for gdb on this TCP port of localhost: target remote :PORT.")
    private @Nullable String gdb;

    @Option(
            names = "--stats",
            description = "At the end: instructions, MIPS, exits by cause, TLB misses, on standard error.")
    private boolean stats;

    @Option(
            names = "--trace",
            paramLabel = "RANGE",
            description =
                    "Traces instructions to standard error: FROM-TO, hexadecimal addresses, or FIRST,COUNT, as counted"
                            + " from the start.")
    private @Nullable String trace;

    // ---- for tests and bug reports ----

    @Option(names = "--deterministic", arity = "0..1", fallbackValue = "1", paramLabel = "SEED", hidden = true)
    private @Nullable String deterministic;

    @Option(names = "--record", paramLabel = "FILE", hidden = true)
    private @Nullable String record;

    @Option(names = "--replay", paramLabel = "FILE", hidden = true)
    private @Nullable String replay;

    @Option(names = "--save-at", paramLabel = "INSTRUCTIONS", hidden = true)
    private @Nullable String saveAt;

    @Option(names = "--snapshot", paramLabel = "FILE", hidden = true)
    private @Nullable String snapshot;

    @Option(names = "--load", paramLabel = "FILE", hidden = true)
    private @Nullable String load;

    @Option(names = "--hash-every", paramLabel = "INSTRUCTIONS", hidden = true)
    private @Nullable String hashEvery;

    @Option(names = "--vmm", paramLabel = "KEY=VALUE", hidden = true)
    private List<String> vmm = new ArrayList<>();

    @Override
    public Integer call() throws CliException, InterruptedException {
        VmmProcess process = new VmmProcess();
        options(process);
        kernel(process);
        return process.run();
    }

    /** All but the kernel: refused before an image is made for nothing. */
    private void options(VmmProcess p) throws CliException {
        if (image == null && kernel == null && load == null) {
            throw CliException.usage("give an image (try: serai run tiny) or --kernel FILE");
        }
        if (image != null && kernel != null) {
            throw CliException.usage("an image has a kernel of its own: give '" + image + "' or --kernel, not both");
        }
        if (kernel == null && initrd != null) {
            throw CliException.usage("--initrd goes with --kernel; an image has its own");
        }
        p.add("memory", Long.toString(Values.memory(memory)));
        p.add("cpus", Integer.toString(Values.cpus(cpus)));
        p.add("engine", Values.oneOf("--engine", engine, List.of("auto", "java", "kvm")));
        p.addIfGiven("cpu-model", cpuModel);
        for (String d : disks) {
            p.add("disk", Values.disk(d).vmmValue());
        }
        p.addIfGiven("serial", serial == null ? null : Values.output("--serial", serial));
        p.addIfGiven("debugcon", debugcon == null ? null : Values.output("--debugcon", debugcon));
        p.addIfGiven(
                "debug-exit",
                debugExit == null ? null : Integer.toString(Values.number("--debug-exit", debugExit, 0, 0xffff)));
        p.addIfGiven("timeout", timeout == null ? null : Values.seconds("--timeout", timeout));
        if (noReboot) {
            p.add("no-reboot", "true");
        }
        p.addIfGiven("gdb", gdb == null ? null : Integer.toString(Values.number("--gdb", gdb, 1, 0xffff)));
        if (stats) {
            p.add("stats", "true");
        }
        p.addIfGiven("trace", trace);
        p.addIfGiven("deterministic", deterministic);
        p.addIfGiven("record", record);
        p.addIfGiven("replay", replay);
        p.addIfGiven("save-at", saveAt);
        p.addIfGiven("snapshot", snapshot);
        p.addIfGiven("load", load);
        p.addIfGiven("hash-every", hashEvery);
        for (String v : vmm) {
            int eq = v.indexOf('=');
            if (eq <= 0) {
                throw CliException.usage("--vmm wants KEY=VALUE, not '" + v + "'");
            }
            p.add(v.substring(0, eq), v.substring(eq + 1));
        }
    }

    private void kernel(VmmProcess p) throws CliException, InterruptedException {
        String line = append == null ? "" : append;
        if (image == null) {
            p.addIfGiven("kernel", kernel == null ? null : kernel.toString());
            p.addIfGiven("initrd", initrd == null ? null : initrd.toString());
        } else {
            try {
                Image i = Images.forUser(Progress.onStandardError()).get(image);
                p.add("kernel", i.kernel().toString());
                p.add("initrd", i.initrd().toString());
                line = (i.append() + " " + line).strip();
            } catch (ImageException e) {
                throw new CliException(Status.INPUT, String.valueOf(e.getMessage()), e);
            }
        }
        if (!line.isEmpty()) {
            p.add("append", line);
        }
    }
}
