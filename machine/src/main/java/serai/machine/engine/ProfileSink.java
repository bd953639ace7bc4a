package serai.machine.engine;

/** Takes samples of where the time of a vCPU goes, from the thread that runs it. */
public interface ProfileSink {
    /**
     * One sample.
     *
     * @param linear address of the guest instruction at which, or on behalf of which, the time went
     * @param translated whether it went in translated code, and not in the VMM on the guest's behalf
     */
    void sample(long linear, boolean translated);
}
