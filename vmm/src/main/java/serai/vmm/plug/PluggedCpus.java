package serai.vmm.plug;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.CpuSockets;
import serai.machine.Machine;
import serai.machine.acpi.Numa;
import serai.machine.hotplug.CpuHotplug;

/**
 * The vCPUs of a VM as a user plugs them: by socket, each with an id of the user's. Those of the start have none.
 *
 * <p>Plugging is an event of the host (see {@link Machine#hostEvent}): {@code cpu plug INDEX ID} and {@code cpu unplug INDEX}. Guarded by the
 * machine lock.
 */
public final class PluggedCpus {
    /** What a CPU's driver ends in, as QEMU names them. */
    public static final String DRIVER_SUFFIX = "-x86_64-cpu";

    private static final String WORD = "cpu";

    /**
     * A place for a vCPU.
     *
     * @param index of the vCPU
     * @param socket its package
     * @param core in that
     * @param node its NUMA node, or -1
     * @param present whether it is in the machine
     * @param id the user's name of it, or null
     */
    public record Place(
            int index,
            int socket,
            int core,
            int node,
            boolean present,
            @Nullable String id) {
        /** Where it is in QEMU's tree of objects. */
        public String path() {
            return id == null ? "/machine/unattached/device[" + index + "]" : "/machine/peripheral/" + id;
        }
    }

    /** Who is told of what the guest does with them, with the machine lock held. */
    public interface Listener {
        /** A vCPU has gone. */
        void deleted(Place place);

        /** The guest has said what became of an event. */
        void reported(Place place, CpuHotplug.Report report);
    }

    private final Machine machine;
    private final CpuSockets sockets;
    private final String driver;
    private final Numa numa;
    /** By index. */
    private final @Nullable String[] ids;
    /** Those on their way into the machine. */
    private final boolean[] coming;

    private @Nullable Listener listener;

    /**
     * Those of the start.
     *
     * @param model the CPU model's name
     */
    public PluggedCpus(Machine machine, String model, Numa numa) {
        this.machine = machine;
        this.numa = numa;
        sockets = machine.sockets();
        driver = model.replaceFirst(",.*", "") + DRIVER_SUFFIX;
        ids = new String[machine.cpus()];
        coming = new boolean[machine.cpus()];
        sockets.listener(new Gone());
        machine.onHostEvent(WORD, this::perform);
    }

    /** What the driver of all of them is called. */
    public String driver() {
        return driver;
    }

    /** Who is told. */
    public void listener(Listener l) {
        listener = l;
    }

    /** A place for each vCPU that there can be. */
    public List<Place> places() {
        machine.lock().lock();
        try {
            List<Place> all = new ArrayList<>();
            for (int i = 0; i < ids.length; i++) {
                all.add(place(i));
            }
            return all;
        } finally {
            machine.lock().unlock();
        }
    }

    private Place place(int i) {
        boolean own = sockets.pluggable();
        boolean present = sockets.present(i);
        return new Place(i, own ? i : 0, own ? 0 : i, numa.nodeOf(i), present, present ? ids[i] : null);
    }

    /** What the guest has last said of each vCPU that is in the machine. */
    public List<CpuHotplug.Report> reports() {
        return sockets.reports();
    }

    /** The vCPU of an id or of a path in QEMU's tree of objects, if it is in the machine, or null. */
    public @Nullable Place find(String id) {
        return places().stream()
                .filter(p -> p.present() && (id.equals(p.id()) || id.equals(p.path())))
                .findFirst()
                .orElse(null);
    }

    /** Whether a vCPU has an id, or comes with it. */
    public boolean has(String id) {
        machine.lock().lock();
        try {
            for (int i = 0; i < ids.length; i++) {
                if (id.equals(ids[i]) && (coming[i] || sockets.present(i))) {
                    return true;
                }
            }
            return false;
        } finally {
            machine.lock().unlock();
        }
    }

    /**
     * Plugs a vCPU into the running machine.
     *
     * @param index where, which is the number of its socket
     */
    public void add(String id, int index) throws PlugException {
        machine.lock().lock();
        try {
            Names.check("id", id);
            if (!sockets.pluggable()) {
                throw new PlugException("the vCPUs of this VM stay; start it with --cpus N,max=M to plug some");
            }
            if (index < 0 || index >= ids.length) {
                throw new PlugException(
                        "there is no socket %d; this VM has those from 0 to %d".formatted(index, ids.length - 1));
            }
            if (sockets.present(index) || coming[index]) {
                throw new PlugException("socket " + index + " has its vCPU already");
            }
            coming[index] = true;
            ids[index] = id;
            if (!machine.hostEvent(WORD + " plug " + index + " " + id)) {
                coming[index] = false;
                throw PlugException.replayed();
            }
        } finally {
            machine.lock().unlock();
        }
    }

    /** Asks the guest to give a vCPU back; {@link Listener#deleted} tells when it has, {@link Listener#reported} if it does not. */
    public void remove(Place place) throws PlugException {
        if (!sockets.pluggable()) {
            throw new PlugException("the vCPUs of this VM stay");
        }
        if (place.index() == 0) {
            throw new PlugException("Boot CPU is unpluggable");
        }
        if (!machine.hostEvent(WORD + " unplug " + place.index())) {
            throw PlugException.replayed();
        }
    }

    private void perform(String event) {
        String[] w = event.split(" ", 3);
        try {
            int index = w.length > 1 ? Integer.parseInt(w[1]) : -1;
            if (w[0].equals("plug") && w.length == 3) {
                sockets.plug(index);
                coming[index] = false;
                ids[index] = w[2];
            } else if (w[0].equals("unplug") && w.length == 2) {
                if (sockets.present(index)) { // else the guest was quicker
                    sockets.askBack(index);
                }
            } else {
                throw new IllegalArgumentException("it is not known");
            }
        } catch (IllegalArgumentException e) {
            Recorded.ignored(WORD + " " + event, e);
        }
    }

    private final class Gone implements CpuSockets.Listener {
        @Override
        public void ejected(int cpu) {
            Place p = place(cpu);
            String id = ids[cpu];
            ids[cpu] = null;
            if (listener != null) {
                listener.deleted(new Place(cpu, p.socket(), p.core(), p.node(), false, id));
            }
        }

        @Override
        public void reported(CpuHotplug.Report report) {
            if (listener != null) {
                listener.reported(place(report.cpu()), report);
            }
        }
    }
}
