package serai.machine.irq;

import java.util.ArrayList;
import java.util.List;
import serai.machine.bus.MsiSink;

/** The local APICs together: where messages between them, from the I/O APIC and from devices are routed. */
public final class ApicBus implements MsiSink {
    /** Delivery modes, SDM vol. 3, 11.5.1. */
    static final int FIXED = 0, LOWEST = 1, SMI = 2, NMI = 4, INIT = 5, STARTUP = 6, EXTINT = 7;

    private final List<LocalApic> apics = new ArrayList<>();

    /** No APICs yet; each adds itself. */
    public ApicBus() {}

    void add(LocalApic apic) {
        apics.add(apic);
    }

    List<LocalApic> apics() {
        return apics;
    }

    /** A message-signalled interrupt: SDM vol. 3, 11.11. */
    @Override
    public void send(long address, int data) {
        if (address >>> 20 == 0xfee) {
            deliver(
                    (int) (address >>> 12) & 0xff,
                    (address & 4) != 0,
                    false,
                    data >>> 8 & 7,
                    data & 0xff,
                    (data & 0x8000) != 0);
        }
    }

    /**
     * Delivers to the APICs that a destination names.
     *
     * @param logical whether {@code destination} is a logical one
     * @param wide whether it is of 32 bits, from an x2APIC
     * @param mode a delivery mode
     */
    void deliver(int destination, boolean logical, boolean wide, int mode, int vector, boolean level) {
        LocalApic lowest = null;
        for (LocalApic a : apics) {
            if (!a.matches(destination, logical, wide)) {
                continue;
            }
            if (mode != LOWEST) {
                a.accept(mode, vector, level);
            } else if (lowest == null || a.priority() < lowest.priority()) {
                lowest = a;
            }
        }
        if (lowest != null) {
            lowest.accept(FIXED, vector, level);
        }
    }
}
