package serai.machine.hotplug;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import serai.machine.Device;
import serai.machine.Layout;
import serai.machine.bus.PortDevice;

/**
 * Hot-plug of vCPUs by ACPI (6.5, 5.6.6 and 6.3): the DSDT finds here which vCPUs came and which are wanted back, tells the operating system
 * of them, and hands on what that says. The registers are those of QEMU's ACPI CPU hot-plug in the form with a selector, without the older one
 * of a bitmap that QEMU starts in. A register of four bytes is read and written as a whole, the others are bytes.
 *
 * <pre>
 *  0  selector  4  write: the vCPU that the other registers are about. Beyond the last one they read as zero and take nothing
 *               4  read: zero (bits 63:32 of what {@code data} gives)
 *  4  flags     1  read: 0 the vCPU is in the machine, 1 it has come, 2 it is wanted back
 *                  write, the first that is set: 1 and 2 clear these, 3 takes the vCPU out
 *  5  command   1  write: 0 selects the next vCPU, from the present one on, that has come or is wanted back, if there is one;
 *                  1 and 2: {@code data} takes the event and the status of _OST (6.3.5); 3: it gives the APIC id
 *  8  data      4  after command 0 the selector, after 3 the APIC id; after 1 and 2 it is written
 * </pre>
 */
public final class CpuHotplug implements Device<CpuHotplug.State>, PortDevice {
    /** Ports from the base. */
    public static final int PORTS = 12;

    private static final int SELECTOR = 0, FLAGS = 4, COMMAND = 5, DATA = 8;
    private static final int PRESENT = 1, CAME = 2, WANTED = 4, EJECT = 8;
    private static final int NEXT = 0, EVENT = 1, STATUS = 2, APIC_ID = 3;

    /** Source events of _OST that are about an ejection: the notification, and the operating system's own wish (ACPI 6.5, 6.3.5). */
    private static final int EJECT_REQUEST = 3, EJECTION_BY_GUEST = 0x103;
    /** Statuses of _OST: done, and still on its way. */
    private static final int SUCCESS = 0, EJECTION_PENDING = 0x84;

    /**
     * State of the registers.
     *
     * @param version 1
     * @param present a bit for each vCPU that is in the machine
     * @param came those that the guest was not told of
     * @param asking those that the guest is to be asked for
     * @param wanted those that it was or is to be asked for, and has neither given back nor refused
     * @param selector as written, 32 bits
     * @param command as written
     * @param events by vCPU: what _OST has last been about, 0 if never
     * @param statuses by vCPU: what it has said
     */
    public record State(
            int version,
            int present,
            int came,
            int asking,
            int wanted,
            int selector,
            int command,
            int[] events,
            int[] statuses) {}

    /** The machine's vCPUs, as this device changes them. With the machine lock held. */
    public interface Sockets {
        /** A vCPU comes into the machine, as after power-on. */
        void inserted(int cpu);

        /** A vCPU leaves the machine, whatever it does. */
        void ejected(int cpu);

        /** A state is restored in which the vCPU is in the machine or not. */
        void restored(int cpu, boolean present);

        /** The guest has said by _OST what became of an event. */
        void reported(Report report);
    }

    /**
     * What a guest says by _OST (ACPI 6.5, 6.3.5).
     *
     * @param cpu about which vCPU
     * @param event the source event: 1 after a vCPU came, 3 after one was asked back, 0x103 after the guest's own wish to give it back
     * @param status the status code, 0 for success
     */
    public record Report(int cpu, int event, int status) {
        /** Whether it is a refusal to give the vCPU back. */
        public boolean refusesEjection() {
            return (event == EJECT_REQUEST || event == EJECTION_BY_GUEST)
                    && status != SUCCESS
                    && status != EJECTION_PENDING;
        }
    }

    private final int possible;
    private final Runnable event;
    private final Sockets sockets;
    private int present;
    private int came;
    private int asking;
    private int wanted;
    private int selector;
    private int command;
    private final int[] events;
    private final int[] statuses;

    /**
     * The registers.
     *
     * @param initial how many vCPUs are in the machine
     * @param possible how many there can be
     * @param event raises the general-purpose event that has the DSDT look here
     */
    public CpuHotplug(int initial, int possible, Runnable event, Sockets sockets) {
        this.possible = possible;
        this.event = event;
        this.sockets = sockets;
        present = (1 << initial) - 1;
        events = new int[possible];
        statuses = new int[possible];
    }

    /** A bit for each vCPU that is in the machine. */
    public int present() {
        return present;
    }

    /**
     * Plugs a vCPU and tells the guest.
     *
     * @throws IllegalArgumentException if it can't be, or is in the machine already
     */
    public void plug(int cpu) {
        if (cpu < 0 || cpu >= possible || has(present, cpu)) {
            throw new IllegalArgumentException("vCPU " + cpu + " can't be plugged");
        }
        present |= 1 << cpu;
        came |= 1 << cpu;
        events[cpu] = 0;
        statuses[cpu] = 0;
        sockets.inserted(cpu);
        event.run();
    }

    /**
     * Asks the guest to give a vCPU back; again, if it was asked before.
     *
     * @throws IllegalArgumentException if it is the boot CPU or not in the machine
     */
    public void askBack(int cpu) {
        if (cpu <= 0 || cpu >= possible || !has(present, cpu)) {
            throw new IllegalArgumentException("vCPU " + cpu + " can't be asked for");
        }
        asking |= 1 << cpu;
        wanted |= 1 << cpu;
        event.run();
    }

    /** Before the machine's reset: what the guest was asked for, it no longer holds. */
    public void finish() {
        for (int cpu = 1; cpu < possible; cpu++) {
            if (has(wanted, cpu)) {
                eject(cpu);
            }
        }
    }

    /** What each vCPU that is in the machine has last said by _OST, or zeros. */
    public List<Report> reports() {
        return IntStream.range(0, possible)
                .filter(cpu -> has(present, cpu))
                .mapToObj(cpu -> new Report(cpu, events[cpu], statuses[cpu]))
                .toList();
    }

    private static boolean has(int set, int cpu) {
        return (set >>> cpu & 1) != 0;
    }

    private void eject(int cpu) {
        if (cpu == 0 || !has(present, cpu)) {
            return;
        }
        int others = ~(1 << cpu);
        present &= others;
        came &= others;
        asking &= others;
        wanted &= others;
        sockets.ejected(cpu);
    }

    // ---- registers ----

    private boolean selected() {
        return Integer.compareUnsigned(selector, possible) < 0;
    }

    private int flags() {
        return selected()
                ? (has(present, selector) ? PRESENT : 0)
                        | (has(came, selector) ? CAME : 0)
                        | (has(asking, selector) ? WANTED : 0)
                : 0;
    }

    private void control(int v) {
        int others = ~(1 << selector);
        if ((v & CAME) != 0) {
            came &= others;
        } else if ((v & WANTED) != 0) {
            asking &= others;
        } else if ((v & EJECT) != 0) {
            eject(selector);
        }
    }

    private void command(int v) {
        command = v;
        if (v == NEXT) {
            for (int i = 0; i < possible; i++) {
                int cpu = (selector + i) % possible;
                if (has(came | asking, cpu)) {
                    selector = cpu;
                    return;
                }
            }
        }
    }

    private int data() {
        return selected() && (command == NEXT || command == APIC_ID) ? selector : 0;
    }

    private void data(int v) {
        if (command == EVENT) {
            events[selector] = v;
        } else if (command == STATUS) {
            statuses[selector] = v;
            Report r = new Report(selector, events[selector], v);
            if (r.refusesEjection()) {
                wanted &= ~(1 << selector);
            }
            sockets.reported(r);
        }
    }

    @Override
    public boolean wide() {
        return true;
    }

    @Override
    public int readPort(int port, int size) {
        int at = port - Layout.CPU_HOTPLUG_BASE;
        if (at == DATA && size == 4) {
            return data();
        }
        return at <= FLAGS && at + size > FLAGS ? flags() << (FLAGS - at) * 8 : 0;
    }

    @Override
    public void writePort(int port, int size, int value) {
        int at = port - Layout.CPU_HOTPLUG_BASE;
        if (at == SELECTOR && size == 4) {
            selector = value;
            return;
        }
        if (!selected()) {
            return;
        }
        if (at == DATA && size == 4) {
            data(value);
            return;
        }
        for (int i = 0; i < size; i++) {
            int b = value >>> i * 8 & 0xff;
            if (at + i == FLAGS) {
                control(b);
            } else if (at + i == COMMAND) {
                command(b);
            }
        }
    }

    // ---- Device ----

    @Override
    public String name() {
        return "cpu-hotplug";
    }

    /** The vCPUs stay. */
    @Override
    public void reset() {
        came = 0;
        asking = 0;
        wanted = 0;
        selector = 0;
        command = 0;
        Arrays.fill(events, 0);
        Arrays.fill(statuses, 0);
    }

    /** What the guest was not told of yet it is told of when it wakes. */
    @Override
    public void sleep() {}

    @Override
    public State save() {
        return new State(1, present, came, asking, wanted, selector, command, events.clone(), statuses.clone());
    }

    @Override
    public void restore(State s) {
        int all = (1 << possible) - 1;
        if (s.version() != 1
                || s.events().length != possible
                || s.statuses().length != possible
                || (s.present() & ~all) != 0
                || (s.present() & 1) == 0) {
            throw new IllegalArgumentException("vCPU hot-plug state of version " + s.version());
        }
        present = s.present();
        came = s.came() & present;
        asking = s.asking() & present & ~1;
        wanted = s.wanted() & present & ~1;
        selector = s.selector();
        command = s.command() & 0xff;
        System.arraycopy(s.events(), 0, events, 0, possible);
        System.arraycopy(s.statuses(), 0, statuses, 0, possible);
        for (int cpu = 0; cpu < possible; cpu++) {
            sockets.restored(cpu, has(present, cpu));
        }
    }

    @Override
    public Class<State> stateType() {
        return State.class;
    }
}
