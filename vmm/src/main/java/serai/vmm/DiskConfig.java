package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;

/**
 * A disk.
 *
 * @param file an image or a block device; see {@link DiskLayers#remote}
 * @param readOnly whether the guest may only read
 * @param bus what the guest finds it on
 * @param id its name and its device's on the control socket, or null
 * @param slot one of those for hot-plug, or -1 for the next of those that stay
 * @param layers what it is made of
 */
public record DiskConfig(
        Path file, boolean readOnly, Bus bus, @Nullable String id, int slot, DiskLayers layers) {
    /** One of which no more is said. */
    DiskConfig(Path file, boolean readOnly, Bus bus, @Nullable String id, int slot) {
        this(file, readOnly, bus, id, slot, DiskLayers.DEFAULT);
    }

    /** How a disk is attached. */
    public enum Bus {
        /** A virtio block device. */
        VIRTIO,
        /** An NVMe controller with one namespace. */
        NVME,
        /** A disk on the SATA adapter. */
        SATA
    }

    /** All disks, and the secrets that they name. */
    static final class Group implements WordGroup {
        private final List<DiskConfig> disks = new ArrayList<>();
        private final Map<String, Path> secrets = new LinkedHashMap<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "disk" -> disks.add(parse(v));
                case "secret" -> {
                    // the file's name comes last, and may have commas
                    Matcher m = Pattern.compile("id=([^,]*),file=(.*)").matcher(v);
                    if (!m.matches()) {
                        throw Words.usage("secret must be id=NAME,file=PATH, not '" + v + "'");
                    }
                    if (secrets.putIfAbsent(m.group(1), Words.path("file of a secret", m.group(2))) != null) {
                        throw Words.usage("there is a secret '" + m.group(1) + "' already");
                    }
                }
                default -> {
                    return false;
                }
            }
            return true;
        }

        /** Where the secrets are, by name. */
        Map<String, Path> secrets() {
            return Collections.unmodifiableMap(secrets);
        }

        List<DiskConfig> finish() {
            return List.copyOf(disks);
        }
    }

    private static DiskConfig parse(String v) throws VmmException {
        // the settings begin with readonly=, which any name before them may have, too; without it they are what at the
        // end looks like some
        int at = v.lastIndexOf(",readonly=");
        boolean strict = at >= 0;
        String file = strict ? v.substring(0, at) : v;
        Settings settings = new Settings();
        if (strict) {
            for (String s : v.substring(at + 1).split(",", -1)) {
                if (!settings.take(s)) {
                    throw Words.usage("a disk has no setting '" + s + "'");
                }
            }
        } else {
            for (int c = file.lastIndexOf(','); c >= 0 && settings.take(file.substring(c + 1)); ) {
                file = file.substring(0, c);
                c = file.lastIndexOf(',');
            }
        }
        return settings.finish(file);
    }

    /** The settings of one disk. */
    private static final class Settings {
        private boolean readOnly;
        private Bus bus = Bus.VIRTIO;
        private @Nullable String id;
        private int slot = -1;
        private final DiskLayers.Settings layers = new DiskLayers.Settings();

        /** Takes one, or leaves it if it is none. */
        boolean take(String setting) throws VmmException {
            int equals = setting.indexOf('=');
            if (equals < 0) {
                return false;
            }
            String value = setting.substring(equals + 1);
            switch (setting.substring(0, equals)) {
                case "readonly" -> readOnly = Words.bool("readonly of a disk", value);
                case "bus" -> bus = bus(value);
                case "id" -> id = value;
                case "addr" ->
                    slot = (int)
                            Words.number("addr of a disk", value, Layout.FIRST_HOTPLUG_SLOT, Layout.LAST_HOTPLUG_SLOT);
                default -> {
                    return layers.take(setting.substring(0, equals), value);
                }
            }
            return true;
        }

        DiskConfig finish(String file) throws VmmException {
            return new DiskConfig(Words.path("disk", file), readOnly, bus, id, slot, layers.finish(file));
        }
    }

    private static Bus bus(String v) throws VmmException {
        return switch (Words.oneOf("bus of a disk", v, "virtio", "nvme", "sata")) {
            case "nvme" -> Bus.NVME;
            case "sata" -> Bus.SATA;
            default -> Bus.VIRTIO;
        };
    }
}
