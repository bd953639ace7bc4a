package serai.machine.pm;

/**
 * State of the ACPI fixed hardware.
 *
 * @param version 2
 * @param status PM1 status
 * @param enable PM1 enable
 * @param control PM1 control
 * @param gpeStatus GPE0 status, two bytes
 * @param gpeEnable GPE0 enable, two bytes
 * @param reset the reset control register 0xcf9
 * @param sleep 0 awake, 1 entering S3, 2 in S3
 * @param waking whether it is about to leave S3
 * @param half how often the PM timer's top bit had changed when that was last looked at
 * @param overflow when its next change is due on the guest clock, or Long.MAX_VALUE
 */
public record PmState(
        int version,
        int status,
        int enable,
        int control,
        int gpeStatus,
        int gpeEnable,
        int reset,
        int sleep,
        boolean waking,
        long half,
        long overflow) {}
