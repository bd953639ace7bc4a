package serai.machine.nvme;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.MsiX;
import serai.machine.pci.PciFunction;

/**
 * The controller: NVMe 1.4, with one namespace of 512-byte blocks.
 *
 * <pre>
 * BAR 0   0000 registers (3.1) | 1000 doorbells: tail and head of each pair of queues, 4 bytes each
 * BAR 4   MSI-X: a vector for each pair of queues
 * </pre>
 *
 * <h2>What bounds the guest</h2>
 *
 * A command is taken from its submission queue when its completion queue has room for it beside those that are under way, so there are
 * never more under way than completion queues have entries, nor is a completion ever held back. A doorbell takes at most a queue's
 * entries. Data are bounded by MDTS, lists of addresses by the data.
 *
 * <p>An entry that can't be read or written, as the queue is not in RAM, is fatal: CSTS.CFS, and nothing more until a reset.
 */
public final class Nvme extends PciFunction<NvmeState> {
    static final int VENDOR = 0x1b36, SUBSYSTEM_VENDOR = 0x1af4;
    static final int VERSION = 0x10400;
    static final int NAMESPACE = 1;
    static final int BLOCK_SHIFT = 9;
    /** MDTS: transfers of at most 512 KiB. */
    static final int MAX_TRANSFER_SHIFT = 7;

    static final int MAX_QUEUE_SIZE = 256;
    static final int IO_QUEUES = 16;
    static final int VECTORS = IO_QUEUES + 1;

    private static final int REGISTERS = 0, MSIX_BAR = 4, BAR_SIZE = 0x2000, DOORBELLS = 0x1000;
    private static final int CAP = 0, VS = 8, INTMS = 0xc, INTMC = 0x10, CC = 0x14, CSTS = 0x1c, AQA = 0x24;
    private static final int ASQ = 0x28, ACQ = 0x30;
    /** Queue sizes, contiguous queues, 500 ms to become ready, NVM command set, pages of 4 KiB. */
    private static final long CAPABILITIES = MAX_QUEUE_SIZE - 1 | 1 << 16 | 1 << 24 | 1L << 37;

    private static final int CC_ENABLE = 1, CC_SETTINGS = 0x3ff0, CC_SHUTDOWN = 0xc000, CC_WRITABLE = 0xfffff1;
    private static final int CC_SHUTDOWN_NORMAL = 0x4000;
    private static final int READY = 1, FATAL = 2, SHUTTING_DOWN = 4, SHUT_DOWN = 8, SHUTDOWN = 0xc;
    /** The key of the flush at a shutdown, beside those of commands. */
    private static final int SHUTDOWN_FLUSH = -1;

    /** A command under way by submission queue and command id, as the driver has to keep those apart. */
    private record Key(int queue, int id, long[] words) {
        @Override
        public boolean equals(@Nullable Object o) {
            return o instanceof Key k && k.queue == queue && k.id == id;
        }

        @Override
        public int hashCode() {
            return queue << 16 | id;
        }
    }

    private final GuestMemory memory;
    private final Disk disk;
    private final MsiX msix;
    private final AsyncEvents events = new AsyncEvents();
    private final AdminCommands admin;
    private final IoCommands io;
    private final DiskRequests<Key> underWay;
    private final @Nullable SubmissionQueue[] submissions = new SubmissionQueue[IO_QUEUES + 1];
    private final @Nullable CompletionQueue[] completions = new CompletionQueue[IO_QUEUES + 1];

    private int configuration;
    private int status;
    private int adminSizes;
    private long adminSubmissions;
    private long adminCompletions;
    private int interruptMask;
    private boolean wasBusMaster;

    /**
     * A controller.
     *
     * @param name the device's name
     * @param executor does what would make a vCPU wait
     * @param sink takes its interrupts
     */
    public Nvme(String name, Disk disk, IoExecutor executor, GuestMemory memory, MsiSink sink) {
        super(name, VENDOR, 0x0010, 2, 0x010802, SUBSYSTEM_VENDOR, 0x1100, 1);
        this.memory = memory;
        this.disk = disk;
        memoryBar(REGISTERS, BAR_SIZE, true);
        memoryBar(MSIX_BAR, MsiX.BAR_SIZE, false);
        msix = new MsiX(VECTORS, sink);
        useMsiX(msix, MSIX_BAR);
        underWay = new DiskRequests<>(executor, disk.gate(), this::busMaster);
        admin = new AdminCommands(memory, disk, this, events);
        io = new IoCommands(memory, disk, admin);
    }

    /** The disk has another size: a driver that asked for it is told. With the machine lock held. */
    public void resized() {
        if (admin.namespaceEvents()) {
            events.raise(AsyncEvents.Event.NAMESPACE_CHANGED);
            tellEvents();
        }
    }

    // ---- registers ----

    @Override
    protected long readBar(int bar, long offset, int size) {
        int at = (int) offset & ~3;
        long v = register(at) & 0xffffffffL;
        if (size > 4 - (offset & 3)) {
            v |= (long) register(at + 4) << 32;
        }
        return v >>> (offset & 3) * 8 & (size == 8 ? -1L : (1L << size * 8) - 1);
    }

    private int register(int at) {
        return switch (at) {
            case CAP -> (int) CAPABILITIES;
            case CAP + 4 -> (int) (CAPABILITIES >>> 32);
            case VS -> VERSION;
            case INTMS, INTMC -> interruptMask;
            case CC -> configuration;
            case CSTS -> status;
            case AQA -> adminSizes;
            case ASQ -> (int) adminSubmissions;
            case ASQ + 4 -> (int) (adminSubmissions >>> 32);
            case ACQ -> (int) adminCompletions;
            case ACQ + 4 -> (int) (adminCompletions >>> 32);
            default -> 0;
        };
    }

    @Override
    protected void writeBar(int bar, long offset, int size, long value) {
        if (size < 4 || (offset & 3) != 0) {
            return; // 3.1: registers are accessed in their width, or in aligned double words
        }
        write((int) offset, (int) value);
        if (size == 8) {
            write((int) offset + 4, (int) (value >>> 32));
        }
    }

    private void write(int at, int v) {
        if (at >= DOORBELLS) {
            doorbell((at - DOORBELLS) / 4, v & 0xffff);
            return;
        }
        switch (at) {
            case INTMS -> {
                interruptMask |= v;
                updateLine();
            }
            case INTMC -> {
                interruptMask &= ~v;
                updateLine();
            }
            case CC -> configure(v & CC_WRITABLE);
            case AQA -> adminSizes = v & 0xfff0fff;
            case ASQ -> adminSubmissions = adminSubmissions & ~0xffffffffL | v & 0xfffff000L;
            case ASQ + 4 -> adminSubmissions = adminSubmissions & 0xffffffffL | (long) v << 32;
            case ACQ -> adminCompletions = adminCompletions & ~0xffffffffL | v & 0xfffff000L;
            case ACQ + 4 -> adminCompletions = adminCompletions & 0xffffffffL | (long) v << 32;
            default -> {}
        }
    }

    private void configure(int v) {
        int old = configuration;
        configuration = v;
        if ((old & CC_ENABLE) == 0 && (v & CC_ENABLE) != 0) {
            enable();
        } else if ((old & CC_ENABLE) != 0 && (v & CC_ENABLE) == 0) {
            resetController();
        }
        if ((v & CC_SHUTDOWN) != 0 && (old & CC_SHUTDOWN) == 0 && (status & SHUTDOWN) == 0) {
            if ((status & READY) != 0 && (v & CC_SHUTDOWN) == CC_SHUTDOWN_NORMAL && !disk.readOnly()) {
                status |= SHUTTING_DOWN;
                flushForShutdown(0);
            } else {
                status |= SHUT_DOWN;
            }
        }
    }

    /** 7.6.2. */
    private void flushForShutdown(long due) {
        underWay.submit(
                new Key(SHUTDOWN_FLUSH, 0, new long[8]),
                new Demand(Demand.Kind.FLUSH, 0, 0),
                disk::flush,
                failure -> {
                    complain(failure);
                    status = status & ~SHUTDOWN | SHUT_DOWN;
                },
                due);
    }

    private void enable() {
        int sqSize = (adminSizes & 0xfff) + 1;
        int cqSize = (adminSizes >>> 16) + 1;
        if ((configuration & CC_SETTINGS) != 0 || sqSize < 2 || cqSize < 2) {
            fatal("the controller can't be configured so: CC %x, AQA %x".formatted(configuration, adminSizes));
            return;
        }
        CompletionQueue cq = new CompletionQueue(0, adminCompletions, cqSize, true, 0);
        completions[0] = cq;
        submissions[0] = new SubmissionQueue(0, adminSubmissions, sqSize, cq);
        status |= READY;
    }

    /** 7.3.2: what a cleared CC.EN resets. */
    private void resetController() {
        forget();
        setLine(false);
    }

    private void forget() {
        underWay.abandon(k -> true);
        Arrays.fill(submissions, null);
        Arrays.fill(completions, null);
        events.reset();
        admin.reset();
        status = 0;
        interruptMask = 0;
    }

    private void fatal(String why) {
        status |= FATAL;
        System.getLogger("serai.nvme").log(System.Logger.Level.WARNING, "{0}: stopped: {1}", name(), why);
    }

    private boolean runs() {
        return (status & (READY | FATAL | SHUTDOWN)) == READY && busMaster();
    }

    // ---- queues ----

    @Nullable
    SubmissionQueue submissionQueue(int id) {
        return submissions[id];
    }

    @Nullable
    CompletionQueue completionQueue(int id) {
        return completions[id];
    }

    void add(CompletionQueue q) {
        completions[q.id] = q;
    }

    void add(SubmissionQueue q) {
        submissions[q.id] = q;
    }

    boolean hasIoQueues() {
        for (int i = 1; i <= IO_QUEUES; i++) {
            if (completions[i] != null) {
                return true;
            }
        }
        return false;
    }

    void deleteSubmissionQueue(int id) throws Status.Failure {
        SubmissionQueue q = id == 0 || id > IO_QUEUES ? null : submissions[id];
        if (q == null) {
            throw new Status.Failure(Status.INVALID_QUEUE_ID);
        }
        List<Key> gone = new ArrayList<>();
        underWay.forEach((k, due) -> {
            if (k.queue == id) {
                gone.add(k);
            }
        });
        underWay.abandon(k -> k.queue == id);
        for (Key k : gone) {
            q.completions.reserved--;
            complete(q, k.id, 0, Status.ABORTED_BY_SQ_DELETION);
        }
        submissions[id] = null;
    }

    void deleteCompletionQueue(int id) throws Status.Failure {
        CompletionQueue q = id == 0 || id > IO_QUEUES ? null : completions[id];
        if (q == null) {
            throw new Status.Failure(Status.INVALID_QUEUE_ID);
        }
        for (SubmissionQueue s : submissions) {
            if (s != null && s.completions == q) {
                throw new Status.Failure(Status.INVALID_QUEUE_DELETION);
            }
        }
        completions[id] = null;
        updateLine();
    }

    /** 3.1.24 and 3.1.25. */
    private void doorbell(int n, int v) {
        if ((status & READY) == 0) {
            return;
        }
        int id = n / 2;
        if ((n & 1) == 0) {
            SubmissionQueue q = id <= IO_QUEUES ? submissions[id] : null;
            if (q == null) {
                raise(AsyncEvents.Event.INVALID_DOORBELL);
            } else if (v >= q.size) {
                raise(AsyncEvents.Event.INVALID_DOORBELL_VALUE);
            } else {
                q.tail = v;
                process(q);
            }
            return;
        }
        CompletionQueue q = id <= IO_QUEUES ? completions[id] : null;
        if (q == null) {
            raise(AsyncEvents.Event.INVALID_DOORBELL);
        } else if (v >= q.size || Math.floorMod(v - q.head, q.size) > q.occupied()) {
            raise(AsyncEvents.Event.INVALID_DOORBELL_VALUE);
        } else {
            q.head = v;
            updateLine();
            for (SubmissionQueue s : submissions) {
                if (s != null && s.completions == q) {
                    process(s);
                }
            }
            tellEvents();
        }
    }

    private void process(SubmissionQueue q) {
        try {
            while (runs() && submissions[q.id] == q && q.head != q.tail && q.completions.hasRoom()) {
                Command c = Command.read(memory, q.base + (long) q.head * Command.BYTES);
                q.head = (q.head + 1) % q.size;
                execute(q, c, 0);
            }
        } catch (GuestAddressException e) {
            fatal(String.valueOf(e.getMessage()));
        }
        tellEvents();
    }

    private void execute(SubmissionQueue q, Command c, long due) {
        int result = 0;
        int outcome = Status.SUCCESS;
        try {
            Key key = new Key(q.id, c.id(), c.words());
            if (underWay.contains(key) || q.id == 0 && events.waits(c.id())) {
                throw new Status.Failure(Status.COMMAND_ID_CONFLICT);
            }
            if (q.id != 0) {
                io.execute(
                        c,
                        (kind, bytes, work, buffers, failed) ->
                                start(q, key, new Demand(kind, q.id, bytes), work, buffers, failed, due));
                return;
            }
            if (AdminCommands.isEventRequest(c)) {
                events.request(c.id());
                return;
            }
            result = admin.execute(c);
        } catch (Status.Failure e) {
            outcome = e.status;
        } catch (GuestAddressException e) {
            outcome = Status.DATA_TRANSFER_ERROR;
        }
        complete(q, c.id(), result, outcome);
    }

    private void start(
            SubmissionQueue q,
            Key key,
            Demand demand,
            DiskRequests.Work work,
            GuestBuffers buffers,
            int failed,
            long due) {
        q.completions.reserved++;
        underWay.submit(
                key,
                demand,
                work,
                failure -> {
                    q.completions.reserved--;
                    complain(failure);
                    buffers.done();
                    complete(q, key.id, 0, failure == null ? Status.SUCCESS : failed);
                },
                due);
    }

    private void complain(@Nullable IOException failure) {
        if (failure != null) {
            System.getLogger("serai.nvme")
                    .log(System.Logger.Level.WARNING, "disk {0}: {1}", disk.id(), failure.getMessage());
        }
    }

    private void complete(SubmissionQueue q, int command, int result, int outcome) {
        if ((status & FATAL) != 0) {
            return;
        }
        CompletionQueue cq = q.completions;
        try {
            cq.post(memory, q, command, result, outcome);
        } catch (GuestAddressException e) {
            fatal(String.valueOf(e.getMessage()));
            return;
        }
        if (cq.interrupts && msixEnabled()) {
            msix.notify(this, cq.vector);
        }
        updateLine();
    }

    /** Without MSI-X, 7.5.1: the line is high while a queue has entries that the driver has not taken. */
    private void updateLine() {
        boolean high = false;
        for (CompletionQueue q : completions) {
            high |= q != null
                    && q.interrupts
                    && q.occupied() > 0
                    && (q.vector > 31 || (interruptMask & 1 << q.vector) == 0);
        }
        setLine(high);
    }

    // ---- events ----

    private void raise(AsyncEvents.Event e) {
        events.raise(e);
        tellEvents();
    }

    private void tellEvents() {
        SubmissionQueue q = submissions[0];
        AsyncEvents.Event e;
        while (q != null && runs() && q.completions.hasRoom() && (e = events.next()) != null) {
            complete(q, events.told(e), e.result(), Status.SUCCESS);
        }
    }

    long[] counters() {
        return io.counters;
    }

    // ---- PCI and state ----

    @Override
    protected void configWritten(int offset, int size) {
        boolean now = busMaster();
        if (now && !wasBusMaster) {
            wasBusMaster = true;
            resume();
        }
        wasBusMaster = now;
    }

    private void resume() {
        underWay.resume();
        for (SubmissionQueue q : submissions) {
            if (q != null) {
                process(q);
            }
        }
    }

    @Override
    public void reset() {
        resetPci();
        resetController();
        events.clearLog();
        Arrays.fill(io.counters, 0);
        configuration = 0;
        adminSizes = 0;
        adminSubmissions = 0;
        adminCompletions = 0;
        wasBusMaster = false;
    }

    @Override
    public NvmeState save() {
        List<NvmeState.Submission> sqs = new ArrayList<>();
        List<NvmeState.Completion> cqs = new ArrayList<>();
        for (int i = 0; i <= IO_QUEUES; i++) {
            SubmissionQueue sq = submissions[i];
            CompletionQueue cq = completions[i];
            if (sq != null) {
                sqs.add(sq.save());
            }
            if (cq != null) {
                cqs.add(cq.save());
            }
        }
        LongStream.Builder commands = LongStream.builder();
        underWay.forEach((k, due) -> {
            commands.add(k.queue).add(due);
            for (long w : k.words) {
                commands.add(w);
            }
        });
        return new NvmeState(
                1,
                savePci(),
                configuration,
                status,
                adminSizes,
                adminSubmissions,
                adminCompletions,
                interruptMask,
                admin.features.clone(),
                sqs,
                cqs,
                events.save(),
                io.counters.clone(),
                commands.build().toArray());
    }

    @Override
    public void restore(NvmeState s) {
        if (s.version() != 1
                || s.features().length != admin.features.length
                || s.counters().length != io.counters.length
                || s.commands().length % 10 != 0) {
            throw new IllegalArgumentException("NVMe state of version " + s.version());
        }
        forget();
        restorePci(s.pci());
        wasBusMaster = busMaster();
        configuration = s.configuration();
        status = s.status();
        adminSizes = s.adminSizes();
        adminSubmissions = s.adminSubmissions();
        adminCompletions = s.adminCompletions();
        interruptMask = s.interruptMask();
        admin.features = s.features().clone();
        System.arraycopy(s.counters(), 0, io.counters, 0, io.counters.length);
        events.restore(s.events());
        restoreQueues(s);
        restoreCommands(s.commands());
        System.arraycopy(s.counters(), 0, io.counters, 0, io.counters.length); // the commands were counted already
    }

    private void restoreQueues(NvmeState s) {
        for (NvmeState.Completion q : s.completions()) {
            check(q.id(), q.size(), q.head(), q.tail(), completions[Math.clamp(q.id(), 0, IO_QUEUES)] == null);
            completions[q.id()] = CompletionQueue.restored(q);
        }
        for (NvmeState.Submission q : s.submissions()) {
            check(q.id(), q.size(), q.head(), q.tail(), submissions[Math.clamp(q.id(), 0, IO_QUEUES)] == null);
            CompletionQueue cq = completions[Math.clamp(q.completions(), 0, IO_QUEUES)];
            if (cq == null || cq.id != q.completions()) {
                throw new IllegalArgumentException("NVMe queue " + q.id() + " without its completion queue");
            }
            submissions[q.id()] = SubmissionQueue.restored(q, cq);
        }
    }

    private static void check(int id, int size, int head, int tail, boolean isNew) {
        int most = id == 0 ? 4096 : MAX_QUEUE_SIZE;
        if (id < 0
                || id > IO_QUEUES
                || !isNew
                || size < 2
                || size > most
                || head < 0
                || head >= size
                || tail < 0
                || tail >= size) {
            throw new IllegalArgumentException("NVMe queue %d of %d entries, %d to %d".formatted(id, size, head, tail));
        }
    }

    private void restoreCommands(long[] words) {
        for (int i = 0; i < words.length; i += 10) {
            long id = words[i];
            long due = DiskRequests.restored(words[i + 1]);
            if (id == SHUTDOWN_FLUSH) {
                flushForShutdown(due);
                continue;
            }
            SubmissionQueue q = id > 0 && id <= IO_QUEUES ? submissions[(int) id] : null;
            if (q == null || !q.completions.hasRoom()) {
                throw new IllegalArgumentException("an NVMe command of a queue that can't have it");
            }
            execute(q, new Command(Arrays.copyOfRange(words, i + 2, i + 10)), due);
        }
    }

    @Override
    public Class<NvmeState> stateType() {
        return NvmeState.class;
    }
}
