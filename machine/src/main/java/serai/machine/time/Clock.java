package serai.machine.time;

/** The guest's monotonic clock: nanoseconds since the machine was made, stopped while it is paused. */
public interface Clock {
    /** Nanoseconds, never decreasing. */
    long nanos();

    /** The wall-clock date that the RTC shows at {@code nanos() == 0}, in seconds since 1970-01-01 UTC. */
    long epochSeconds();
}
