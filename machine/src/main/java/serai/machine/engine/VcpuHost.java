package serai.machine.engine;

import serai.machine.memory.GuestMemory;

/**
 * What a virtual CPU needs of the machine round it. Called by the thread that runs the vCPU, without the machine lock;
 * the implementation takes it where needed.
 */
public interface VcpuHost {
    /** The number of this vCPU, from 0; its initial APIC id. */
    int index();

    /** Guest-physical RAM and ROM. */
    GuestMemory memory();

    /** IN: {@code size} 1, 2 or 4; zero-extended. */
    int portRead(int port, int size);

    /** OUT: {@code size} 1, 2 or 4. */
    void portWrite(int port, int size, int value);

    /** A load outside RAM and ROM: {@code size} 1, 2, 4 or 8, within one page; zero-extended. */
    long mmioRead(long physical, int size);

    /** A store outside RAM, or into ROM: {@code size} 1, 2, 4 or 8, within one page. */
    void mmioWrite(long physical, int size, long value);

    /** This vCPU's interrupts. */
    InterruptSource interrupts();

    /** The time-stamp counter without the vCPU's own offset, at {@link CpuModel#TSC_HZ}. */
    long tsc();

    /** What CPUID tells. */
    CpuModel model();

    /** Whether the machine, not the engine, keeps this MSR: IA32_APIC_BASE, IA32_TSC_DEADLINE, x2APIC 0x800-0x8ff. */
    default boolean ownsMsr(int index) {
        return index == 0x1b || index == 0x6e0 || (index >= 0x800 && index <= 0x8ff);
    }

    /**
     * Reads an MSR for which {@link #ownsMsr} is true.
     *
     * @throws GeneralProtection if the CPU has to raise #GP(0)
     */
    long readMsr(int index) throws GeneralProtection;

    /**
     * Writes an MSR for which {@link #ownsMsr} is true.
     *
     * @throws GeneralProtection if the CPU has to raise #GP(0)
     */
    void writeMsr(int index, long value) throws GeneralProtection;

    /** A value of RDRAND and RDSEED; seeded in deterministic mode. */
    long random();
}
