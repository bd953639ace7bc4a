package serai.vmm.plug;

/** Events of the host as a log has them, which may be of another VM. */
final class Recorded {
    private Recorded() {}

    /** Says that one can't be done here; the run goes on without it. */
    static void ignored(String event, Exception why) {
        System.getLogger("serai.plug")
                .log(
                        System.Logger.Level.WARNING,
                        "the recorded event ''{0}'' can''t be repeated: {1}",
                        event,
                        why.getMessage());
    }
}
