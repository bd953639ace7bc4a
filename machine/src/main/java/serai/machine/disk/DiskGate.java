package serai.machine.disk;

import java.io.IOException;

/**
 * Stands between a device and its disk: says when requests begin, sees how long they take, and decides what becomes of those that fail.
 * From any thread, with the machine lock held or not; so nothing of it waits.
 */
public interface DiskGate {
    /** What becomes of a request that has failed. */
    enum Verdict {
        /** The guest gets the error. */
        REPORT,
        /** It is taken for done. */
        IGNORE,
        /** It is done again when the gate says so, and the guest hears nothing. */
        HOLD
    }

    /**
     * Begins a request when it may.
     *
     * @param begin begins it; on any thread, once
     * @return takes it back if it has not begun
     */
    Runnable admit(Demand demand, Runnable begin);

    /**
     * A request's work begins, on the thread that does it.
     *
     * @param request which; it is known by its identity
     */
    void began(Object request, Demand demand);

    /** A request's work is over, well or not. */
    void ended(Object request);

    /** A request's work has failed, and is over. */
    Verdict failed(Object request, Demand demand, IOException failure);

    /** A request that was held before is done, or is given up. */
    void settled(Object request);

    /** Who does again what is held; called with the machine lock held, as often as it is to be tried. */
    void onRetry(Runnable retry);

    /** Lets all pass and reports what fails. */
    DiskGate OPEN = new DiskGate() {
        @Override
        public Runnable admit(Demand demand, Runnable begin) {
            begin.run();
            return () -> {};
        }

        @Override
        public void began(Object request, Demand demand) {}

        @Override
        public void ended(Object request) {}

        @Override
        public Verdict failed(Object request, Demand demand, IOException failure) {
            return Verdict.REPORT;
        }

        @Override
        public void settled(Object request) {}

        @Override
        public void onRetry(Runnable retry) {}
    };
}
