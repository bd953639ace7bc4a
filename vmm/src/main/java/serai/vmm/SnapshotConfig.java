package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What is saved and restored.
 *
 * @param saveAt save a snapshot and end at this many instructions, or -1
 * @param file the file to save to, or null
 * @param saveAfterMillis save a snapshot and end after this wall time, or 0: for engines that can't count
 * @param load a snapshot to go on from, or null
 */
public record SnapshotConfig(
        long saveAt,
        @Nullable Path file,
        long saveAfterMillis,
        @Nullable Path load) {
    static final class Group implements WordGroup {
        private long saveAt = -1;
        private @Nullable Path file;
        private long saveAfterMillis;
        private @Nullable Path load;

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "save-at" -> {
                    int comma = v.indexOf(',');
                    saveAt = Words.number(key, comma < 0 ? v : v.substring(0, comma), 0, Long.MAX_VALUE);
                    if (comma >= 0) {
                        file = Words.path(key, v.substring(comma + 1));
                    }
                }
                case "save-after" -> saveAfterMillis = Words.seconds(key, v);
                case "snapshot" -> file = Words.path(key, v);
                case "load" -> load = Words.path(key, v);
                default -> {
                    return false;
                }
            }
            return true;
        }

        SnapshotConfig finish() throws VmmException {
            if ((saveAt >= 0 || saveAfterMillis > 0) && file == null) {
                throw Words.usage("save-at needs snapshot=FILE to save to");
            }
            return new SnapshotConfig(saveAt, file, saveAfterMillis, load);
        }
    }
}
