package serai.machine.engine;

import java.util.EnumSet;
import java.util.Set;

/**
 * What runs virtual CPUs: {@code java} (an interpreter) or {@code kvm}. The machine round them is the same object on
 * either.
 */
public interface Engine extends AutoCloseable {
    /** {@code "java"} or {@code "kvm"}. */
    String name();

    /**
     * Makes a virtual CPU, in the state after reset (SDM vol. 3, 10.1.1).
     *
     * @param host what it needs of the machine
     */
    Vcpu createVcpu(VcpuHost host);

    /** What a CPU of this engine can do of what models may promise: on an engine that interprets, all. */
    default Set<CpuFeature> features() {
        return EnumSet.allOf(CpuFeature.class);
    }

    /**
     * The guest idles: gives back to the host what the engine keeps only to be fast, and can make again. From a thread that runs no vCPU
     * and does not hold the machine's lock; vCPUs may run meanwhile.
     */
    default void trim() {}

    /** Frees what the engine holds of the host; no vCPU of it may run. */
    @Override
    void close();
}
