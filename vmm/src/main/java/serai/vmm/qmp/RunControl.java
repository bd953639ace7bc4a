package serai.vmm.qmp;

import java.util.List;

/** What the commands need of whoever runs the VM. From any thread. */
public interface RunControl {
    /** Where a VM stands, by the names of QEMU's {@code RunState}. */
    enum Status {
        /** The vCPUs run. */
        RUNNING("running"),
        /** They were stopped by {@code stop}. */
        PAUSED("paused"),
        /** A disk is in trouble. */
        IO_ERROR("io-error"),
        /** The guest has suspended itself to RAM. */
        SUSPENDED("suspended"),
        /** The guest has ended; the process is about to. */
        SHUTDOWN("shutdown");

        final String word;

        Status(String word) {
            this.word = word;
        }
    }

    /**
     * A vCPU.
     *
     * @param index from 0
     * @param thread its thread in the host's kernel, or 0 if that is not known
     */
    record Cpu(int index, int thread) {}

    /** Where it stands. */
    Status status();

    /** Stops the vCPUs and waits until they stand; nothing if they do. */
    void pause();

    /** Lets them go on, whatever they stand for; nothing if they run. */
    void resume();

    /** Ends the VM, whatever the guest does. */
    void quit();

    /** Presses the power button. */
    void powerDown();

    /** Presses the reset button. */
    void reset();

    /**
     * Wakes the guest.
     *
     * @return false if it is not suspended
     */
    boolean wakeUp();

    /** The vCPUs that are in the machine. */
    List<Cpu> cpus();
}
