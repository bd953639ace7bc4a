package serai.image;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** A Debian host whose programs leave what they would leave, or fail as a test says. */
final class FakeHost implements Host {
    final Set<String> programs =
            new HashSet<>(List.of("apt-get", "mmdebstrap", "mke2fs", "tar", "xz", "fakeroot", "newuidmap"));
    final Map<String, String> files = new HashMap<>();
    /** What apt-get indextargets prints. */
    String targets = "";
    /** All that was run, words with spaces between. */
    final List<String> ran = new ArrayList<>();
    /** Program to what it says when it fails. */
    final Map<String, String> failing = new HashMap<>();

    boolean root = true;

    FakeHost() {
        files.put("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
    }

    @Override
    public boolean has(String program) {
        return programs.contains(program);
    }

    @Override
    public boolean isRoot() {
        return root;
    }

    @Override
    public String text(Path file) {
        return files.getOrDefault(file.toString(), "");
    }

    @Override
    public int run(Path dir, Map<String, String> environment, List<String> command, Consumer<String> output) {
        ran.add(String.join(" ", command));
        // as root it runs behind a shell that gives it mounts of its own
        String program = command.getFirst();
        if (program.equals("sh") && command.contains("mmdebstrap")) {
            program = "mmdebstrap";
        }
        String failure = failing.get(program);
        if (failure != null) {
            failure.lines().forEach(output);
            return 100;
        }
        try {
            act(program, command, output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return 0;
    }

    private void act(String program, List<String> command, Consumer<String> output) throws IOException {
        switch (program) {
            case "mmdebstrap" -> tar(Path.of(command.get(command.size() - 2)));
            case "cp" -> Files.copy(Path.of(command.get(3)), Path.of(command.get(4)));
            case "apt-get" -> {
                if (command.contains("indextargets")) {
                    targets.lines().forEach(output);
                } else if (command.contains("install")) {
                    programs.addAll(List.of("mmdebstrap", "mke2fs"));
                }
            }
            case "apt-config" -> output.accept("Acquire::http::Proxy \"http://proxy.example:3128\";");
            default -> {
                // sh or fakeroot sh, for tar and mke2fs: nothing is looked at but the disk, which is there already
            }
        }
    }

    private static void tar(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file);
                TarArchiveOutputStream tar = new TarArchiveOutputStream(out)) {
            entry(tar, "./etc/hostname", "debian\n");
            entry(tar, "./.serai/vmlinuz", "kernel");
            entry(tar, "./.serai/busybox", "\u007fELF no list");
            entry(tar, "./.serai/modules/10-virtio.ko", "first");
            entry(tar, "./.serai/modules/11-virtio_blk.ko", "second");
        }
    }

    private static void entry(TarArchiveOutputStream tar, String name, String content) throws IOException {
        TarArchiveEntry e = new TarArchiveEntry(name);
        byte[] b = content.getBytes(StandardCharsets.ISO_8859_1);
        e.setSize(b.length);
        tar.putArchiveEntry(e);
        tar.write(b);
        tar.closeArchiveEntry();
    }
}
