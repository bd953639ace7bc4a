package serai.machine.ahci;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.DiskGate;
import serai.machine.memory.GuestMemory;

/** What is on a port's cable. Called with the machine lock held. */
public abstract sealed class SataDevice permits AtaDisk, CdDrive {
    /** What a device asks of the port that it is on. */
    interface Link {
        /** Guest memory. */
        GuestMemory memory();

        /** Ends what is under way with a result. */
        void end(Result.Done result);
    }

    /** Its port. Commands come from there alone, so that who does one has it. */
    private @Nullable Link link;

    final void on(Link port) {
        link = port;
    }

    final GuestMemory memory() {
        return Objects.requireNonNull(link).memory();
    }

    /** Ends what is under way with a result. */
    final void end(Result.Done result) {
        if (link != null) {
            link.end(result);
        }
    }

    /** What it tells of itself after a reset: count, and LBA from bit 8 on (ACS-3, table 258). */
    abstract int signature();

    /**
     * Does a command, or says how to do it; a restored device is given those again that were under way.
     *
     * @throws serai.machine.memory.GuestAddressException if their buffers are not RAM
     */
    abstract Result execute(Command c);

    /** The registers after a reset. */
    final Result.Done signed(int status) {
        return new Result.Done(status, 1, signature() & 0xff, signature() >>> 8, 0, 0, false, false, false);
    }

    /** Status after a reset. */
    abstract int statusAfterReset();

    /**
     * A reset.
     *
     * @param hard by the cable, not by the device control register
     */
    abstract void reset(boolean hard);

    /** Its state, in its own words. */
    abstract long[] save();

    /**
     * Takes it over.
     *
     * @throws IllegalArgumentException if it is none of such a device
     */
    abstract void restore(long[] words);

    /** As {@link serai.machine.Device#fits}. */
    boolean fits(long[] words) {
        return true;
    }

    /** What stands before its disk. */
    abstract DiskGate gate();

    /** A disk or a drive, for messages. */
    abstract String id();
}
