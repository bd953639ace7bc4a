package serai.vmm;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import serai.linux.HostThread;
import serai.machine.Machine;
import serai.vmm.block.Troubles;
import serai.vmm.qmp.Events;
import serai.vmm.qmp.Json;
import serai.vmm.qmp.RunControl;

/**
 * What the control socket asks of a VM, and where the run loop meets it: between two runs of the machine the loop calls
 * {@link #awaitLeave}, and stands there while it is to be paused.
 */
final class Control implements RunControl, Troubles {
    /** How long {@code stop} waits for the vCPUs: a guest's instruction is done at once, but a debugger may hold the loop. */
    private static final long STAND_SECONDS = 5;

    private final Machine machine;
    private final Consumer<End> end;
    private volatile Events events = (name, data) -> {};
    private final AtomicBoolean hostReset = new AtomicBoolean();
    /** In place of a disk in trouble: the user. */
    private static final Object USER = new Object();

    /** Why the VM is paused: the user, and disks in trouble. */
    private final Set<Object> causes = new HashSet<>();

    private volatile Runnable continued = () -> {};
    private boolean standing;
    private volatile boolean over;
    private volatile int thread;

    Control(Machine machine, Consumer<End> end) {
        this.machine = machine;
        this.end = end;
    }

    void events(Events e) {
        events = e;
    }

    /** Who hears of it that the VM was told to go on. */
    void onContinue(Runnable action) {
        continued = action;
    }

    // ---- the run loop's side ----

    /** The calling thread runs the guest. */
    void begun() {
        thread = HostThread.current().tid();
    }

    /** Stands here while the VM is paused and {@code needed} is false. */
    void awaitLeave(BooleanSupplier needed) {
        synchronized (this) {
            if (causes.isEmpty()) {
                return;
            }
            boolean interrupted = false;
            while (!causes.isEmpty() && !needed.getAsBoolean()) {
                if (!standing) {
                    standing = true;
                    events.tell("STOP", Json.object());
                    notifyAll();
                }
                try {
                    wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            standing = false;
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Has {@link #awaitLeave} look again. */
    synchronized void wake() {
        notifyAll();
    }

    /** The machine is reset. */
    void resetDone() {
        boolean byHost = hostReset.getAndSet(false);
        events.tell(
                "RESET",
                Json.object().put("guest", !byHost).put("reason", byHost ? "host-qmp-system-reset" : "guest-reset"));
    }

    /** The guest is suspended to RAM. */
    void suspended() {
        events.tell("SUSPEND", Json.object());
    }

    /** It is awake again. */
    void woken() {
        events.tell("WAKEUP", Json.object());
    }

    /** The guest has saved itself to a disk, and powers off. */
    void hibernated() {
        events.tell("SUSPEND_DISK", Json.object());
    }

    /** The run is over. */
    void ended(End e) {
        over = true;
        String reason = e == End.POWER_OFF
                ? "guest-shutdown"
                : e == End.QUIT ? "host-ui" : e == End.QUIT_COMMAND ? "host-qmp-quit" : "host-error";
        if (e.status() == VmmException.GUEST) {
            reason = "guest-panic";
        }
        events.tell(
                "SHUTDOWN",
                Json.object().put("guest", reason.startsWith("guest")).put("reason", reason));
    }

    // ---- the socket's side ----

    @Override
    public synchronized Status status() {
        if (over) {
            return Status.SHUTDOWN;
        }
        if (causes.contains(USER)) {
            return Status.PAUSED;
        }
        return !causes.isEmpty() ? Status.IO_ERROR : machine.asleep() ? Status.SUSPENDED : Status.RUNNING;
    }

    @Override
    public synchronized void pause() {
        if (over || !causes.add(USER)) {
            return;
        }
        machine.stop();
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(STAND_SECONDS);
        try {
            while (causes.contains(USER) && !standing && !over) {
                long left = until - System.nanoTime();
                if (left <= 0) {
                    return;
                }
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void resume() {
        synchronized (this) {
            if (causes.isEmpty()) {
                return;
            }
            causes.clear();
            goOn();
        }
        continued.run();
    }

    private void goOn() {
        events.tell("RESUME", Json.object());
        notifyAll();
    }

    // ---- disks in trouble ----

    @Override
    public synchronized void stop(Object cause) {
        if (!over && causes.add(cause)) {
            machine.stop();
        }
    }

    @Override
    public synchronized void release(Object cause) {
        if (causes.remove(cause) && causes.isEmpty()) {
            goOn();
        }
    }

    @Override
    public void tell(Failure f) {
        events.tell(
                "BLOCK_IO_ERROR",
                Json.object()
                        .put("device", "")
                        .put("node-name", f.node())
                        .put("operation", f.write() ? "write" : "read")
                        .put("action", f.done().name().toLowerCase(Locale.ROOT))
                        .put("nospace", f.noSpace())
                        .put("reason", f.reason()));
        if (f.done() != Done.REPORT) { // what is reported the device says
            System.getLogger("serai.disk")
                    .log(
                            System.Logger.Level.WARNING,
                            "disk {0}: {1}{2}",
                            f.node(),
                            f.reason(),
                            f.done() == Done.STOP ? "; the VM stands until that is over" : ", which is ignored");
        }
    }

    @Override
    public void locked(Runnable action) {
        machine.lock().lock();
        try {
            action.run();
        } finally {
            machine.lock().unlock();
        }
    }

    @Override
    public void quit() {
        end.accept(End.QUIT_COMMAND);
    }

    @Override
    public void powerDown() {
        machine.pressPowerButton();
    }

    @Override
    public void reset() {
        hostReset.set(true);
        machine.pressResetButton();
    }

    @Override
    public boolean wakeUp() {
        if (!machine.asleep()) {
            return false;
        }
        machine.wakeUp();
        return true;
    }

    @Override
    public List<Cpu> cpus() {
        // the machine makes the threads of the others by itself
        return IntStream.range(0, machine.cpus())
                .filter(machine.sockets()::present)
                .mapToObj(i -> new Cpu(i, i == 0 ? thread : 0))
                .toList();
    }
}
