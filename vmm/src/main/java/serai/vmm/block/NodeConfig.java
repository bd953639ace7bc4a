package serai.vmm.block;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdUri;
import serai.storage.throttle.Limits;

/**
 * A disk to be opened.
 *
 * @param name its node's, unique in the VM
 * @param file where it is
 * @param format what the file is; see {@link #formatOf}
 * @param readOnly whether it is only to be read
 * @param secret name of the secret that is its passphrase, or null
 * @param limits what it may do in a second
 * @param group the disks that share these limits, or null
 * @param policy what becomes of requests that fail or hang
 * @param remote the NBD server that has it, in place of a file, or null
 */
public record NodeConfig(
        String name,
        Path file,
        ImageFormat format,
        boolean readOnly,
        @Nullable String secret,
        Limits limits,
        @Nullable String group,
        DiskPolicy policy,
        @Nullable NbdUri remote) {
    /** One in a file. */
    public NodeConfig(
            String name,
            Path file,
            ImageFormat format,
            boolean readOnly,
            @Nullable String secret,
            Limits limits,
            @Nullable String group,
            DiskPolicy policy) {
        this(name, file, format, readOnly, secret, limits, group, policy, null);
    }

    /** One that an NBD server has. */
    public static NodeConfig remote(
            String name, NbdUri at, boolean readOnly, Limits limits, @Nullable String group, DiskPolicy policy) {
        return new NodeConfig(name, Path.of(at.toString()), ImageFormat.RAW, readOnly, null, limits, group, policy, at);
    }

    /** One of which nothing more is said. */
    public NodeConfig(String name, Path file, ImageFormat format, boolean readOnly) {
        this(name, file, format, readOnly, null, Limits.NONE, null, DiskPolicy.DEFAULT);
    }

    /**
     * The format of a file of which none is said: what the suffix of its name says, else raw. It is never what the bytes look like, as a
     * guest with a raw disk can write any; if they look like another format, that is said in the log, as its owner may have meant it.
     */
    public static ImageFormat formatOf(Path file) {
        Optional<ImageFormat> suffix = ImageFormat.ofName(file);
        ImageFormat format = suffix.orElse(ImageFormat.RAW);
        if (format == ImageFormat.RAW) {
            try (HostImageFile f = HostImageFile.open(file, true)) {
                ImageFormat looks = ImageFormat.probe(f);
                if (looks != format) {
                    System.getLogger("serai.disk")
                            .log(
                                    System.Logger.Level.WARNING,
                                    "disk {0} looks like {1} and is taken as raw; '',format={1}'' says that it is {1}",
                                    file,
                                    looks.word());
                }
            } catch (DiskException e) {
                // whoever opens it says why not
            } catch (java.io.IOException e) {
                System.getLogger("serai.disk").log(System.Logger.Level.WARNING, "disk {0}: {1}", file, e.getMessage());
            }
        }
        return format;
    }
}
