package serai.machine.irq;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import serai.machine.Device;
import serai.machine.bus.MmioDevice;
import serai.machine.engine.CpuModel;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Msr;
import serai.machine.time.Timers;

/**
 * A local APIC: SDM vol. 3, chapter 11, in xAPIC and x2APIC mode.
 *
 * <p>Its registers change with the machine lock held. The vCPU looks at two volatile flags between its blocks, and takes the lock
 * only to accept an interrupt.
 */
public final class LocalApic implements Device<LocalApicState>, MmioDevice, InterruptSource {
    /** Registers by number: the offset in the page divided by 16. */
    private static final int ID = 2, VERSION = 3, TPR = 8, APR = 9, PPR = 0xa, EOI = 0xb, LDR = 0xd, DFR = 0xe;

    private static final int SVR = 0xf, ISR = 0x10, TMR = 0x18, IRR = 0x20, ESR = 0x28, ICR_LOW = 0x30;
    private static final int ICR_HIGH = 0x31, LVT_TIMER = 0x32, LVT_THERMAL = 0x33, LVT_PERF = 0x34, LVT_LINT0 = 0x35;
    private static final int LVT_LINT1 = 0x36,
            LVT_ERROR = 0x37,
            INITIAL = 0x38,
            CURRENT = 0x39,
            DIVIDE = 0x3e,
            SELF = 0x3f;

    private static final int MASKED = 1 << 16;
    private static final int SVR_ENABLE = 1 << 8;
    private static final long BASE_ENABLE = 1 << 11, BASE_X2 = 1 << 10, BASE_BSP = 1 << 8;
    private static final int PERIODIC = 1, TSC_DEADLINE = 2; // 0: one-shot
    private static final int ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_REGISTER = 1 << 7;

    private final int index;
    private final ApicBus bus;
    private final ReentrantLock lock;
    private final Timers.Timer timer;
    private final Timers timers;

    private final int[] r = new int[64];
    private long apicBase;
    private long tscDeadline;
    private long timerStart;
    private int pendingErrors;
    private boolean nmi;
    private boolean init;
    private int startup = -1;
    /** INIT has come, or power, and no start-up IPI since: one that comes at another time is ignored (SDM vol. 3, 9.4.4). */
    private boolean waitForSipi;
    /** Whether its CPU is in the machine: what is not takes no message. */
    private boolean present = true;

    private volatile boolean external;
    private volatile boolean any;
    private Runnable onPending = () -> {};
    private BooleanSupplier extInt = () -> false;
    private IntSupplier extIntAcknowledge = () -> -1;
    private EoiListener eoiListener = vector -> {};

    /** Is told of the end of level-triggered interrupts: the I/O APIC. */
    @FunctionalInterface
    interface EoiListener {
        void endOfInterrupt(int vector);
    }

    /**
     * The APIC of vCPU {@code index}.
     *
     * @param lock the machine lock
     */
    public LocalApic(int index, ApicBus bus, Timers timers, ReentrantLock lock) {
        this.index = index;
        this.bus = bus;
        this.lock = lock;
        this.timers = timers;
        timer = timers.timer(this::timerFired);
        bus.add(this);
        reset();
    }

    /** Wires the 8259s to LINT0 (virtual wire mode): whether they have an interrupt, and how to take it. */
    public void wireExtInt(BooleanSupplier pending, IntSupplier acknowledge) {
        extInt = pending;
        extIntAcknowledge = acknowledge;
    }

    void onEoi(EoiListener listener) {
        eoiListener = listener;
    }

    // ---- Device ----

    @Override
    public String name() {
        return "lapic" + index;
    }

    @Override
    public void reset() {
        apicBase = 0xfee00000L | BASE_ENABLE | (index == 0 ? BASE_BSP : 0);
        resetRegisters();
        r[ID] = index << 24;
        nmi = false;
        init = false;
        startup = -1;
        waitForSipi = index != 0;
        update();
    }

    /** What an INIT resets (11.4.7.3): all registers but the id, and no more than registers. */
    private void resetRegisters() {
        int id = r[ID];
        java.util.Arrays.fill(r, 0);
        r[ID] = id;
        r[VERSION] = 5 << 16 | 0x14;
        r[DFR] = -1;
        r[SVR] = 0xff;
        for (int l = LVT_TIMER; l <= LVT_ERROR; l++) {
            r[l] = MASKED;
        }
        timer.cancel();
        tscDeadline = 0;
        timerStart = 0;
        pendingErrors = 0;
    }

    @Override
    public LocalApicState save() {
        return new LocalApicState(
                2,
                apicBase,
                page(),
                timer.deadline(),
                timerStart,
                tscDeadline,
                nmi,
                init,
                startup,
                waitForSipi,
                pendingErrors);
    }

    /** The number of the CPU it belongs to, its initial APIC id. */
    public int index() {
        return index;
    }

    /**
     * Its CPU comes into the machine or leaves it; in either case it is as after power-on, but for what {@link #restore} brings.
     * With the machine lock held.
     */
    public void present(boolean now) {
        present = now;
        reset();
    }

    /** Whether an NMI, INIT or start-up IPI waits: what a CPU takes whatever its IF. With the machine lock held. */
    public boolean unmaskablePending() {
        return nmi || startPending();
    }

    /** Whether INIT or a start-up IPI waits: what a CPU takes that waits for the latter. With the machine lock held. */
    public boolean startPending() {
        return init || startup >= 0;
    }

    /** Whether the CPU waits for a start-up IPI and none has come. */
    public boolean waitsForStartup() {
        return waitForSipi;
    }

    /** The register page: each register in the first four of its 16 bytes. */
    public byte[] page() {
        ByteBuffer b = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < r.length; i++) {
            b.putInt(i * 16, r[i]);
        }
        return b.array();
    }

    @Override
    public void restore(LocalApicState s) {
        if (s.version() != 2 || s.page().length != 4096) {
            throw new IllegalArgumentException("local APIC state of version " + s.version());
        }
        ByteBuffer b = ByteBuffer.wrap(s.page()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < r.length; i++) {
            r[i] = b.getInt(i * 16);
        }
        apicBase = s.apicBase();
        tscDeadline = s.tscDeadline();
        timerStart = s.timerStart();
        nmi = s.nmi();
        init = s.init();
        startup = s.startup();
        waitForSipi = s.waitForSipi();
        pendingErrors = s.errors();
        timer.restore(s.timerDeadline());
        update();
    }

    @Override
    public Class<LocalApicState> stateType() {
        return LocalApicState.class;
    }

    // ---- state of interrupts ----

    private boolean enabled() {
        return (apicBase & BASE_ENABLE) != 0;
    }

    private boolean softEnabled() {
        return enabled() && (r[SVR] & SVR_ENABLE) != 0;
    }

    private boolean x2() {
        return (apicBase & BASE_X2) != 0;
    }

    /** Where the register page is, or -1 while it can't be reached by memory. */
    public long mmioBase() {
        return enabled() && !x2() ? apicBase & 0xfffffff000L : -1;
    }

    private static int highest(int[] r, int first) {
        for (int w = 7; w >= 0; w--) {
            if (r[first + w] != 0) {
                return w * 32 + 31 - Integer.numberOfLeadingZeros(r[first + w]);
            }
        }
        return -1;
    }

    private void set(int first, int vector) {
        r[first + (vector >>> 5)] |= 1 << (vector & 31);
    }

    private void clear(int first, int vector) {
        r[first + (vector >>> 5)] &= ~(1 << (vector & 31));
    }

    private boolean get(int first, int vector) {
        return (r[first + (vector >>> 5)] & 1 << (vector & 31)) != 0;
    }

    /** The processor priority: SDM vol. 3, 11.8.3.1. */
    int priority() {
        int isr = highest(r, ISR);
        int tpr = r[TPR] & 0xff;
        return isr >= 0 && (isr & 0xf0) > (tpr & 0xf0) ? isr & 0xf0 : tpr;
    }

    private boolean lint0ExtInt() {
        return !enabled() || (r[LVT_LINT0] & MASKED) == 0 && (r[LVT_LINT0] >>> 8 & 7) == ApicBus.EXTINT;
    }

    private int deliverable() {
        if (!softEnabled()) {
            return -1;
        }
        int v = highest(r, IRR);
        return v >= 0 && (v & 0xf0) > (priority() & 0xf0) ? v : -1;
    }

    /** Looks anew at what the vCPU could take. To be called with the machine lock held, also by the 8259s. */
    public void update() {
        boolean ext = deliverable() >= 0 || lint0ExtInt() && extInt.getAsBoolean();
        external = ext;
        boolean now = ext || nmi || init || startup >= 0;
        any = now;
        if (now) {
            onPending.run();
        }
    }

    /**
     * Whether a destination names this one.
     *
     * @param destination 32 bits; all ones are everybody, and so is the byte 0xff, which is all that a message or an xAPIC has for it
     * @param wide from an x2APIC's ICR, where 0xff is an id or a set of eight like any other (SDM vol. 3, 11.12.9)
     */
    boolean matches(int destination, boolean logical, boolean wide) {
        if (!present || !enabled()) {
            return false;
        }
        if (x2()) {
            if (destination == -1 || destination == 0xff && !wide) {
                return true;
            }
            return logical
                    ? destination >>> 16 == index >>> 4 && (destination & 1 << (index & 15)) != 0
                    : destination == index;
        }
        if (destination == -1 || destination == 0xff) {
            return true;
        }
        if (!logical) {
            return destination == r[ID] >>> 24;
        }
        int ldr = r[LDR] >>> 24;
        if (r[DFR] >>> 28 == 0xf) {
            return (destination & ldr & 0xff) != 0;
        }
        return destination >>> 4 == ldr >>> 4 && (destination & ldr & 0xf) != 0;
    }

    void accept(int mode, int vector, boolean level) {
        if (!present) {
            return;
        }
        switch (mode) {
            case ApicBus.FIXED, ApicBus.LOWEST -> {
                if (vector < 16) {
                    error(ESR_RECEIVE_ILLEGAL);
                    return;
                }
                if (!softEnabled()) {
                    return;
                }
                set(IRR, vector);
                if (level) {
                    set(TMR, vector);
                } else {
                    clear(TMR, vector);
                }
            }
            case ApicBus.NMI -> nmi = true;
            case ApicBus.INIT -> {
                init = true;
                startup = -1;
                waitForSipi = index != 0;
            }
            case ApicBus.STARTUP -> {
                if (waitForSipi) {
                    startup = vector;
                    waitForSipi = false;
                }
            }
            default -> {
                // SMI: there is no SMM yet; ExtINT messages are the 8259's line
            }
        }
        update();
    }

    /**
     * Notes an error. The interrupt for it comes once, until a write to the ESR arms it again (SDM vol. 3, 11.5.3): its own vector
     * may be an illegal one.
     */
    private void error(int bit) {
        boolean armed = pendingErrors == 0;
        pendingErrors |= bit;
        if (armed) {
            local(LVT_ERROR);
        }
    }

    /** Fires a local vector table entry. */
    private void local(int lvt) {
        int v = r[lvt];
        if ((v & MASKED) == 0) {
            accept(v >>> 8 & 7, v & 0xff, false);
        }
    }

    // ---- InterruptSource ----

    @Override
    public boolean pending() {
        return any;
    }

    @Override
    public boolean externalPending() {
        return external;
    }

    @Override
    public int acknowledge() {
        lock.lock();
        try {
            int v = deliverable();
            if (v >= 0) {
                clear(IRR, v);
                set(ISR, v);
                update();
                return v;
            }
            int p = lint0ExtInt() && extInt.getAsBoolean() ? extIntAcknowledge.getAsInt() : -1;
            update();
            return p;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean takeNmi() {
        if (!nmi) {
            return false;
        }
        lock.lock();
        try {
            nmi = false;
            update();
            return true;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean takeInit() {
        if (!init) {
            return false;
        }
        lock.lock();
        try {
            init = false;
            resetRegisters();
            update();
            return true;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int takeStartup() {
        lock.lock();
        try {
            int v = startup;
            startup = -1;
            update();
            return v;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int taskPriority() {
        return r[TPR] >>> 4 & 15;
    }

    @Override
    public void taskPriority(int priority) {
        lock.lock();
        try {
            r[TPR] = (priority & 15) << 4;
            update();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void onPending(Runnable action) {
        onPending = action;
    }

    // ---- timer: SDM vol. 3, 11.5.4 ----

    private int timerMode() {
        return r[LVT_TIMER] >>> 17 & 3;
    }

    private int divisor() {
        int d = r[DIVIDE] & 3 | r[DIVIDE] >>> 1 & 4;
        return d == 7 ? 1 : 2 << d;
    }

    private long countNanos(long count) {
        // count < 2^32, divisor <= 128, so the product stays below 2^63 / 40
        return count * divisor() * (1_000_000_000L / CpuModel.APIC_HZ);
    }

    private void startTimer() {
        timer.cancel();
        long count = r[INITIAL] & 0xffffffffL;
        timerStart = timers.clock().nanos();
        if (count != 0 && timerMode() != TSC_DEADLINE) {
            timer.arm(timerStart + countNanos(count));
        }
    }

    private int currentCount() {
        long count = r[INITIAL] & 0xffffffffL;
        if (count == 0 || timerMode() == TSC_DEADLINE || !timer.armed()) {
            return 0;
        }
        long left = timer.deadline() - timers.clock().nanos();
        return (int) Math.max(0, left / (divisor() * (1_000_000_000L / CpuModel.APIC_HZ)));
    }

    private void timerFired() {
        if (timerMode() == PERIODIC) {
            long period = countNanos(r[INITIAL] & 0xffffffffL);
            long next = timerStart + period;
            long now = timers.clock().nanos();
            if (next + period <= now) {
                next = now; // far behind: drop what was missed
            }
            timerStart = next;
            timer.arm(Math.max(next + period, now + 1));
        } else {
            tscDeadline = 0;
        }
        local(LVT_TIMER);
    }

    private void armDeadline(long tsc) {
        timer.cancel();
        tscDeadline = tsc;
        if (tsc != 0) {
            // the TSC runs at 1 GHz: a tick is a nanosecond of the guest clock
            timer.arm(tsc < 0 ? Timers.NEVER - 1 : tsc);
        }
    }

    // ---- registers ----

    @Override
    public long readMmio(long offset, int size) {
        int n = (int) offset >>> 4;
        int v = n < r.length && (offset & 15) < 4 ? read(n) : 0;
        return v >>> (int) (offset & 3) * 8 & (size >= 4 ? 0xffffffffL : (1L << size * 8) - 1);
    }

    @Override
    public void writeMmio(long offset, int size, long value) {
        // only aligned doublewords are defined
        if (size >= 4 && (offset & 15) == 0) {
            write((int) offset >>> 4, (int) value);
        }
    }

    private int read(int n) {
        return switch (n) {
            case PPR -> priority();
            case CURRENT -> currentCount();
            case APR, EOI -> 0;
            case ID -> x2() ? index : r[ID];
            case LDR -> x2() ? index >>> 4 << 16 | 1 << (index & 15) : r[LDR];
            default -> {
                if (!exists(n)) {
                    error(ESR_REGISTER);
                    yield 0;
                }
                yield r[n];
            }
        };
    }

    /** Whether there is a register: SDM vol. 3, table 11-1, without CMCI, as the version register tells of six LVT entries. */
    private static boolean exists(int n) {
        return n == ID
                || n == VERSION
                || n >= TPR && n <= SVR && n != SVR - 3
                || n >= ISR && n <= ESR
                || n >= ICR_LOW && n <= CURRENT
                || n == DIVIDE;
    }

    private void write(int n, int v) {
        switch (n) {
            case ID -> r[ID] = v & 0xff000000;
            case TPR -> r[TPR] = v & 0xff;
            case EOI -> endOfInterrupt();
            case LDR -> r[LDR] = v & 0xff000000;
            case DFR -> r[DFR] = v | 0x0fffffff;
            case SVR -> {
                r[SVR] = v & 0x1ff;
                if ((v & SVR_ENABLE) == 0) {
                    for (int l = LVT_TIMER; l <= LVT_ERROR; l++) {
                        r[l] |= MASKED;
                    }
                }
            }
            case ESR -> {
                r[ESR] = pendingErrors;
                pendingErrors = 0;
            }
            case ICR_LOW -> {
                r[ICR_LOW] = v & 0xccfff;
                send(r[ICR_HIGH] >>> 24);
            }
            case ICR_HIGH -> r[ICR_HIGH] = v & 0xff000000;
            case LVT_TIMER -> {
                int old = timerMode();
                r[LVT_TIMER] = lvt(v, 0x700ff);
                if (timerMode() != old) {
                    timer.cancel();
                    tscDeadline = 0;
                }
            }
            case LVT_THERMAL, LVT_PERF -> r[n] = lvt(v, 0x107ff);
            case LVT_LINT0, LVT_LINT1 -> r[n] = lvt(v, 0x1a7ff);
            case LVT_ERROR -> r[n] = lvt(v, 0x100ff);
            case INITIAL -> {
                r[INITIAL] = v;
                if (timerMode() != TSC_DEADLINE) {
                    startTimer();
                }
            }
            case DIVIDE -> r[DIVIDE] = v & 0xb;
            default -> {
                if (!exists(n)) {
                    error(ESR_REGISTER);
                }
            }
        }
        update();
    }

    private int lvt(int v, int mask) {
        return v & mask | (softEnabled() ? 0 : MASKED);
    }

    private void endOfInterrupt() {
        int v = highest(r, ISR);
        if (v >= 0) {
            clear(ISR, v);
            if (get(TMR, v)) {
                eoiListener.endOfInterrupt(v);
            }
        }
    }

    /** Sends the interrupt in ICR: SDM vol. 3, 11.6.1. */
    private void send(int destination) {
        int icr = r[ICR_LOW];
        int mode = icr >>> 8 & 7;
        int vector = icr & 0xff;
        boolean level = (icr & 0x8000) != 0;
        if (mode == ApicBus.INIT && level && (icr & 0x4000) == 0) {
            return; // INIT level de-assert: nothing on processors since the Pentium 4
        }
        if (mode == ApicBus.FIXED && vector < 16) {
            error(ESR_SEND_ILLEGAL);
            return;
        }
        switch (icr >>> 18 & 3) {
            case 0 -> bus.deliver(destination, (icr & 0x800) != 0, x2(), mode, vector, false);
            case 1 -> accept(mode, vector, false);
            default -> {
                for (LocalApic a : bus.apics()) {
                    if (a != this || (icr >>> 18 & 3) == 2) {
                        a.accept(mode, vector, false);
                    }
                }
            }
        }
    }

    // ---- MSRs ----

    /** Reads IA32_APIC_BASE, IA32_TSC_DEADLINE or an x2APIC register (SDM vol. 3, table 11-6). */
    public long readMsr(int index) throws GeneralProtection {
        lock.lock();
        try {
            if (index == Msr.APIC_BASE) {
                return apicBase;
            }
            if (index == Msr.TSC_DEADLINE) {
                return timerMode() == TSC_DEADLINE ? tscDeadline : 0;
            }
            int n = index - 0x800;
            if (!x2() || !exists(n) || n == APR || n == ICR_HIGH || n == DFR || n == EOI) {
                throw GeneralProtection.FAULT;
            }
            long v = read(n) & 0xffffffffL;
            return n == ICR_LOW ? v | (long) r[ICR_HIGH] << 32 : v;
        } finally {
            lock.unlock();
        }
    }

    /** Writes one of them. */
    public void writeMsr(int index, long v) throws GeneralProtection {
        lock.lock();
        try {
            if (index == Msr.APIC_BASE) {
                writeBase(v);
                return;
            }
            if (index == Msr.TSC_DEADLINE) {
                if (timerMode() == TSC_DEADLINE) {
                    armDeadline(v);
                }
                return;
            }
            int n = index - 0x800;
            if (!x2() || (v & ~x2Writable(n)) != 0) {
                throw GeneralProtection.FAULT;
            }
            switch (n) {
                case ICR_LOW -> {
                    r[ICR_LOW] = (int) v & 0xccfff;
                    r[ICR_HIGH] = (int) (v >>> 32);
                    send(r[ICR_HIGH]);
                    update();
                }
                case SELF -> {
                    // as by the ICR with the shorthand "self" (11.12.11)
                    int vector = (int) v;
                    if (vector < 16) {
                        error(ESR_SEND_ILLEGAL);
                        update();
                    } else {
                        accept(ApicBus.FIXED, vector, false);
                    }
                }
                default -> write(n, (int) v);
            }
        } finally {
            lock.unlock();
        }
    }

    /** The bits that WRMSR may set in an x2APIC register; any other faults (11.12.1.3). Of one that is not there, or can only be read: none is. */
    private static long x2Writable(int n) throws GeneralProtection {
        return switch (n) {
            case TPR, SELF -> 0xff;
            case EOI, ESR -> 0;
            case SVR -> 0x3ff; // bit 9, focus checking, does nothing
            case ICR_LOW -> 0xffffffff_000cdfffL;
            case LVT_TIMER -> 0x710ff;
            case LVT_THERMAL, LVT_PERF -> 0x117ff;
            case LVT_LINT0, LVT_LINT1 -> 0x1f7ff;
            case LVT_ERROR -> 0x110ff;
            case INITIAL -> 0xffffffffL;
            case DIVIDE -> 0xb;
            default -> throw GeneralProtection.FAULT;
        };
    }

    private void writeBase(long v) throws GeneralProtection {
        boolean wasOn = enabled();
        boolean on = (v & BASE_ENABLE) != 0;
        boolean x = (v & BASE_X2) != 0;
        // SDM vol. 3, figure 11-27: x2APIC only from xAPIC, and back only through disabled
        if ((v & ~0xffffffff00L & ~(BASE_ENABLE | BASE_X2 | BASE_BSP)) != 0
                || x && !on
                || x && !wasOn
                || x2() && on && !x) {
            throw GeneralProtection.FAULT;
        }
        apicBase = v & ~BASE_BSP & 0xfffffffd00L | apicBase & BASE_BSP;
        if (!on && wasOn) {
            resetRegisters(); // 11.4.3: as after INIT when it is on again
        }
        update();
    }
}
