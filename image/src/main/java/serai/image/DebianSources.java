package serai.image;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Debian's archives as this host is configured for them: a guest is made from the same ones and keeps them. apt itself tells
 * which of the host's sources are Debian's (by what their signed Release files say) and where each stands; no address is ours.
 */
final class DebianSources {
    /** Of the suite: point updates and security are part of it; backports and the like are the guest's own matter. */
    private static final Set<String> PARTS = Set.of("", "-updates", "-security");
    /** They have no parts. */
    private static final Set<String> ROLLING = Set.of("sid", "unstable", "experimental");

    private static final List<String> FIELDS =
            List.of("CREATED_BY", "ORIGIN", "ARCHITECTURE", "COMPONENT", "CODENAME", "REPO_URI", "SOURCESENTRY");
    private static final Pattern ENTRY = Pattern.compile("(/.*):(\\d{1,6})");
    private static final Pattern SIGNED_BY = Pattern.compile("(?im)^Signed-By:[ \\t]*(/\\S+)[ \\t]*$");
    private static final Pattern SIGNED_BY_OPTION =
            Pattern.compile("\\[[^]]*\\bsigned-by=(/[^] ,]+)", Pattern.CASE_INSENSITIVE);
    private static final Pattern CODENAME = Pattern.compile("(?m)^VERSION_CODENAME=\"?([a-z-]+)\"?$");

    private record Source(String uri, String part, @Nullable String key) {}

    private final String suite;
    private final List<Source> sources;

    private DebianSources(String suite, List<Source> sources) {
        this.suite = suite;
        this.sources = sources;
    }

    /**
     * Asks apt.
     *
     * @param dir any directory
     * @throws ImageException if the host has no source of Debian's for amd64
     */
    static DebianSources of(Host host, Path dir, Progress progress) throws ImageException, InterruptedException {
        List<String[]> rows = rows(host, dir);
        if (rows.isEmpty() && host.isRoot()) {
            progress.say("updating the package lists");
            host.run(dir, Map.of(), List.of("apt-get", "-q", "update"), l -> {});
            rows = rows(host, dir);
        }
        String own = own(host, rows);
        LinkedHashSet<Source> found = new LinkedHashSet<>();
        for (String[] r : rows) {
            String codename = r[4];
            if (codename.startsWith(own) && PARTS.contains(codename.substring(own.length()))) {
                found.add(new Source(r[5], codename.substring(own.length()), key(host, r[6])));
            }
        }
        if (found.isEmpty()) {
            throw new ImageException(
                    "the package sources of this machine have no Debian for amd64, which image debian is made"
                            + " from; if they should, run: apt-get update, as root");
        }
        return new DebianSources(own, List.copyOf(found));
    }

    private static List<String[]> rows(Host host, Path dir) throws ImageException, InterruptedException {
        List<String[]> rows = new ArrayList<>();
        StringBuilder format = new StringBuilder();
        FIELDS.forEach(f -> format.append("$(").append(f).append(")\t"));
        host.run(dir, Map.of(), List.of("apt-get", "indextargets", "--format", format.toString()), line -> {
            String[] f = line.split("\t", -1);
            if (f.length > FIELDS.size() - 1
                    && f[0].equals("Packages")
                    && f[1].equals("Debian")
                    && f[2].equals("amd64")
                    && f[3].equals("main")) {
                rows.add(f);
            }
        });
        return rows;
    }

    /** The host's suite by codename, or, on a host that has several or is none of Debian's, the first that it has. */
    private static String own(Host host, List<String[]> rows) {
        Matcher m = CODENAME.matcher(host.text(Path.of("/etc/os-release")));
        String release = m.find() ? m.group(1) : "";
        String first = "";
        for (String[] r : rows) {
            if (r[4].equals(release)) {
                return release;
            }
            if (first.isEmpty() && !r[4].contains("-")) {
                first = r[4];
            }
        }
        return first;
    }

    /** The keyring named by the entry FILE:N (a stanza of a .sources file, a line of a .list); null if none is. */
    private static @Nullable String key(Host host, String entry) {
        Matcher e = ENTRY.matcher(entry);
        if (!e.matches()) {
            return null; // an apt that does not tell
        }
        String text = host.text(Path.of(e.group(1)));
        int n = Integer.parseInt(e.group(2));
        boolean stanzas = e.group(1).endsWith(".sources");
        List<String> parts = stanzas
                ? List.of(text.strip().split("\\n[ \\t]*\\n\\s*"))
                : text.lines().toList();
        if (n < 1 || n > parts.size()) {
            return null;
        }
        Matcher k = (stanzas ? SIGNED_BY : SIGNED_BY_OPTION).matcher(parts.get(n - 1));
        return k.find() ? k.group(1) : null;
    }

    /** The host's own suite. */
    String suite() {
        return suite;
    }

    /** A sources.list for a suite: the host's own, or another from the same archives with the same keys. */
    String list(String wanted) {
        StringBuilder list = new StringBuilder();
        for (Source s : sources) {
            if (s.part.isEmpty() || !ROLLING.contains(wanted)) {
                String key = s.key == null ? "" : "[signed-by=" + s.key + "] ";
                list.append("deb ").append(key).append(s.uri).append(' ');
                list.append(wanted).append(s.part).append(" main\n");
            }
        }
        return list.toString();
    }
}
