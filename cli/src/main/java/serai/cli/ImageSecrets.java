package serai.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import serai.storage.DiskException;
import serai.storage.References;

/** {@code --secret}: passphrases of encrypted images. */
final class ImageSecrets {
    private static final int MAX_BYTES = 1 << 20;

    /**
     * A passphrase.
     *
     * @param image the image that it is for; null: for those that have none of their own
     */
    private record Secret(
            String id, byte[] passphrase, @Nullable Path image) {}

    @Option(
            names = "--secret",
            paramLabel = "id=ID,file=FILE[,image=IMAGE]",
            description = {
                "A passphrase: all that is in FILE, a line end included. It opens IMAGE, or whichever encrypted image has no"
                        + " passphrase of its own; -o encrypt.key-secret=ID encrypts a new one with it."
            })
    private List<String> given = new ArrayList<>();

    private @Nullable List<Secret> secrets;
    /** The ID of the passphrase that is for the new image alone, if there are others. */
    private String forNew = "";

    private List<Secret> secrets() throws DiskException {
        if (secrets != null) {
            return secrets;
        }
        List<Secret> all = new ArrayList<>();
        for (String text : given) {
            String id = "";
            String file = "";
            Path image = null;
            for (String part : Values.split(text)) {
                int eq = part.indexOf('=');
                String value = part.substring(eq + 1);
                switch (eq < 0 ? "" : part.substring(0, eq)) {
                    case "id" -> id = value;
                    case "file" -> file = value;
                    case "image" -> image = References.real(Path.of(value));
                    default -> throw wrong(text);
                }
            }
            if (id.isEmpty() || file.isEmpty()) {
                throw wrong(text);
            }
            all.add(new Secret(id, read(Path.of(file)), image));
        }
        secrets = all;
        return all;
    }

    private static DiskException wrong(String text) {
        return new DiskException("--secret wants id=ID,file=FILE[,image=IMAGE], not '" + text + "'");
    }

    private static byte[] read(Path file) throws DiskException {
        try (var in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MAX_BYTES + 1);
            if (bytes.length == 0 || bytes.length > MAX_BYTES) {
                throw new DiskException("the passphrase in " + file + " has "
                        + (bytes.length == 0 ? "no bytes" : "more than " + MAX_BYTES + " bytes"));
            }
            return bytes;
        } catch (IOException e) {
            throw e instanceof DiskException d
                    ? d
                    : new DiskException("the passphrase in " + file + " can't be read", e);
        }
    }

    /** From now on this one is for the new image, unless it is the only one. */
    void useForNew(String id) {
        forNew = id;
    }

    /** Reads them: what is wrong with them is told before anything is opened. */
    void check() throws DiskException {
        secrets();
    }

    /** The one of an ID. */
    byte[] byId(String id) throws DiskException {
        for (Secret s : secrets()) {
            if (s.id.equals(id)) {
                return s.passphrase.clone();
            }
        }
        throw new DiskException("there is no secret '" + id + "'; --secret id=" + id + ",file=FILE gives it");
    }

    /** That of an image; empty if there is none, or it is not clear which. */
    Optional<byte[]> of(Path image) {
        List<Secret> all = secrets == null ? List.of() : secrets;
        Path real = References.real(image);
        Optional<Secret> own = all.stream().filter(s -> real.equals(s.image)).findFirst();
        if (own.isPresent()) {
            return own.map(s -> s.passphrase.clone());
        }
        List<Secret> common = all.stream().filter(s -> s.image == null).toList();
        if (common.size() > 1) {
            common = common.stream().filter(s -> !s.id.equals(forNew)).toList();
        }
        return common.size() == 1 ? Optional.of(common.getFirst().passphrase.clone()) : Optional.empty();
    }
}
