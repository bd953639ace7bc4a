package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Programs that are compared together, and the guests that they are in. */
enum Suite {
    /** Our own, without a C library, in an initramfs. */
    PROGRAMS("bench/programs.d", "table", "bench/programs.svg", "tiny", "qemu64", 60, 3),
    /**
     * What Debian has packaged, on the disk of the image debian with more packages. Such programs look which CPU they have, so
     * QEMU's is the nearest that TCG can be to Serai's.
     */
    DEBIAN(
            "bench/programs.d/debian",
            "debian table",
            "bench/programs-debian.svg",
            "debian",
            "Nehalem,+aes,+pclmulqdq,+movbe,+bmi1,+bmi2,+adx,+rdrand",
            300,
            1);

    /** The kernel's mitigations are off: which it chooses depends on the CPU's model, and the models differ. */
    private static final String APPEND = "console=ttyS0 quiet loglevel=0 mitigations=off";

    private final String sources;
    private final String table;
    private final String picture;
    private final String image;
    private final String qemuModel;
    private final int limit;
    private final int hotRuns;

    /**
     * @param sources the programs' directory in the repository
     * @param table the arguments of {@code bench/programs} that write the README's
     * @param picture its file in the repository
     * @param image whose kernel the guests run
     * @param limit of a program's run, in seconds
     * @param hotRuns how often a program runs after its first run in a guest
     */
    Suite(String sources, String table, String picture, String image, String qemuModel, int limit, int hotRuns) {
        this.sources = sources;
        this.table = table;
        this.picture = picture;
        this.image = image;
        this.qemuModel = qemuModel;
        this.limit = limit;
        this.hotRuns = hotRuns;
    }

    List<Program> programs(Path root) throws IOException {
        return Program.all(root.resolve(sources));
    }

    Path picture(Path root) {
        return root.resolve(picture);
    }

    /** QEMU's CPU model. */
    String qemuModel() {
        return qemuModel;
    }

    int limit() {
        return limit;
    }

    int hotRuns() {
        return hotRuns;
    }

    /** The line before the table in README.md. */
    String begin() {
        return "<!-- bench/programs %s: begin -->%n".formatted(table);
    }

    /** The line after it. */
    String end() {
        return "<!-- bench/programs %s: end -->%n".formatted(table);
    }

    /**
     * What starts the driver in each place.
     *
     * @param root the repository
     * @param built what {@code bench/programs} has made for this suite
     */
    Map<Place, List<String>> commands(Path root, Path built) throws IOException {
        Path directory = Host.cached(image);
        String kernel = directory.resolve("vmlinuz").toString();
        String disk = built.resolve("disk.raw").toString();
        String initrd;
        String append;
        List<String> here;
        List<String> qemuDisk;
        List<String> seraiDisk;
        if (this == PROGRAMS) {
            initrd = built.resolve("initrd.cpio").toString();
            append = APPEND + " -- /programs";
            here = List.of(
                    built.resolve("init").toString(), built.resolve("programs").toString());
            qemuDisk = List.of();
            seraiDisk = List.of();
        } else {
            initrd = directory.resolve("initrd.cpio").toString();
            append = APPEND + " root=/dev/vda ro init=/programs/.init -- /programs";
            String tree = built.resolve("tree").toString();
            here = new ArrayList<>(
                    System.getProperty("user.name", "").equals("root")
                            ? List.of("chroot", tree)
                            : List.of("unshare", "--map-root-user", "--root=" + tree));
            here.addAll(List.of("/programs/.init", "/programs"));
            qemuDisk = List.of("-drive", "file=%s,format=raw,if=virtio,readonly=on".formatted(disk));
            seraiDisk = List.of("--disk", disk + ",readonly");
        }
        List<String> qemu = new ArrayList<>(List.of("qemu-system-x86_64", "-accel", "tcg", "-cpu", qemuModel));
        qemu.addAll(List.of("-m", "512", "-no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio"));
        qemu.addAll(qemuDisk);
        qemu.addAll(List.of("-kernel", kernel, "-initrd", initrd, "-append", append));
        List<String> serai = new ArrayList<>(List.of(root.resolve("serai").toString(), "run", "--engine", "java"));
        serai.addAll(List.of("--memory", "512M", "--no-reboot"));
        serai.addAll(seraiDisk);
        serai.addAll(List.of("--kernel", kernel, "--initrd", initrd, "--append", append));
        return new EnumMap<>(Map.of(Place.NATIVE, here, Place.TCG, qemu, Place.SERAI, serai));
    }
}
