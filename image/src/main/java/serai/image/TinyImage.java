package serai.image;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * {@code tiny}: the stock cloud kernel of Debian and an initramfs with busybox-static. {@code generic}: the same with the kernel
 * for all machines, which has drivers and features that the cloud's leaves out (SATA and 16-bit segments are two).
 *
 * <p>Its {@code /init} first says {@code serai: init} (the benchmark takes the time of that line), then mounts, loads the
 * modules for its devices and starts a shell. The modules are loaded before the shell rather than behind its back: who types
 * {@code ls /dev/vda} at the first prompt finds the disk, and a run repeats. Those for devices that few machines have are loaded where the device is.
 */
final class TinyImage implements Recipe {
    private static final int REVISION = 5, GENERIC_REVISION = 6;

    static final String NAME = "tiny";
    static final String GENERIC = "generic";
    /** Memory that is plugged is used at once, and can be given back: Debian 12 would leave it to its administrator. */
    static final String PLUGGED_MEMORY = "memhp_default_state=online_movable";

    static final String APPEND = "console=ttyS0 " + PLUGGED_MEMORY;
    static final String KERNEL = "vmlinuz";
    static final String INITRD = "initrd.cpio";

    private static final String INIT_HEAD = """
            #!/bin/sh
            echo 'serai: init'
            export PATH=/bin HOME=/root TERM=linux PS1='~ # '
            mount -t proc proc /proc
            mount -t sysfs sysfs /sys
            mount -t devtmpfs devtmpfs /dev
            """;
    /** Names, then addresses for all interfaces: in the background, as whoever gives them may not be there. */
    private static final String INIT_TAIL = """
            ip link set lo up
            for d in /sys/class/net/e*; do
            i=${d##*/}
            if [ -e $d ]; then ip link set $i up; udhcpc -b -S -t 5 -A 10 -i $i -x hostname:tiny >/dev/null 2>&1 & fi
            done
            setsid cttyhack sh
            poweroff -f
            """;

    /** What udhcpc runs when it has got, or lost, an address. */
    private static final String UDHCPC = """
            #!/bin/sh
            case $1 in
            deconfig)
            ip -4 addr flush dev $interface
            ;;
            bound|renew)
            ip addr replace $ip/$mask dev $interface
            [ -z "$mtu" ] || ip link set $interface mtu $mtu
            for r in $router; do ip route replace default via $r dev $interface; done
            [ -z "$domain" ] || echo "search $domain" >/etc/resolv.conf.$interface
            for n in $dns; do echo "nameserver $n"; done >>/etc/resolv.conf.$interface
            mv /etc/resolv.conf.$interface /etc/resolv.conf
            ;;
            esac
            """;

    private final PackageSource packages;
    private final String name;
    private final @Nullable String suite;

    /**
     * @param name {@link #NAME} or {@link #GENERIC}
     * @param suite whose packages; null for what the host's sources have
     */
    TinyImage(PackageSource packages, String name, @Nullable String suite) {
        this.packages = packages;
        this.name = name;
        this.suite = suite;
    }

    @Override
    public String directory() {
        return suite == null ? name : name + "-" + suite;
    }

    @Override
    public int revision() {
        return name.equals(GENERIC) ? GENERIC_REVISION : REVISION;
    }

    @Override
    public Image image(Path dir) {
        return new Image(
                suite == null ? name : name + ":" + suite, dir.resolve(KERNEL), dir.resolve(INITRD), APPEND, null);
    }

    @Override
    public void build(Path dir, Path work, Progress progress) throws ImageException, IOException, InterruptedException {
        String kernel = name.equals(GENERIC) ? "linux-image-amd64" : "linux-image-cloud-amd64";
        List<Path> debs = packages.fetch(suite, List.of(kernel, "busybox-static"), work, progress);
        long kernelSize = Files.size(debs.get(0));
        long busyboxSize = Files.size(debs.get(1));
        progress.start("unpacking packages", kernelSize + busyboxSize);

        boolean[] kernelFound = new boolean[1];
        KernelModules modules = new KernelModules();
        DebFile.read(
                debs.get(0),
                (name, content) -> {
                    if (name.startsWith("boot/vmlinuz")) {
                        kernelFound[0] = true;
                        Durable.write(dir.resolve(KERNEL), content::transferTo);
                    } else if (KernelModules.interesting(name)) {
                        modules.add(name, DebFile.bytes(content));
                    }
                },
                progress::at);
        byte[][] busybox = new byte[1][];
        DebFile.read(
                debs.get(1),
                (name, content) -> {
                    if (name.equals("bin/busybox") || name.equals("usr/bin/busybox")) {
                        busybox[0] = DebFile.bytes(content);
                    }
                },
                n -> progress.at(kernelSize + n));
        if (!kernelFound[0]) {
            throw new ImageException("the package " + debs.get(0).getFileName() + " has no /boot/vmlinuz");
        }
        if (busybox[0] == null) {
            throw new ImageException("the package " + debs.get(1).getFileName() + " has no busybox");
        }
        List<String> wanted = new ArrayList<>(KernelModules.VIRTIO);
        if (name.equals(GENERIC)) {
            wanted.addAll(KernelModules.SATA);
        }
        Durable.write(dir.resolve(INITRD), out -> initramfs(busybox[0], modules, modules.order(wanted), out));
        progress.done();
    }

    /** Writes the initramfs. */
    static void initramfs(byte[] busybox, KernelModules modules, List<String> order, OutputStream out)
            throws IOException {
        Cpio cpio = new Cpio();
        for (String d : List.of("bin", "dev", "etc", "lib", "mnt", "proc", "root", "sys", "usr")) {
            cpio.directory(d, 0755);
        }
        cpio.directory("tmp", 01777);
        cpio.symlink("sbin", "bin");
        cpio.symlink("usr/bin", "../bin");
        cpio.symlink("usr/sbin", "../bin");
        // the kernel opens it before /init can mount /dev
        cpio.characterDevice("dev/console", 0600, 5, 1);
        cpio.characterDevice("dev/null", 0666, 1, 3);
        cpio.file("bin/busybox", 0755, busybox);
        for (String applet : Busybox.applets(busybox)) {
            if (!applet.equals("busybox")) { // it lists itself
                cpio.symlink("bin/" + applet, "busybox");
            }
        }
        cpio.directory("etc/udhcpc", 0755);
        cpio.file("etc/udhcpc/default.script", 0755, UDHCPC.getBytes(StandardCharsets.US_ASCII));
        cpio.file("etc/hosts", 0644, "127.0.0.1 localhost\n::1 localhost\n".getBytes(StandardCharsets.US_ASCII));
        StringBuilder init = new StringBuilder(INIT_HEAD);
        Set<String> there = new HashSet<>();
        load(cpio, modules, order, there, init);
        init.append("for d in /sys/bus/virtio/devices/*/device; do\nread id <$d\n");
        loadRare(cpio, modules, order, there, KernelModules.RARE, init);
        init.append("for d in /sys/bus/pci/devices/*; do\nread v <$d/vendor\nread id <$d/device\nid=$v:$id\n");
        loadRare(cpio, modules, order, there, KernelModules.RARE_PCI, init);
        cpio.file("init", 0755, init.append(INIT_TAIL).toString().getBytes(StandardCharsets.US_ASCII));
        cpio.write(out);
    }

    /** Goes on in a loop that has set {@code id}, and ends it. */
    private static void loadRare(
            Cpio cpio,
            KernelModules modules,
            List<String> order,
            Set<String> there,
            Map<String, List<String>> rare,
            StringBuilder init) {
        init.append("case $id in\n");
        rare.forEach((id, wanted) -> {
            List<String> more = modules.order(wanted);
            more.removeAll(order);
            if (!more.isEmpty()) {
                init.append(id).append(")\n");
                load(cpio, modules, more, there, init);
                init.append(";;\n");
            }
        });
        init.append("esac\ndone\n");
    }

    /** Puts modules into the archive, and lines that load them into the script. */
    private static void load(
            Cpio cpio, KernelModules modules, List<String> order, Set<String> there, StringBuilder init) {
        for (String m : order) {
            if (there.add(m)) {
                cpio.file("lib/" + m + ".ko", 0644, modules.content(m));
            }
            init.append("insmod /lib/").append(m).append(".ko\n");
        }
    }
}
