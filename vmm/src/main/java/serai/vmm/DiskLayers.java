package serai.vmm;

import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdUri;
import serai.storage.throttle.Limits;
import serai.vmm.block.DiskPolicy;
import serai.vmm.block.DiskPolicy.Action;
import serai.vmm.block.LimitWords;

/**
 * What a disk is made of, below what the guest sees of it.
 *
 * @param format what its file is, or null for what the suffix of its name says
 * @param secret name of the secret that is its passphrase, or null
 * @param limits what it may do in a second
 * @param group the disks that share these limits, or null
 * @param policy what becomes of requests that fail or hang
 * @param remote the NBD server that has it, in place of a file, or null
 */
public record DiskLayers(
        @Nullable ImageFormat format,
        @Nullable String secret,
        Limits limits,
        @Nullable String group,
        DiskPolicy policy,
        @Nullable NbdUri remote) {
    /** Of one in a file. */
    DiskLayers(
            @Nullable ImageFormat format,
            @Nullable String secret,
            Limits limits,
            @Nullable String group,
            DiskPolicy policy) {
        this(format, secret, limits, group, policy, null);
    }

    /** Of a disk of which nothing is said. */
    static final DiskLayers DEFAULT = new DiskLayers(null, null, Limits.NONE, null, DiskPolicy.DEFAULT);

    /** The settings of one disk: {@code KEY=VALUE}. */
    static final class Settings {
        private @Nullable ImageFormat format;
        private @Nullable String secret;
        private final LimitWords limits = new LimitWords();
        private @Nullable String group;
        private Action onRead = DiskPolicy.DEFAULT.onRead();
        private Action onWrite = DiskPolicy.DEFAULT.onWrite();
        private Action onStall = DiskPolicy.DEFAULT.onStall();
        private Duration patience = DiskPolicy.DEFAULT.patience();

        /** Takes one, or leaves it if it is none. */
        boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "format" -> {
                    try {
                        format = ImageFormat.named(v);
                    } catch (DiskException e) {
                        throw Words.usage(String.valueOf(e.getMessage()));
                    }
                }
                case "encrypt.key-secret", "key-secret" -> secret = v;
                case "throttling.group", "group" -> group = v;
                case "rerror" -> onRead = action(key, v, Action.REPORT, Action.IGNORE, Action.STOP, Action.PAUSE);
                case "werror" -> onWrite = action(key, v, Action.values());
                case "stall" -> onStall = action(key, v, Action.REPORT, Action.PAUSE, Action.STOP);
                case "stall-timeout" -> patience = Duration.ofMillis(Words.seconds(key, v));
                default -> {
                    if (!LimitWords.isName(key)) {
                        return false;
                    }
                    limits.take(key, Words.amount(key, v));
                }
            }
            return true;
        }

        private static Action action(String key, String v, Action... choices) throws VmmException {
            for (Action a : choices) {
                if (a.word().equals(v)) {
                    return a;
                }
            }
            throw Words.usage("%s of a disk must be one of %s, not '%s'"
                    .formatted(
                            key,
                            Arrays.stream(choices)
                                    .map(a -> a.name().toLowerCase(Locale.ROOT))
                                    .collect(Collectors.joining(", ")),
                            v));
        }

        /** @param file where the disk is: a file, or the URI of an NBD server */
        DiskLayers finish(String file) throws VmmException {
            try {
                return new DiskLayers(
                        format,
                        secret,
                        limits.limits(),
                        group,
                        new DiskPolicy(onRead, onWrite, onStall, patience),
                        remote(file));
            } catch (IllegalArgumentException e) {
                throw Words.usage(String.valueOf(e.getMessage()));
            }
        }

        private @Nullable NbdUri remote(String file) throws VmmException {
            if (!file.matches("nbd(\\+unix)?://.*")) {
                return null;
            }
            if (secret != null || format != null && format != ImageFormat.RAW) {
                throw Words.usage("a disk of an NBD server is raw, and not encrypted");
            }
            try {
                return NbdUri.parse(file);
            } catch (DiskException e) {
                throw Words.usage(String.valueOf(e.getMessage()));
            }
        }
    }
}
