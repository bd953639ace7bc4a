package serai.machine.pm;

/** What the ACPI fixed hardware does to the machine. Called with the machine lock held, by a vCPU's access or a timer. */
public interface PowerSwitch {
    /** The guest enters S5. */
    void off();

    /** The guest enters S4: it has saved itself to a disk, and the power goes off. */
    void hibernate();

    /** The guest enters S3: to be asleep once no vCPU runs any more ({@link PowerManagement#fallenAsleep}). */
    void suspend();

    /** Something wakes the machine that enters S3 or is in it; {@link PowerManagement#wakes} tells so until it is awake. */
    void wake();

    /** The reset register was written. */
    void reset();
}
