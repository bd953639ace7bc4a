package serai.machine.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** One virtual CPU. All methods but {@link #kick} belong to the thread that runs it, or to one that has stopped it. */
public interface Vcpu extends AutoCloseable {
    /**
     * Runs until something needs the caller.
     *
     * @param maxInstructions at most so many instructions; exact on an engine whose {@link #countsInstructions} is true,
     *     else only a hint. {@link Long#MAX_VALUE} for no bound
     */
    Exit run(long maxInstructions);

    /** Makes a {@link #run} in progress, or the next one, return {@link Exit#KICKED} soon. From any thread. */
    void kick();

    /** Whether {@link #instructions} and budgets are exact (and so deterministic mode is possible). */
    boolean countsInstructions();

    /**
     * Instructions completed since creation or since the count in the last restored state. Correct also when asked from
     * within a device access of this vCPU: the instruction in progress is not counted. An iteration of a repeated
     * string instruction does not count, the whole counts one.
     */
    long instructions();

    /** The architectural state between two instructions. */
    CpuState save();

    /** Takes over an architectural state. */
    void restore(CpuState state);

    /** Sets the instruction breakpoints of the debugger, as linear addresses; replaces earlier ones. */
    void breakpoints(long[] linearAddresses);

    /**
     * The instruction at which the vCPU stands now is run next even if there is a breakpoint at it: the debugger has been told.
     * Without this, a run that begins at a breakpoint ends there at once, so that none is lost when several vCPUs reach one.
     */
    void passBreakpoint();

    /**
     * Sets the watchpoints of the debugger; replaces earlier ones.
     *
     * @throws UnsupportedOperationException if the engine has none, or not for so many or such ranges
     */
    void watchpoints(List<Watchpoint> list);

    /** After {@link Exit#WATCHPOINT}: the watchpoint that was hit, told once; its instruction is complete. */
    @Nullable
    Watchpoint watchpointHit();

    /**
     * Translates a linear address by the current paging, without setting accessed or dirty bits.
     *
     * @return the guest-physical address, or -1 if nothing is mapped there
     */
    long translate(long linear);

    /**
     * From now on tells where the time goes that the thread of this vCPU has the host's processor: samples at the host's clock ticks.
     *
     * @throws UnsupportedOperationException if the engine can't, or not on this host; with a sentence
     */
    default void profile(ProfileSink sink) {
        throw new UnsupportedOperationException("this engine makes no profile of the guest; try --engine java");
    }

    /** After {@link Exit#FAILED}: one sentence. */
    String failure();

    /** Counters for {@code --stats}. */
    VcpuStats stats();

    @Override
    void close();
}
