package serai.image;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.jspecify.annotations.Nullable;
import org.tukaani.xz.XZInputStream;

/**
 * {@code debian}: a minimal Debian with systemd on a disk, of the host's own suite or of another one.
 *
 * <p>mmdebstrap makes the tree and runs {@code debian-customize.sh} on it, which also leaves in {@code /.serai} what does not
 * go onto the disk: the kernel, a busybox and the modules that the root file system needs. Of these we make an initramfs with
 * {@code debian-init.sh}: two megabytes that are through in a second, where the distribution's own has thirty to unpack
 * and runs udev twice. The rest becomes ext4 by {@code mke2fs -d}. Nothing is mounted, so root isn't needed; fakeroot then
 * keeps the owners of files.
 */
final class DebianImage implements Recipe {
    static final String NAME = "debian";
    static final String APPEND = "console=ttyS0 root=/dev/vda ro " + TinyImage.PLUGGED_MEMORY;
    static final String KERNEL = "vmlinuz";
    static final String INITRD = "initrd.cpio";
    static final String DISK = "disk.raw";

    /** What it takes to be a suite; whether there is one the archive tells. */
    static final Pattern SUITE = Pattern.compile("[a-z][a-z0-9.-]{0,40}");

    static final long DISK_SIZE = 4L << 30;

    private static final int REVISION = 2;
    /**
     * dbus, because logind (which hears the power button) wants it. No libpam-systemd: it would start a systemd for each user
     * who logs in.
     */
    private static final String PACKAGES = "dbus,e2fsprogs,iproute2,kmod,less,nano,netbase,procps,systemd-sysv,udev";
    /**
     * What a host wants to find in its guests: whom it asks for the guest's state, what takes its settings at the first boot, and who lets its users in.
     * Those that a suite has not are left out: apt's patterns need not match.
     */
    private static final List<String> GUEST_TOOLS = List.of(
            "cloud-init", "incus-agent", "iputils-ping", "openssh-server", "qemu-guest-agent", "systemd-resolved");
    /**
     * Named one by one, not left to the host's mke2fs.conf: the guest may be older than the host, and its e2fsck has to know
     * them all.
     */
    private static final String FEATURES =
            "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,"
                    + "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

    private static final Map<String, String> TOOLS = Map.of(
            "mmdebstrap", "mmdebstrap",
            "mke2fs", "e2fsprogs",
            "xz", "xz-utils",
            "tar", "tar");
    /** For who isn't root. */
    private static final Map<String, String> FAKE_TOOLS = Map.of("fakeroot", "fakeroot", "newuidmap", "uidmap");

    /**
     * As root mmdebstrap mounts /proc, /sys and parts of /dev into its tree, on the host. In a namespace of its own they vanish
     * with it even if it is killed. Where there can be none (in a container without the right to mount) there are no mounts
     * either.
     */
    private static final String PRIVATE_MOUNTS = """
            if unshare --mount --propagation private true 2>/dev/null; then
                exec unshare --mount --propagation private "$@"
            fi
            exec "$@"
            """;

    private static final Pattern ACQUIRE =
            Pattern.compile("Acquire::(https?|ftp|Check-|Retries|ForceIP).* \"[^\"]+\";");
    private static final Map<String, String> NOTHING = Map.of();
    private static final String PARTS = ".serai/";

    private final Host host;
    private final String name;
    private final @Nullable String suite;

    /** Of {@code suite}, or of the host's own if that is null. */
    DebianImage(Host host, String name, @Nullable String suite) {
        this.host = host;
        this.name = name;
        this.suite = suite;
    }

    @Override
    public String directory() {
        return name.replace(':', '-');
    }

    @Override
    public int revision() {
        return REVISION;
    }

    @Override
    public Image image(Path dir) {
        return new Image(name, dir.resolve(KERNEL), dir.resolve(INITRD), APPEND, dir.resolve(DISK));
    }

    @Override
    public void build(Path dir, Path work, Progress progress) throws ImageException, IOException, InterruptedException {
        Map<String, String> tools = new TreeMap<>(TOOLS);
        if (!host.isRoot()) {
            tools.putAll(FAKE_TOOLS);
        }
        HostTools.need(host, name, tools, work, progress);
        DebianSources sources = DebianSources.of(host, work, progress);
        String wanted = suite == null ? sources.suite() : suite;
        Path tar = bootstrap(sources, wanted, work, progress);
        progress.startPercent("making the disk");
        initramfs(tar, dir);
        progress.at(20);
        disk(tar, dir.resolve(DISK), work, progress);
        progress.done();
    }

    private Path bootstrap(DebianSources sources, String wanted, Path work, Progress progress)
            throws ImageException, IOException, InterruptedException {
        Path list = work.resolve("debian.list");
        Files.writeString(list, sources.list(wanted));
        Path tar = work.resolve("debian.tar");
        List<String> command = new ArrayList<>();
        if (host.isRoot()) {
            command.addAll(List.of("sh", "-c", PRIVATE_MOUNTS, "sh"));
        }
        command.addAll(List.of(
                "mmdebstrap",
                "--verbose",
                "--architectures=amd64",
                "--variant=minbase",
                "--include=" + PACKAGES,
                "--customize-hook=" + resource("debian-customize.sh")));
        GUEST_TOOLS.forEach(p -> command.add("--include=?exact-name(" + p + ")"));
        // how this host reaches its archives: proxies and the like
        host.run(
                work,
                NOTHING,
                List.of("apt-config", "dump", "--no-empty", "--format", "%F \"%v\";%n", "Acquire"),
                line -> {
                    if (ACQUIRE.matcher(line).matches()) {
                        command.add("--aptopt=" + line);
                    }
                });
        command.addAll(List.of(wanted, tar.toString(), list.toString()));
        Map<String, String> environment = NOTHING;
        if (host.isRoot()) {
            // so that it fills the same disk as we, and who comes after a killed one finds what to delete. Not as a
            // user:
            // the namespace's root can't reach into a home
            environment = Map.of(
                    "TMPDIR", Files.createDirectories(work.resolve("tmp")).toString());
        }
        progress.startPercent("installing Debian " + wanted);
        run(
                work,
                environment,
                command,
                new BootstrapProgress(progress),
                "Debian " + wanted + " could not be installed");
        progress.done();
        return tar;
    }

    /** Takes the kernel out of the tree and makes the initramfs of the rest in {@code /.serai}. */
    private void initramfs(Path tar, Path dir) throws ImageException, IOException {
        Cpio cpio = new Cpio();
        boolean[] found = new boolean[2];
        try (InputStream file = new BufferedInputStream(Files.newInputStream(tar), 1 << 16);
                TarArchiveInputStream in = new TarArchiveInputStream(file)) {
            for (TarArchiveEntry e; (e = in.getNextEntry()) != null; ) {
                String path = e.getName().replaceFirst("^\\.?/+", "");
                if (!e.isFile() || !path.startsWith(PARTS)) {
                    continue;
                }
                String part = path.substring(PARTS.length());
                if (part.equals("vmlinuz")) {
                    found[0] = true;
                    Durable.write(dir.resolve(KERNEL), in::transferTo);
                } else if (part.equals("busybox")) {
                    found[1] = true;
                    busybox(cpio, DebFile.bytes(in));
                } else if (part.startsWith("modules/")) {
                    module(cpio, part.substring("modules/".length()), in);
                }
            }
        }
        if (!found[0] || !found[1]) {
            throw new ImageException("the packages of image " + name + " have no " + (found[0] ? "busybox" : "kernel"));
        }
        for (String d : List.of("bin", "dev", "lib", "mnt", "proc", "sys")) {
            cpio.directory(d, 0755);
        }
        cpio.characterDevice("dev/console", 0600, 5, 1);
        cpio.file("init", 0755, resource("debian-init.sh").getBytes(StandardCharsets.US_ASCII));
        Durable.write(dir.resolve(INITRD), cpio::write);
    }

    private static void busybox(Cpio cpio, byte[] binary) {
        cpio.file("bin/busybox", 0755, binary);
        for (String applet : Busybox.applets(binary)) {
            if (!applet.equals("busybox")) {
                cpio.symlink("bin/" + applet, "busybox");
            }
        }
    }

    private static void module(Cpio cpio, String file, InputStream in) throws IOException {
        // insmod takes them plain; Debian 13 packs them
        String plain = file.replaceFirst("\\.xz$", "");
        InputStream content = plain.equals(file) ? in : new XZInputStream(in, 64 << 10);
        cpio.file("lib/" + plain, 0644, DebFile.bytes(content));
    }

    private void disk(Path tar, Path disk, Path work, Progress progress)
            throws ImageException, IOException, InterruptedException {
        try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "rw")) {
            f.setLength(DISK_SIZE);
        }
        Path tree = Files.createDirectories(work.resolve("tree"));
        List<String> command = new ArrayList<>();
        if (!host.isRoot()) {
            command.add("fakeroot"); // one for both, as it forgets owners at its end
        }
        // /dev is the kernel's, and a container's root may make no nodes. lazy_itable_init=0 costs nothing on a sparse
        // file, and spares the guest zeroing the inode tables at its first boot
        command.addAll(List.of("sh", "-c", """
                set -e
                tar -x -p --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' --exclude='./.serai*' -f "$1" -C "$2"
                rm "$1"
                echo 'serai: unpacked'
                mke2fs -q -F -t ext4 -O "$4" -b 4096 -I 256 -m 1 -L debian -E lazy_itable_init=0,root_owner=0:0 -d "$2" "$3"
                """, "sh", tar.toString(), tree.toString(), disk.toString(), FEATURES));
        Consumer<String> at = l -> {
            if (l.equals("serai: unpacked")) {
                progress.at(45);
            }
        };
        run(work, NOTHING, command, at, "the disk of image " + name + " could not be made");
        progress.at(85);
        try (FileChannel f = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            f.force(true);
        }
    }

    private void run(
            Path work, Map<String, String> environment, List<String> command, Consumer<String> output, String failure)
            throws ImageException, IOException, InterruptedException {
        Transcript log = new Transcript();
        int status = host.run(work, environment, command, log.andThen(output));
        if (status != 0 && log.diskFull()) {
            throw new IOException("No space left on device");
        }
        if (status != 0) {
            throw new ImageException(failure + ": " + log.error());
        }
    }

    private static String resource(String file) throws IOException {
        try (InputStream in = DebianImage.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IOException("this build of Serai lacks " + file);
            }
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        }
    }
}
