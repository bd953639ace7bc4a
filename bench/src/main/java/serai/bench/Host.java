package serai.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.Comparator;
import java.util.stream.Stream;

/** What a figure depends on, and is published with; and the guests' images in the cache. */
final class Host {
    private static final Path CACHE = Path.of(
            System.getenv().getOrDefault("XDG_CACHE_HOME", System.getProperty("user.home") + "/.cache"),
            "serai",
            "images");

    private Host() {}

    /** The image's directory in the cache: that of the highest revision. */
    static Path cached(String image) throws IOException {
        try (Stream<Path> revisions = Files.list(CACHE.resolve(image.replace(':', '-')))) {
            return revisions
                    .filter(p -> String.valueOf(p.getFileName()).matches("\\d{1,9}"))
                    .max(Comparator.comparingInt(p -> Integer.parseInt(String.valueOf(p.getFileName()))))
                    .orElseThrow(() -> new IOException("image " + image + " is not built"));
        }
    }

    static LocalDate today() {
        return LocalDate.now(ZoneId.systemDefault());
    }

    /** The processor, QEMU and the JDK, in one line. */
    static String description() throws IOException {
        return "%s, %d processors, %s, Java %s"
                .formatted(cpu(), Runtime.getRuntime().availableProcessors(), qemu(), Runtime.version());
    }

    private static String cpu() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(l -> l.startsWith("model name"))
                    .findFirst()
                    .map(l -> l.substring(l.indexOf(':') + 2))
                    .orElse("unknown CPU");
        }
    }

    private static String qemu() throws IOException {
        Process p = new ProcessBuilder("qemu-system-x86_64", "--version").start();
        String s = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return s.lines().findFirst().orElse("QEMU?").replaceAll(" \\(.*", "");
    }
}
