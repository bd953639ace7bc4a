package serai.machine.pm;

/**
 * State of the ACPI fixed hardware.
 *
 * @param version 1
 * @param status PM1 status
 * @param enable PM1 enable
 * @param control PM1 control
 * @param gpeStatus GPE0 status, two bytes
 * @param gpeEnable GPE0 enable, two bytes
 * @param reset the reset control register 0xcf9
 */
public record PmState(int version, int status, int enable, int control, int gpeStatus, int gpeEnable, int reset) {}
