package serai.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Machines;
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
            "  serai run debian",
            "  serai run debian:trixie --temporary",
            "  serai run tiny --memory 1G --disk data.raw",
            "  serai run debian --net user,hostfwd=tcp:127.0.0.1:2222-:22",
            "  serai run generic --cdrom debian-netinst.iso",
            "  serai run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 root=/dev/vda1'",
            "  serai run --kernel vmlinuz --append 'console=ttyS0 root=/dev/nvme0n1' --disk root.ext4,bus=nvme"
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
            description = {
                "The image to run, made on first use from the package sources of this machine:",
                "tiny: Debian's cloud kernel with busybox, in memory.",
                "generic: the same with Debian's kernel for all machines.",
                "debian: a minimal Debian with systemd. Its disk (4 GiB, takes what is used) is kept: what the guest writes"
                        + " is there at the next run. Log in as root on the serial console, without a password.",
                "Each is of the same release as this machine's sources, or of another as IMAGE:SUITE (debian:trixie)."
            })
    private @Nullable String image;

    @Option(
            names = "--reset",
            description = "With debian: first throws away what is kept, and starts from the image again.")
    private boolean reset;

    @Option(
            names = "--temporary",
            description = "With debian: starts from the image, and keeps nothing; what is kept stays as it is.")
    private boolean temporary;

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
            paramLabel = "SIZE[,max=SIZE[,node=N]]",
            defaultValue = "512M",
            description = {
                "RAM, with K, M or G (default: ${DEFAULT-VALUE}).",
                "With max= it can grow to that while the machine runs, and shrink again: 'serai qmp PATH qom-set"
                        + " path=virtiomem0 property=requested-size value=1G' says how much more the guest is to have."
                        + " It is in NUMA node N, or 0."
            })
    private String memory = "512M";

    @Option(
            names = "--balloon",
            paramLabel = "true|SIZE",
            description = {
                "The machine has a memory balloon: what the guest does not use goes back to the host, and 'serai qmp PATH balloon"
                        + " value=256M' says how much it is to be left with.",
                "With SIZE, that at the start already."
            })
    private @Nullable String balloon;

    @Option(
            names = "--vsock",
            paramLabel = "PATH[,cid=N]",
            description = {
                "The machine has a socket device, the guest's address N (3 if not said). A program of this machine that wants a port of the"
                        + " guest connects to the Unix socket PATH, writes 'CONNECT port' and a line feed, and reads 'OK port' and a line"
                        + " feed; what the guest connects to at address 2, port P, is the Unix socket PATH_P."
            })
    private @Nullable String vsock;

    @Option(
            names = "--share",
            paramLabel = "TAG,DIR[,readonly]",
            description = {
                "The guest has the directory DIR of this machine: 'mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt'; may be"
                        + " given three times. What it makes there belongs to you; with readonly it can change nothing.",
                "A Debian guest has the driver with image generic or debian, not in the cloud kernel."
            })
    private List<String> shares = new ArrayList<>();

    @Option(
            names = "--cpus",
            paramLabel = "N[,max=M]",
            defaultValue = "1",
            description = {
                "Number of virtual CPUs, 1 to 16 (default: ${DEFAULT-VALUE}).",
                "With max=M, up to M can be plugged into the running machine, by device_add on the control socket (--qmp)."
            })
    private String cpus = "1";

    @Option(
            names = "--numa",
            paramLabel = "cpus=N[-N],memory=SIZE",
            description =
                    "A NUMA node: its CPUs (cpus= may be repeated) and its share of the memory; given once for each node.")
    private List<String> numa = new ArrayList<>();

    @Option(
            names = "--numa-distance",
            paramLabel = "NODE,NODE,N",
            description = "How far two nodes are apart, 11 to 254 (20 if not said; 10 is within a node).")
    private List<String> numaDistances = new ArrayList<>();

    @Option(
            names = "--hpet",
            description = "The machine has high precision event timers (HPET), for guests that want them.")
    private boolean hpet;

    @Option(
            names = "--engine",
            paramLabel = "NAME[,translate=WHEN]",
            defaultValue = "auto",
            description = {
                "auto, java or kvm (default: ${DEFAULT-VALUE}, the faster one as measured at start).",
                "Engine java translates 64- and 32-bit code to machine code where this machine can, and interprets the rest (auto);"
                        + " with translate=off it interprets all, with translate=on it does not start where it can't translate."
            })
    private String engine = "auto";

    @Option(
            names = "--cpu-model",
            paramLabel = "NAME",
            description =
                    "Which CPU the guest sees: x86-64-v1, x86-64-v2 (default) or x86-64-v3; with -FEATURE after commas, less.")
    private @Nullable String cpuModel;

    @Option(
            names = "--disk",
            paramLabel = "FILE[,SETTING]...",
            description = {
                "A disk, or what an NBD server has (nbd://HOST/EXPORT, nbd+unix:///EXPORT?socket=PATH); may be given several times. A comma in"
                        + " the name is written ',,'. Settings:",
                "format=NAME: raw, qcow2, luks, vmdk, vpc or vhdx; else the name's suffix says it, or it is raw.",
                "readonly; bus=BUS: virtio (default), nvme or sata; id=NAME.",
                "addr=16 to 23: it is in a slot for hot-plug, and can be taken out of the running machine.",
                "encrypt.key-secret=NAME: the passphrase, one of --secret.",
                "iops=N, bps=N: what it may do in a second, also -rd and -wr for reads and writes; with -max what it may do in a burst,"
                        + " with -max-length for how many seconds. iops-size=BYTES counts longer requests as several;"
                        + " iops-normalized=N counts each as the 8 KiB in it. group=NAME: the limits of all disks in the group"
                        + " together. QEMU's names (throttling.iops-total) are taken, too.",
                "werror=WHAT, rerror=WHAT: if a write or read fails: report (the guest gets the error), ignore, stop (the machine stands"
                        + " until 'serai qmp PATH cont', then it is done again), pause (it is tried again until it succeeds), and for"
                        + " writes enospc (stop if there is no space, else report). Writes: enospc, reads: report.",
                "stall=WHAT, stall-timeout=SECONDS: if a request has not come back after 20 seconds: pause (default; the machine stands"
                        + " until it has), stop or report."
            })
    private List<String> disks = new ArrayList<>();

    @Option(
            names = "--cdrom",
            paramLabel = "FILE[,id=NAME]",
            description = {
                "A CD-ROM drive on SATA with this ISO image in it; may be given up to four times.",
                "The medium is changed by blockdev-change-medium on the control socket (--qmp)."
            })
    private List<String> cdroms = new ArrayList<>();

    @Option(
            names = "--secret",
            paramLabel = "id=NAME,file=PATH",
            description = "A passphrase for disks: all that is in the file, a line end included.")
    private List<String> secrets = new ArrayList<>();

    @Mixin
    private NetOptions nets = new NetOptions();

    @Mixin
    private SeedOptions seed = new SeedOptions();

    @Option(
            names = "--serial",
            paramLabel = "WHERE",
            description = "The first serial port: stdio (default), null or file:PATH.")
    private @Nullable String serial;

    @Option(
            names = "--console",
            paramLabel = "WHERE",
            description =
                    "The virtio console's terminal, hvc0: stdio (the serial port then goes to null), null (default),"
                            + " file:PATH or unix:PATH, a socket that is made for one client at a time.")
    private @Nullable String console;

    @Option(
            names = "--port",
            paramLabel = "NAME,WHERE",
            description = "A port of the virtio console with this name, for programs in the guest: null, file:PATH or"
                    + " unix:PATH; may be given several times.")
    private List<String> ports = new ArrayList<>();

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
            description = {
                "Waits for gdb on this TCP port of localhost: target remote :PORT. With --deterministic it can go back.",
                "Pages of code with a breakpoint in them are interpreted, others run as fast as without gdb."
            })
    private @Nullable String gdb;

    @Option(
            names = "--qmp",
            paramLabel = "PATH",
            description = "Makes a control socket that speaks QMP, as QEMU's; 'serai qmp' sends it commands, such as"
                    + " system_powerdown, or system_wakeup for a guest that is suspended to RAM.")
    private @Nullable String qmp;

    @Option(
            names = "--stats",
            description = "At the end: instructions, MIPS, exits by cause, TLB misses, on standard error.")
    private boolean stats;

    @Option(
            names = "--profile",
            paramLabel = "FILE",
            description = {
                "At the end writes to FILE where the guest's time went, by symbol: samples at the host's clock ticks of the time"
                        + " that the vCPUs have the host's processors. Engine java on x86-64 hosts.",
                "A sample in translated code counts for an instruction before it, in the same function as a rule; time that the"
                        + " VMM spends for the guest (told beside it) for where the guest is afterwards."
            })
    private @Nullable String profile;

    @Option(
            names = "--symbols",
            paramLabel = "FILE[,offset=N]",
            description = {
                "With --profile: names, from an ELF file (vmlinux), a System.map or a copy of the guest's /proc/kallsyms.",
                "N is by how much the guest's code lies above those addresses; without, a Linux is asked for its own (KASLR)."
            })
    private @Nullable String symbols;

    @Option(
            names = "--trace",
            paramLabel = "RANGE",
            description = {
                "Traces instructions to standard error: FROM-TO, hexadecimal addresses, or FIRST,COUNT, as counted"
                        + " from the start.",
                "With addresses all is interpreted, an instruction at a time; with a count, all up to the last that is traced,"
                        + " and translated after it."
            })
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
        if (image == null) {
            process.addIfGiven("kernel", kernel == null ? null : kernel.toString());
            process.addIfGiven("initrd", initrd == null ? null : initrd.toString());
            commandLine(process, "");
            return process.run();
        }
        try {
            return runImage(process, image);
        } catch (ImageException e) {
            throw new CliException(Status.INPUT, String.valueOf(e.getMessage()), e);
        }
    }

    private int runImage(VmmProcess process, String name) throws ImageException, CliException, InterruptedException {
        Progress progress = Progress.onStandardError();
        if (!Images.hasDisk(name)) {
            if (reset || temporary) {
                throw CliException.usage(
                        (reset ? "--reset" : "--temporary") + " is for images with a disk; " + name + " keeps nothing");
            }
            return run(process, Images.forUser(progress).get(name));
        }
        if (deterministic == null && load == null) {
            nets.addDefault(process);
        }
        Machines machines = Machines.forUser(progress);
        if (!temporary) {
            return run(process, machines.get(name, reset));
        }
        try (Machines.Temporary t = machines.temporary(name)) {
            // for an end by a signal; the VMM has the disk open and can do without its name
            Thread end = new Thread(t::close);
            Runtime.getRuntime().addShutdownHook(end);
            return run(process, t.image());
        }
    }

    private int run(VmmProcess process, Image i) throws CliException, InterruptedException {
        try (SeedOptions.Seed s = seed.write(i)) {
            s.addTo(process);
            return runWithSeed(process, i);
        }
    }

    private int runWithSeed(VmmProcess process, Image i) throws CliException, InterruptedException {
        process.add("kernel", i.kernel().toString());
        process.add("initrd", i.initrd().toString());
        Path disk = i.disk();
        if (disk != null) {
            process.addFirst("disk", new Values.Disk(disk.toString(), false, "virtio").vmmValue());
        }
        commandLine(process, i.append());
        return process.run();
    }

    private void commandLine(VmmProcess process, String ofImage) {
        String line = (ofImage + " " + (append == null ? "" : append)).strip();
        if (!line.isEmpty()) {
            process.add("append", line);
        }
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
        seed.check(image);
        if (reset && temporary) {
            throw CliException.usage("--reset and --temporary exclude each other");
        }
        if (image == null && (reset || temporary)) {
            throw CliException.usage((reset ? "--reset" : "--temporary") + " goes with an image");
        }
        p.add("memory", Values.memoryWord(memory));
        p.addIfGiven("balloon", balloon);
        p.addIfGiven("vsock", vsock);
        shares.forEach(s -> p.add("share", s));
        p.add("cpus", Values.cpus(cpus));
        numa.forEach(n -> p.add("numa", n));
        numaDistances.forEach(d -> p.add("numa-distance", d));
        if (hpet) {
            p.add("hpet", "true");
        }
        p.add("engine", Values.engine(engine));
        p.addIfGiven("cpu-model", cpuModel);
        for (String d : disks) {
            p.add("disk", Values.disk(d).vmmValue());
        }
        for (int i = 0; i < cdroms.size(); i++) {
            p.add("cdrom", Values.cdrom(cdroms.get(i), i));
        }
        for (String s : secrets) {
            p.add("secret", s);
        }
        nets.addTo(p);
        p.addIfGiven("serial", serial == null ? null : Values.output("--serial", serial));
        p.addIfGiven("console", console == null ? null : Values.port("--console", console, true));
        for (String port : ports) {
            int comma = port.indexOf(',');
            if (comma <= 0) {
                throw CliException.usage("--port wants NAME,WHERE, not '" + port + "'");
            }
            p.add("port", port.substring(0, comma + 1) + Values.port("--port", port.substring(comma + 1), false));
        }
        p.addIfGiven("debugcon", debugcon == null ? null : Values.output("--debugcon", debugcon));
        p.addIfGiven(
                "debug-exit",
                debugExit == null ? null : Integer.toString(Values.number("--debug-exit", debugExit, 0, 0xffff)));
        p.addIfGiven("timeout", timeout == null ? null : Values.seconds("--timeout", timeout));
        if (noReboot) {
            p.add("no-reboot", "true");
        }
        p.addIfGiven("gdb", gdb == null ? null : Integer.toString(Values.number("--gdb", gdb, 1, 0xffff)));
        p.addIfGiven("qmp", qmp);
        if (stats) {
            p.add("stats", "true");
        }
        p.addIfGiven("trace", trace);
        p.addIfGiven("profile", profile);
        p.addIfGiven("symbols", symbols);
        p.addIfGiven("deterministic", deterministic);
        p.addIfGiven("record", record);
        p.addIfGiven("replay", replay);
        p.addIfGiven("save-at", saveAt);
        p.addIfGiven("snapshot", snapshot);
        p.addIfGiven("load", load);
        p.addIfGiven("hash-every", hashEvery);
        p.add("parent", String.valueOf(ProcessHandle.current().pid()));
        for (String v : vmm) {
            int eq = v.indexOf('=');
            if (eq <= 0) {
                throw CliException.usage("--vmm wants KEY=VALUE, not '" + v + "'");
            }
            p.add(v.substring(0, eq), v.substring(eq + 1));
        }
    }
}
