package serai.vmm.plug;

/** Why something can't be plugged or unplugged, in one sentence; nothing has been changed. */
public final class PlugException extends Exception {
    private final boolean notFound;

    PlugException(String sentence) {
        this(sentence, false);
    }

    private PlugException(String sentence, boolean notFound) {
        super(sentence);
        this.notFound = notFound;
    }

    static PlugException noDevice(String id) {
        return new PlugException("Device '" + id + "' not found", true);
    }

    static PlugException replayed() {
        return new PlugException("this run repeats recorded inputs and takes no others");
    }

    /** Whether there is no device of that name. */
    public boolean notFound() {
        return notFound;
    }
}
