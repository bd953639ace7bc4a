package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A directory of the host that the guest sees, as the word says: {@code share=TAG,DIRECTORY[,readonly]}.
 *
 * @param tag what the guest mounts it by
 * @param directory of the host
 * @param readOnly whether the guest can only read it
 */
public record ShareConfig(String tag, Path directory, boolean readOnly) {
    /** Shares of a VM at most. */
    public static final int MAX = 3;

    private static final String READ_ONLY = ",readonly";

    static final class Group implements WordGroup {
        private final List<ShareConfig> shares = new ArrayList<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("share")) {
                return false;
            }
            int comma = v.indexOf(',');
            if (comma <= 0 || !v.substring(0, comma).matches("[A-Za-z0-9._-]{1,31}")) {
                throw Words.usage(
                        "share must be TAG,DIRECTORY[,readonly] with a tag of letters, digits, '.', '_' and '-', not '"
                                + v + "'");
            }
            String directory = v.substring(comma + 1);
            boolean readOnly = v.endsWith(READ_ONLY);
            if (readOnly) {
                directory = directory.substring(0, Math.max(0, directory.length() - READ_ONLY.length()));
            }
            if (shares.size() == MAX) {
                throw Words.usage("a VM has at most " + MAX + " shares");
            }
            String tag = v.substring(0, comma);
            if (shares.stream().anyMatch(s -> s.tag.equals(tag))) {
                throw Words.usage("two shares have the tag " + tag);
            }
            shares.add(new ShareConfig(tag, Words.path("share", directory), readOnly));
            return true;
        }

        List<ShareConfig> finish() {
            return List.copyOf(shares);
        }
    }
}
