package serai.image;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** The programs of the host that make images, or a fake in tests. */
interface Host {
    /** Whether a program is there. */
    boolean has(String program);

    /** Whether packages may be installed on the host, and files be made for any owner. */
    boolean isRoot();

    /** The text of a file of the host's; empty if it can't be read. */
    String text(Path file);

    /**
     * Runs a program to its end, which comes with this process's if that is sooner.
     *
     * @param dir its working directory
     * @param environment beside ours
     * @param output takes what it writes to standard output and error, by lines
     * @return its status
     */
    int run(Path dir, Map<String, String> environment, List<String> command, Consumer<String> output)
            throws ImageException, InterruptedException;

    /** The one that this runs on. */
    final class Real implements Host {
        /** Where mke2fs is, which a user's PATH often lacks. */
        private static final String SBIN = "/usr/local/sbin:/usr/sbin:/sbin";

        /**
         * Ends the command when standard input ends, which is a pipe of ours: a JVM that is killed leaves nobody behind who
         * goes on writing where the next one builds. All of its processes, as mmdebstrap alone would wait for its children.
         */
        private static final String WATCHED = """
                exec 3<&0 </dev/null
                setsid "$@" 3<&- &
                job=$!
                { read -r line <&3; kill -TERM -$job; sleep 3; kill -KILL -$job; } >/dev/null 2>&1 &
                watch=$!
                wait $job
                status=$?
                kill $watch 2>/dev/null
                exit $status
                """;

        static List<String> watched(List<String> command) {
            List<String> watched = new ArrayList<>(List.of("sh", "-c", WATCHED, "sh"));
            watched.addAll(command);
            return watched;
        }

        private static String path() {
            String p = System.getenv("PATH");
            return p == null || p.isEmpty() ? "/usr/bin:/bin:" + SBIN : p + ":" + SBIN;
        }

        @Override
        public boolean has(String program) {
            for (String d : path().split(":")) {
                if (d.startsWith("/") && Files.isExecutable(Path.of(d, program))) {
                    return true;
                }
            }
            return false;
        }

        @Override
        public boolean isRoot() {
            return "root".equals(System.getProperty("user.name"));
        }

        @Override
        public String text(Path file) {
            try {
                return Files.readString(file, StandardCharsets.ISO_8859_1);
            } catch (IOException e) {
                return "";
            }
        }

        @Override
        public int run(Path dir, Map<String, String> environment, List<String> command, Consumer<String> output)
                throws ImageException, InterruptedException {
            ProcessBuilder b =
                    new ProcessBuilder(watched(command)).directory(dir.toFile()).redirectErrorStream(true);
            b.environment().put("PATH", path());
            b.environment().put("LC_ALL", "C.UTF-8");
            b.environment().put("DEBIAN_FRONTEND", "noninteractive");
            b.environment().putAll(environment);
            Process p;
            try {
                p = b.start();
            } catch (IOException e) {
                throw new ImageException(command.getFirst() + " could not be started: " + e.getMessage(), e);
            }
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(p.getInputStream(), StandardCharsets.UTF_8))) {
                for (String line; (line = lines.readLine()) != null; ) {
                    output.accept(line);
                }
                return p.waitFor();
            } catch (IOException e) {
                throw new ImageException(command.getFirst() + " could not be listened to: " + e.getMessage(), e);
            } finally {
                p.destroy(); // closes its standard input
            }
        }
    }
}
