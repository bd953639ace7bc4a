package serai.machine.engine;

/** An access that the CPU has to answer with #GP(0). It carries no stack trace: guests can raise it at will. */
public final class GeneralProtection extends Exception {
    /** The one instance there need be. */
    public static final GeneralProtection FAULT = new GeneralProtection();

    private GeneralProtection() {
        super("#GP(0)", null, false, false);
    }
}
