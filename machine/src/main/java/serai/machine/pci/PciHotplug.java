package serai.machine.pci;

import java.util.function.IntConsumer;
import serai.machine.Device;
import serai.machine.Layout;
import serai.machine.bus.PortDevice;

/**
 * Hot-plug of the slots {@value Layout#FIRST_HOTPLUG_SLOT} to {@value Layout#LAST_HOTPLUG_SLOT} of bus 0 by ACPI (6.5, 5.6.6 and 6.3.3): the DSDT
 * reads here which slots to tell the operating system about, and its _EJ0 ejects. The registers are those of QEMU's ACPI PCI hot-plug, for
 * one bus; all are 32 bits wide, with a bit for each slot, and
 * read as a whole.
 *
 * <pre>
 *  0  up      read: slots with a new function, cleared by the read
 *  4  down    read: slots that are wanted empty, cleared by the read
 *  8  eject   write: takes the functions of these slots out, asked for or not; reads as zero
 *  c  slots   read: those that can be plugged
 * 14  gone    read: slots whose function went unasked, cleared by the read; QEMU has none of this
 * </pre>
 */
public final class PciHotplug implements Device<PciHotplug.State>, PortDevice {
    /** Ports from the base. */
    public static final int PORTS = 0x18;

    private static final int SLOTS = (int) ((2L << Layout.LAST_HOTPLUG_SLOT) - (1L << Layout.FIRST_HOTPLUG_SLOT));

    /**
     * State of the registers.
     *
     * @param version 1
     * @param up slots with a function that the guest was not told of
     * @param down slots that the guest is to be asked for
     * @param wanted slots that it was or is to be asked for, and has not given back
     * @param gone slots whose function went unasked, and the guest was not told
     */
    public record State(int version, int up, int down, int wanted, int gone) {}

    private final Runnable event;
    private final IntConsumer eject;
    private int up;
    private int down;
    private int wanted;
    private int gone;

    /**
     * The registers.
     *
     * @param event raises the general-purpose event that has the DSDT look here
     * @param eject takes the function out of a slot, if there is one
     */
    public PciHotplug(Runnable event, IntConsumer eject) {
        this.event = event;
        this.eject = eject;
    }

    /** Whether a slot can be plugged while the machine runs. */
    public static boolean pluggable(int slot) {
        return slot >= Layout.FIRST_HOTPLUG_SLOT && slot <= Layout.LAST_HOTPLUG_SLOT;
    }

    /** A function has come into a slot: tells the guest. */
    public void plugged(int slot) {
        up |= 1 << slot;
        down &= ~(1 << slot);
        wanted &= ~(1 << slot);
        event.run();
    }

    /** Asks the guest to give a slot back; again, if it was asked before. */
    public void askBack(int slot) {
        down |= 1 << slot;
        wanted |= 1 << slot;
        event.run();
    }

    /** A function was pulled out of a slot, and the guest was not asked: tells it. */
    public void pulled(int slot) {
        emptied(slot);
        gone |= 1 << slot;
        event.run();
    }

    /** A slot is empty. */
    public void emptied(int slot) {
        up &= ~(1 << slot);
        down &= ~(1 << slot);
        wanted &= ~(1 << slot);
    }

    /** Before the machine's reset: what the guest was asked for, it no longer holds. */
    public void finish() {
        ejectAll(wanted);
    }

    private void ejectAll(int slots) {
        for (int s = Layout.FIRST_HOTPLUG_SLOT; s <= Layout.LAST_HOTPLUG_SLOT; s++) {
            if ((slots & 1 << s) != 0) {
                eject.accept(s);
                emptied(s);
            }
        }
    }

    @Override
    public boolean wide() {
        return true;
    }

    @Override
    public int readPort(int port, int size) {
        int at = port - Layout.PCI_HOTPLUG_BASE;
        if (size != 4) {
            return 0;
        }
        int v = 0;
        switch (at) {
            case 0 -> {
                v = up;
                up = 0;
            }
            case 4 -> {
                v = down;
                down = 0;
            }
            case 0xc -> v = SLOTS;
            case 0x14 -> {
                v = gone;
                gone = 0;
            }
            default -> {}
        }
        return v;
    }

    @Override
    public void writePort(int port, int size, int value) {
        int at = port - Layout.PCI_HOTPLUG_BASE - 8;
        if (at >= 0 && at + size <= 4) {
            ejectAll(value << at * 8 & SLOTS);
        }
    }

    @Override
    public String name() {
        return "pci-hotplug";
    }

    @Override
    public void reset() {
        up = 0;
        down = 0;
        wanted = 0;
        gone = 0;
    }

    /** {@inheritDoc} What has changed meanwhile is told when the guest is awake. */
    @Override
    public void sleep() {}

    @Override
    public State save() {
        return new State(1, up, down, wanted, gone);
    }

    @Override
    public void restore(State s) {
        if (s.version() != 1) {
            throw new IllegalArgumentException("PCI hot-plug state of version " + s.version());
        }
        up = s.up() & SLOTS;
        down = s.down() & SLOTS;
        wanted = s.wanted() & SLOTS;
        gone = s.gone() & SLOTS;
    }

    @Override
    public Class<State> stateType() {
        return State.class;
    }
}
