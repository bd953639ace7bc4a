package serai.vmm.block;

import java.time.Duration;
import java.util.Locale;

/**
 * What becomes of a disk's requests that fail or hang.
 *
 * @param onRead if a read fails
 * @param onWrite if a write, a flush, zeroes or a discard fails
 * @param onStall if a request has not come back after {@code patience}: one of {@link Action#REPORT}, {@link Action#PAUSE} and
 *     {@link Action#STOP}. The request itself goes on; that it hangs can be reported to the log and the control socket only
 * @param patience how long a request may take
 */
public record DiskPolicy(Action onRead, Action onWrite, Action onStall, Duration patience) {
    /** What is done; the words are QEMU's, but {@code pause}. */
    public enum Action {
        /** The guest gets the error. */
        REPORT,
        /** The guest is told that it is done. */
        IGNORE,
        /**
         * The VM stops; {@code cont} has it go on, and what failed is done again. A VM without a control socket, which nobody could tell
         * so, is paused instead.
         */
        STOP,
        /** Without space {@link #STOP}, else {@link #REPORT}. */
        ENOSPC,
        /** The VM stops, and goes on by itself when what failed, tried again now and then, succeeds. */
        PAUSE;

        /** Its word. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** As QEMU has it; and a disk whose requests take 20 seconds, less than the patience of a guest's drivers, pauses its VM. */
    public static final DiskPolicy DEFAULT =
            new DiskPolicy(Action.REPORT, Action.ENOSPC, Action.PAUSE, Duration.ofSeconds(20));

    /** For a run that has to repeat: what stops it, and when, is none of the guest's inputs. */
    public static final DiskPolicy REPORT =
            new DiskPolicy(Action.REPORT, Action.REPORT, Action.REPORT, Duration.ofSeconds(20));

    /** Checks it. */
    public DiskPolicy {
        if (onRead == Action.ENOSPC) {
            throw new IllegalArgumentException("rerror=enospc is not possible: a read needs no space");
        }
        if (onStall == Action.ENOSPC || onStall == Action.IGNORE) {
            throw new IllegalArgumentException("what stalls can be reported, pause the VM or stop it");
        }
        if (patience.isNegative() || patience.isZero()) {
            throw new IllegalArgumentException("a stall takes some time");
        }
    }
}
