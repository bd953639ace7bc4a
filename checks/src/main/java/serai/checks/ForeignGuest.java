package serai.checks;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import serai.image.Image;
import serai.image.ImageException;

/** Runs programs of checks/foreign in one boot of an image that lives in memory, tiny or generic. */
public final class ForeignGuest {
    /**
     * What came of a program.
     *
     * @param judged "same" or "differs" beside the host's output, "-" if it was not compared
     * @param text what it printed last, or the difference
     */
    public record Result(int status, String judged, String text) {}

    private static final Pattern RESULT = Pattern.compile("(?m)^@@ (\\S+) (\\d+) (same|differs|-)$");

    private ForeignGuest() {}

    /**
     * Builds the programs if need be, and runs them.
     *
     * @param directory for the initramfs
     * @param words further ones for the VMM
     * @return by their names, {@code suite/name}
     */
    public static Map<String, Result> run(Image image, List<ForeignProgram> programs, Path directory, String... words)
            throws ImageException, IOException, InterruptedException {
        Path initrd = initrd(image, programs, directory);
        List<String> w = new ArrayList<>(List.of(
                "kernel=" + image.kernel(),
                "initrd=" + initrd,
                "append=" + image.append() + " quiet vsyscall=emulate",
                "engine=java",
                "timeout=5400"));
        w.addAll(List.of(words));
        try (Vmm v = Vmm.start(w)) {
            v.awaitOutput(o -> o.contains("@@ end"), 5400);
            Vmm.Result r = v.await(60);
            return results(r.out().replace("\r", ""));
        } finally {
            Files.delete(initrd);
        }
    }

    private static Map<String, Result> results(String out) {
        Map<String, Result> all = new LinkedHashMap<>();
        Matcher m = RESULT.matcher(out);
        while (m.find()) {
            int end = out.indexOf("\n@@ ", m.end() - 1);
            String text = out.substring(m.end(), end < 0 ? out.length() : end);
            all.put(m.group(1), new Result(Integer.parseInt(m.group(2)), m.group(3), text));
        }
        return all;
    }

    /** The image's own with ours behind it: the kernel unpacks both, and the later /init is the one. */
    private static Path initrd(Image image, List<ForeignProgram> programs, Path directory)
            throws ImageException, IOException, InterruptedException {
        Path root = Files.createDirectories(directory.resolve("root"));
        Path tests = Files.createDirectories(root.resolve("tests"));
        String init = Files.readString(ForeignProgram.directory().resolve("init.sh"))
                .replace("export PATH", "export " + ForeignBuild.PLAIN_LIBC + " PATH");
        Files.writeString(root.resolve("init"), init);
        StringBuilder list = new StringBuilder();
        for (ForeignProgram p : programs) {
            Path binary = ForeignBuild.of(p.suite()).resolve(p.name());
            Path there = tests.resolve(p.toString());
            Files.createDirectories(there.getParent());
            Files.copy(binary, there);
            if (p.verdict() == ForeignProgram.Verdict.SAME) {
                Files.write(tests.resolve(p + ".ref"), ForeignBuild.runHere(binary, p.but()));
            }
            list.append(p).append(' ').append(p.but()).append('\n');
        }
        Files.write(tests.resolve("list"), list.toString().getBytes(US_ASCII));
        Path ours = directory.resolve("tests.cpio");
        ForeignBuild.run(
                root,
                List.of("sh", "-c", "chmod 755 init; find . | cpio -o -H newc --quiet >\"$1\"", "sh", ours.toString()));
        ForeignBuild.run(directory, List.of("rm", "-rf", root.toString()));
        Path initrd = directory.resolve("initrd.cpio");
        try (OutputStream out = Files.newOutputStream(initrd)) {
            Files.copy(image.initrd(), out);
            Files.copy(ours, out);
        }
        Files.delete(ours);
        return initrd;
    }
}
