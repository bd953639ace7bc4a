package serai.cpu;

import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import serai.linux.LinuxException;
import serai.machine.engine.CpuFeature;

/**
 * The vCPUs of one machine, as far as they have to know of each other.
 *
 * <h2>One alone</h2>
 *
 * A locked operation that no host instruction can do at once (across two pages, or of 16 bytes on a host without
 * CMPXCHG16B) runs while all others stand still between two blocks: {@link #begin}, {@link #end}.
 *
 * <h2>Code that another vCPU writes</h2>
 *
 * A vCPU keeps decoded blocks of its own and marks their pages in {@link serai.machine.memory.GuestMemory}; a write to a marked page is told to all vCPUs,
 * who drop its blocks before their next one. But a vCPU may have a page in its TLB for writing from before it was marked. Guest
 * memory notes for each page who that may be. Whoever marks a page first asks those to give the permission up
 * ({@link #protect}), and goes on. They do between two of their blocks, and since they may have written meanwhile, they report the page as
 * written. So a change is seen at the latest when the vCPU that made it has ended its block, and every vCPU its own. Where the architecture
 * promises more, at a serializing instruction (SDM vol. 3, 9.1.3), the vCPU waits until nobody has an open request: {@link #settled}.
 */
final class CpuGroup {
    /** Bytes of memory for translated code, if nothing else is said. */
    static final long CODE_SIZE = 96L << 20;

    private final List<Cpu> cpus = new CopyOnWriteArrayList<>();
    private int running;
    private boolean taken;
    private volatile boolean stopping;
    private volatile boolean unsettled;
    private final TranslationMode mode;
    private final long codeSize;
    private boolean asked;
    private @Nullable TranslationCache cache;

    /**
     * No vCPUs yet.
     *
     * @param mode whether they translate
     * @param codeSize bytes of memory for translated code; when it is used up, the oldest is forgotten
     */
    CpuGroup(TranslationMode mode, long codeSize) {
        this.mode = mode;
        this.codeSize = codeSize;
    }

    void add(Cpu c) {
        cpus.add(c);
    }

    /** Whether there is nobody to mind. */
    boolean single() {
        return cpus.size() == 1;
    }

    /**
     * Where the vCPUs' translated code is, or null if they interpret.
     *
     * @throws IllegalStateException if they have to translate and the host can't
     */
    synchronized @Nullable TranslationCache translationCache(Set<CpuFeature> features) {
        if (!asked) {
            asked = true;
            if (mode != TranslationMode.OFF) {
                String obstacle = TranslationMode.obstacle().orElse("");
                if (obstacle.isEmpty()) {
                    try {
                        cache = TranslationCache.create(codeSize, features);
                    } catch (LinuxException e) {
                        obstacle = e.getMessage();
                    }
                }
                if (cache == null && mode == TranslationMode.ON) {
                    throw new IllegalStateException("code can't be translated: " + obstacle);
                }
                if (cache == null) {
                    System.getLogger("serai.cpu").log(System.Logger.Level.INFO, "the engine interprets: {0}", obstacle);
                }
            }
        }
        return cache;
    }

    // ---- one alone ----

    /** A vCPU begins to run. Waits while another one runs alone. */
    synchronized void enter() {
        while (taken) {
            await();
        }
        running++;
    }

    /** A vCPU stops to run. */
    synchronized void leave() {
        running--;
        notifyAll();
    }

    /** Whether somebody waits for all others to stand still; then {@link #pause}. */
    boolean stopping() {
        return stopping;
    }

    /** A running vCPU stands still, between two blocks, as long as somebody runs alone. */
    synchronized void pause() {
        leave();
        enter();
    }

    /** A running vCPU wants to be the only one; returns when all others stand still. */
    synchronized void begin(Cpu self) {
        leave();
        stop(self);
    }

    /** Stops all vCPUs but one that doesn't run, if there is such. */
    private void stop(@Nullable Cpu self) {
        while (taken) {
            await();
        }
        taken = true;
        stopping = true;
        for (Cpu c : cpus) {
            if (c != self) {
                c.checkInterrupts();
            }
        }
        while (running > 0) {
            await();
        }
    }

    /** The others may go on. */
    synchronized void end() {
        running++;
        resume();
    }

    private void resume() {
        taken = false;
        stopping = false;
        notifyAll();
    }

    // ---- an idle guest ----

    /**
     * Gives back what translated code takes, and each vCPU's decoded code when that runs next; what is run again is made again. From a thread that
     * runs no vCPU and holds no lock which
     * a vCPU that runs may wait for.
     *
     * @param worth bytes of translated code that are not given back if there are no more
     */
    void trim(long worth) {
        TranslationCache c;
        synchronized (this) {
            c = cache;
        }
        cpus.forEach(Cpu::forgetBlocks);
        if (c == null || c.filled() <= worth) {
            return;
        }
        synchronized (this) {
            stop(null);
        }
        try {
            c.trim();
        } finally {
            synchronized (this) {
                resume();
            }
        }
    }

    private void await() {
        boolean interrupted = false;
        while (true) {
            try {
                wait();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- code ----

    /**
     * Page {@code page} has just been marked as code by {@code self}: those that may have it for writing give it up.
     *
     * @param writers a bit for each of them
     */
    void protect(Cpu self, long page, int writers) {
        for (Cpu c : cpus) {
            if (c != self && (writers >>> c.host.index() & 1) != 0) {
                c.giveUp.add(page);
                c.checkInterrupts();
                unsettled = true;
            }
        }
    }

    /** Whether there may be open requests of {@link #protect}. */
    boolean unsettled() {
        return unsettled;
    }

    /** Whether no running vCPU but {@code self} has an open request. */
    boolean settled(Cpu self) {
        unsettled = false; // before the look: a request that comes meanwhile sets it again
        for (Cpu c : cpus) {
            if (c != self && c.inRun && !c.giveUp.isEmpty()) {
                unsettled = true;
                return false;
            }
        }
        return true;
    }
}
