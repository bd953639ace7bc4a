package serai.storage.nbd;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicInteger;
import serai.storage.BlockDevice;

/**
 * An export and who is using its disk. The disk is used in {@link #use} alone, where nobody waits for a client: so {@link #shut} waits for the
 * disk, and nothing else.
 */
final class ServedExport {
    /** A use of the disk. */
    @FunctionalInterface
    interface Use {
        void run(BlockDevice device) throws IOException;
    }

    private static final System.Logger LOG = System.getLogger(ServedExport.class.getName());
    private static final int SHUT = Integer.MIN_VALUE;

    private final NbdExport export;
    /** How many are inside; and {@link #SHUT}. */
    private final AtomicInteger inside = new AtomicInteger();

    ServedExport(NbdExport export) {
        this.export = export;
    }

    NbdExport export() {
        return export;
    }

    /** Bytes of the disk; 0 when it is not to be used any more. */
    long size() {
        long[] size = new long[1];
        use(d -> size[0] = d.size());
        return size[0];
    }

    /** Uses the disk, if that may still be used, and tells how it went. */
    RequestError use(Use what) {
        if (!enter()) {
            return RequestError.SHUTDOWN;
        }
        try {
            what.run(export.device());
            return RequestError.NONE;
        } catch (IOException e) {
            return RequestError.of(e);
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "the disk of NBD export '" + export.name() + "' fails", e);
            return RequestError.of(e);
        } finally {
            leave();
        }
    }

    private boolean enter() {
        int n;
        do {
            n = inside.get();
            if (n < 0) {
                return false;
            }
        } while (!inside.compareAndSet(n, n + 1));
        return true;
    }

    private void leave() {
        if (inside.decrementAndGet() == SHUT) {
            synchronized (this) {
                notifyAll();
            }
        }
    }

    boolean isShut() {
        return inside.get() < 0;
    }

    /** Lets nobody in any more, and returns when nobody is inside. */
    void shut() {
        int n;
        do {
            n = inside.get();
        } while (!inside.compareAndSet(n, n | SHUT));
        boolean interrupted = false;
        synchronized (this) {
            while (inside.get() != SHUT) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    interrupted = true; // whoever closes the disk next relies on this
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
