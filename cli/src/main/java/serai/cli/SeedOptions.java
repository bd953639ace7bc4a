package serai.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import serai.image.Image;
import serai.image.SeedIso;

/** What cloud-init finds at a guest's first boot. */
final class SeedOptions {
    @Option(
            names = "--user-data",
            paramLabel = "FILE",
            description = {
                "With debian: what its cloud-init is to do at the first boot, and again when the file has changed: '#cloud-config' or a"
                        + " script."
            })
    private @Nullable Path userData;

    @Option(
            names = "--ssh-key",
            paramLabel = "FILE",
            description = {
                "With debian: a public key that lets in as root by SSH; may be given several times. For instance: serai run debian"
                        + " --ssh-key ~/.ssh/id_ed25519.pub --net user,hostfwd=tcp:127.0.0.1:2222-:22, then ssh -p 2222 root@127.0.0.1."
            })
    private List<Path> sshKeys = new ArrayList<>();

    /** A seed in a file of its own, which goes with it; or none. */
    record Seed(@Nullable Path file) implements AutoCloseable {
        void addTo(VmmProcess p) {
            if (file != null) {
                p.add("disk", file + ",readonly=true,bus=virtio,id=seed,format=raw");
            }
        }

        @Override
        public void close() {
            try {
                if (file != null) {
                    Files.deleteIfExists(file);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private boolean given() {
        return userData != null || !sshKeys.isEmpty();
    }

    /** Refuses what can't be, before anything is built. */
    void check(@Nullable String image) throws CliException {
        if (userData != null && !sshKeys.isEmpty()) {
            throw CliException.usage("--user-data and --ssh-key exclude each other: put the key into the file, under"
                    + " ssh_authorized_keys");
        }
        if (given() && (image == null || !image.startsWith("debian"))) {
            throw CliException.usage((userData != null ? "--user-data" : "--ssh-key")
                    + " is for image debian, whose cloud-init acts on it; give other guests a seed as a disk");
        }
    }

    /** Writes the seed for a guest, if there is something in it. */
    Seed write(Image image) throws CliException {
        if (!given()) {
            return new Seed(null);
        }
        try {
            byte[] data = userData == null ? SeedIso.letIn(keys()) : Files.readAllBytes(userData);
            // what is in it may be secret
            Path file = Files.createTempFile(
                    "serai-seed",
                    ".iso",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Seed seed = new Seed(file);
            Runtime.getRuntime().addShutdownHook(new Thread(seed::close)); // for an end by a signal
            SeedIso.write(file, SeedIso.files(data, "debian"));
            return seed;
        } catch (IOException e) {
            throw new CliException(Status.INPUT, "the seed for " + image.name() + " can't be made: " + e, e);
        }
    }

    private List<String> keys() throws IOException, CliException {
        List<String> keys = new ArrayList<>();
        for (Path p : sshKeys) {
            String text = Files.readString(p, StandardCharsets.UTF_8);
            if (text.contains("PRIVATE KEY")) {
                throw CliException.usage("--ssh-key wants a public key; " + p + " is a private one, try " + p + ".pub");
            }
            text.lines()
                    .map(String::strip)
                    .filter(l -> !l.isEmpty() && !l.startsWith("#"))
                    .forEach(keys::add);
        }
        return keys;
    }
}
