package serai.machine;

/**
 * Every device of the machine. Its whole guest-visible state is one record: checkpoints, migration and hot upgrade
 * rest on this.
 *
 * <p>All methods are called with the machine lock held and with the device's asynchronous work drained or
 * representable in the record (a device with requests in flight saves them, so that they are submitted again).
 *
 * @param <S> the state record; its components are primitives, strings, {@code byte[]}/{@code int[]}/{@code long[]},
 *     lists, or records of such. Its first component is {@code int version}.
 */
public interface Device<S extends Record> {
    /** A name unique in the machine and stable over versions, such as {@code "uart0"}. */
    String name();

    /** Power-on state. */
    void reset();

    /**
     * The machine enters S3, the power of most devices is cut. One that keeps its state then, by a battery or because it has to wake the
     * machine, overrides this.
     */
    default void sleep() {
        reset();
    }

    /** The state now. The record shares no mutable array with the device. */
    S save();

    /**
     * Takes over a saved state, including the levels it drives on interrupt lines and the timers it has armed.
     *
     * @throws IllegalArgumentException if the version or a value is not one this device knows; the device is then to be
     *     reset before use
     */
    void restore(S state);

    /**
     * Whether a state of this run can be gone back to: what the device has from the host, and what is not in the state, is the same now as then.
     */
    default boolean fits(S state) {
        return true;
    }

    /** The class of the state record. */
    Class<S> stateType();
}
