package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import serai.storage.imported.Oracle;

/**
 * qemu-img and qemu-io in a directory, with the secret that opens encrypted images. Images are given by options, so that nothing is guessed.
 *
 * @param directory where they run; one at a time
 */
record Qemu(Path directory) {
    static final String SECRET = "sesame";

    /** Skips the test if they are not installed. */
    static void need() {
        Oracle.need();
    }

    /** An image's options: a qcow2 image in the directory. */
    private String image(String name, boolean encrypted) {
        return "driver=qcow2," + (encrypted ? "encrypt.key-secret=s," : "") + "file.driver=file,file.filename="
                + directory.resolve(name);
    }

    /** What qemu-img says where the host's kernel counts CPU time back, as some virtual ones do: it can't tell how long its key derivation takes. */
    private static final String NO_CPU_TIME = "Unable to get accurate CPU usage";

    private static final int TRIES = 5;

    /** Runs a tool, whose second word is followed by the secret. */
    String run(int status, List<String> words) throws IOException, InterruptedException {
        for (int i = 1; ; i++) {
            try {
                return once(status, words);
            } catch (AssertionError e) {
                if (i == TRIES || !String.valueOf(e.getMessage()).contains(NO_CPU_TIME)) {
                    throw e;
                }
            }
        }
    }

    private String once(int status, List<String> words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(words);
        command.addAll(words.getFirst().equals("qemu-io") ? 1 : 2, List.of("--object", "secret,id=s,data=" + SECRET));
        Path out = directory.resolve("out");
        Process p = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        try {
            assertTrue(p.waitFor(120, TimeUnit.SECONDS), () -> "hangs: " + command);
            String said = Files.readString(out);
            assertEquals(status, p.exitValue(), () -> command + ": " + said);
            return said;
        } finally {
            p.destroyForcibly();
        }
    }

    /** Commands for qemu-io, all in one process, which has to say nothing. */
    void io(String name, boolean encrypted, int status, List<String> commands)
            throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of("qemu-io", "-d", "unmap", "--image-opts", image(name, encrypted)));
        commands.forEach(c -> words.addAll(List.of("-c", c)));
        assertEquals("", run(status, words), commands::toString);
    }

    /** {@code qemu-img snapshot}: with -c, -a or -d. */
    void snapshot(String name, boolean encrypted, String what, String snapshot)
            throws IOException, InterruptedException {
        run(0, List.of("qemu-img", "snapshot", "--image-opts", what, snapshot, image(name, encrypted)));
    }

    /** No errors, and no leaks. */
    void assertSound(String name, boolean encrypted) throws IOException, InterruptedException {
        String said = run(0, List.of("qemu-img", "check", "--image-opts", image(name, encrypted)));
        assertTrue(said.startsWith("No errors were found on the image."), said);
    }

    /** The image reads as these bytes. */
    void assertReads(String name, boolean encrypted, byte[] bytes) throws IOException, InterruptedException {
        Path raw = directory.resolve("wanted.raw");
        Files.write(raw, bytes);
        assertEquals(
                "Images are identical.\n",
                run(
                        0,
                        List.of(
                                "qemu-img",
                                "compare",
                                "--image-opts",
                                image(name, encrypted),
                                "driver=raw,file.driver=file,file.filename=" + raw)));
        Files.delete(raw);
    }
}
