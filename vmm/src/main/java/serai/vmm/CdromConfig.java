package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A CD-ROM drive.
 *
 * @param file what lies in it at the start: an ISO image, which is only read
 * @param id its name on the control socket, or null
 */
public record CdromConfig(Path file, @Nullable String id) {
    /** Drives of a VM at most. */
    public static final int MAX = 4;

    private static final String ID = ",id=";

    /** All drives. */
    static final class Group implements WordGroup {
        private final List<CdromConfig> drives = new ArrayList<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("cdrom")) {
                return false;
            }
            if (drives.size() == MAX) {
                throw Words.usage("a VM has at most " + MAX + " CD-ROM drives");
            }
            int at = v.lastIndexOf(ID); // what else has a comma is the file's name
            drives.add(new CdromConfig(
                    Words.path("cdrom", at < 0 ? v : v.substring(0, at)),
                    at < 0 ? null : v.substring(at + ID.length())));
            return true;
        }

        List<CdromConfig> finish() {
            return List.copyOf(drives);
        }
    }
}
