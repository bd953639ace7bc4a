package serai.image;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.tukaani.xz.XZInputStream;

/** The kernel's modules that a guest needs, and the order to load them in. */
final class KernelModules {
    /** What is wanted, by module name; one that is not there is built into this kernel. */
    static final List<String> VIRTIO =
            List.of("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "virtio_mem", "button", "evdev");

    /** SATA disks and CDs, which Debian 12's cloud kernel has no driver for. */
    static final List<String> SATA = List.of("ahci", "sd_mod", "sr_mod", "isofs");

    /** Virtio devices that few machines have, by their number in sysfs, and the modules that are loaded only for them. */
    static final Map<String, List<String>> RARE = new TreeMap<>(Map.of(
            "0x0001", List.of("virtio_net"),
            "0x0005", List.of("virtio_balloon"),
            "0x0009", List.of("9pnet_virtio", "9p"),
            "0x0013", List.of("vmw_vsock_virtio_transport")));

    /** The same for others on PCI, by vendor and device. */
    static final Map<String, List<String>> RARE_PCI = Map.of("0x8086:0x100e", List.of("e1000"));

    /** They and what they depend on, in one kernel or another. */
    private static final String OTHERS =
            "(rng-core|button|evdev|failover|net_failover|e1000|9p|9pnet[a-z_]*|netfs|fscache|vsock|vmw_vsock_virtio[a-z_]*"
                    + "|ahci|libahci|libata|scsi_mod|scsi_common|sd_mod|sr_mod|cdrom|isofs|t10-pi|crc[0-9a-z_-]*)\\.ko.*";

    private static final int MAX_MODULE = 16 << 20;
    private static final byte[] DEPENDS = "\0depends=".getBytes(StandardCharsets.US_ASCII);

    private final Map<String, byte[]> modules = new TreeMap<>();

    /** Whether a file of the kernel package may be needed: all virtio modules are, as one may depend on another. */
    static boolean interesting(String path) {
        String file = path.substring(path.lastIndexOf('/') + 1);
        return path.contains("lib/modules/")
                && (file.startsWith("virtio") || file.matches(OTHERS))
                && (file.endsWith(".ko") || file.endsWith(".ko.xz"));
    }

    /** Takes one in; Debian 13 packs them. */
    void add(String path, byte[] content) throws IOException {
        String file = path.substring(path.lastIndexOf('/') + 1);
        String name = file.substring(0, file.indexOf(".ko")).replace('-', '_');
        byte[] elf = content;
        if (file.endsWith(".xz")) {
            elf = new XZInputStream(new ByteArrayInputStream(content), 64 << 10).readNBytes(MAX_MODULE);
        }
        modules.put(name, elf);
    }

    byte[] content(String name) {
        byte[] b = modules.get(name);
        if (b == null) {
            throw new IllegalArgumentException("no module " + name);
        }
        return b;
    }

    /** Those wanted and what they depend on, each after what it depends on. */
    List<String> order(List<String> wanted) {
        Set<String> order = new LinkedHashSet<>();
        for (String name : wanted) {
            visit(name, order, new LinkedHashSet<>());
        }
        return new ArrayList<>(order);
    }

    private void visit(String name, Set<String> order, Set<String> open) {
        byte[] elf = modules.get(name);
        if (elf == null || order.contains(name) || !open.add(name)) {
            return;
        }
        for (String d : depends(elf)) {
            visit(d, order, open);
        }
        order.add(name);
    }

    /** The "depends" entry of the section .modinfo: names with commas between. depmod, which would tell, runs on install. */
    private static List<String> depends(byte[] elf) {
        for (int at = 0; at + DEPENDS.length < elf.length; at++) {
            if (java.util.Arrays.equals(elf, at, at + DEPENDS.length, DEPENDS, 0, DEPENDS.length)) {
                int from = at + DEPENDS.length;
                int to = from;
                while (to < elf.length && elf[to] != 0 && to - from < 1024) {
                    to++;
                }
                String names = new String(elf, from, to - from, StandardCharsets.US_ASCII);
                return names.isEmpty()
                        ? List.of()
                        : List.of(names.replace('-', '_').split(","));
            }
        }
        return List.of();
    }
}
