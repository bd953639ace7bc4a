package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;

/**
 * A disk.
 *
 * @param file a raw image or a block device
 * @param readOnly whether the guest may only read
 * @param bus what the guest finds it on
 * @param id its name and its device's on the control socket, or null
 * @param slot one of those for hot-plug, or -1 for the next of those that stay
 */
public record DiskConfig(
        Path file, boolean readOnly, Bus bus, @Nullable String id, int slot) {
    /** How a disk is attached. */
    public enum Bus {
        /** A virtio block device. */
        VIRTIO,
        /** An NVMe controller with one namespace. */
        NVME
    }

    /** All disks. */
    static final class Group implements WordGroup {
        private final List<DiskConfig> disks = new ArrayList<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("disk")) {
                return false;
            }
            disks.add(parse(v));
            return true;
        }

        List<DiskConfig> finish() {
            return List.copyOf(disks);
        }
    }

    private static DiskConfig parse(String v) throws VmmException {
        // settings from the end: what else has a comma is the file's name
        String file = v;
        boolean readOnly = false;
        Bus bus = Bus.VIRTIO;
        String id = null;
        int slot = -1;
        while (true) {
            int comma = file.lastIndexOf(',');
            String setting = comma < 0 ? "" : file.substring(comma + 1);
            switch (setting) {
                case "readonly=true" -> readOnly = true;
                case "readonly=false" -> readOnly = false;
                case "bus=virtio" -> bus = Bus.VIRTIO;
                case "bus=nvme" -> bus = Bus.NVME;
                default -> {
                    if (setting.startsWith("id=")) {
                        id = setting.substring(3);
                    } else if (setting.startsWith("addr=")) {
                        slot = (int) Words.number(
                                "addr of a disk",
                                setting.substring(5),
                                Layout.FIRST_HOTPLUG_SLOT,
                                Layout.LAST_HOTPLUG_SLOT);
                    } else {
                        return new DiskConfig(Words.path("disk", file), readOnly, bus, id, slot);
                    }
                }
            }
            file = file.substring(0, comma);
        }
    }
}
