package serai.kvm;

import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.linux.Errno;
import serai.linux.Fd;
import serai.linux.HostThread;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;
import serai.machine.engine.CpuState;
import serai.machine.engine.CpuState.Activity;
import serai.machine.engine.Exit;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.engine.VcpuStats;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;

/**
 * A vCPU on KVM: the loop round KVM_RUN.
 *
 * <h2>Between two instructions</h2>
 *
 * KVM finishes a port, memory or MSR access only on the next entry: until then RIP still points at it and the value read
 * is not in its register. Before {@link #run} returns it therefore enters once more with {@code immediate_exit}, which
 * finishes the access (or brings its next fragment as a further exit) and executes nothing else. So whoever stopped the
 * vCPU finds a state that can be saved.
 *
 * <h2>Kicks</h2>
 *
 * {@link #kick} sets its flag, then {@code immediate_exit}, then looks whether the vCPU is in the kernel and signals its
 * thread if so. {@link #run} clears {@code immediate_exit}, then looks at the flag, then says that it is in the kernel,
 * then enters. All are volatile: either the loop sees the flag, or its clearing came before the kick's setting and the
 * kernel sees {@code immediate_exit} or gets the signal. No order loses a kick. An interrupt that another thread makes
 * pending goes the same way with the interrupt source in place of the flag, and is taken without a return from run.
 *
 * <h2>Interrupts</h2>
 *
 * The local APIC is the machine's. Before each entry the loop takes what it can: INIT, start-up, NMI; an external
 * interrupt if the last exit said that the guest would take one, else it asks for an exit as soon as it would. CR8 goes in
 * and out by the shared page; a guest that lowers it exits.
 */
public final class KvmVcpu implements Vcpu {
    private enum Cause {
        PORT_READ("port-read"),
        PORT_WRITE("port-write"),
        MMIO_READ("mmio-read"),
        MMIO_WRITE("mmio-write"),
        MSR_READ("msr-read"),
        MSR_WRITE("msr-write"),
        HLT("hlt"),
        INTERRUPT_WINDOW("interrupt-window"),
        TPR("tpr"),
        DEBUG("debug"),
        KICK("kick"),
        OTHER("other"),
        /** Not an exit: interrupts given to the guest. */
        INTERRUPT("interrupt");

        private final String label;

        Cause(String label) {
            this.label = label;
        }
    }

    private static final long RFLAGS_IF = 1 << 9;
    private static final int MAX_BREAKPOINTS = 4;
    /** Fragments of one access are at most some dozens; more means that KVM doesn't finish it. */
    private static final int MAX_FRAGMENTS = 4096;

    private final Fd fd;
    private final SharedMapping mapping;
    private final RunPage page;
    private final VcpuHost host;
    private final InterruptSource interrupts;
    private final KvmCapabilities capabilities;
    private final StateTransfer transfer;
    private final int signature;
    private final EnumMap<Cause, long[]> counts = new EnumMap<>(Cause.class);
    private boolean stepping;
    private boolean steppingOff;
    /** Debug registers have no effect on this host: breakpoints are looked for after each single step. */
    private boolean breakpointsByStepping;

    private final Object closing = new Object();
    private boolean closed;
    private volatile boolean kicked;
    private volatile boolean inKernel;
    private volatile @Nullable HostThread runner;
    private @Nullable Thread runnerThread;

    private Activity activity = Activity.RUNNING;
    private int smbase = 0x30000;
    private boolean accessUnfinished;
    private boolean readyForInjection;
    private boolean interruptFlag;
    private long[] breakpoints = {};
    private boolean passBreakpoint;
    private int debugControl;
    private String failure = "";

    KvmVcpu(Fd fd, SharedMapping mapping, VcpuHost host, KvmCapabilities capabilities, XsaveLayout xsave)
            throws LinuxException {
        this.fd = fd;
        this.mapping = mapping;
        this.page = new RunPage(mapping.segment());
        this.host = host;
        this.interrupts = host.interrupts();
        this.capabilities = capabilities;
        this.transfer = new StateTransfer(fd, capabilities, xsave);
        this.signature = host.model().cpuid(1, 0, host.index()).eax();
        take(ResetState.withTscOffset(initState(), 0));
        interrupts.onPending(this::interruptRun);
    }

    KvmCapabilities capabilities() {
        return capabilities;
    }

    // ---- running ----

    @Override
    public Exit run(long maxInstructions) {
        bindThread();
        if (!failure.isEmpty()) {
            return Exit.FAILED;
        }
        if (maxInstructions <= 0) {
            return Exit.BUDGET;
        }
        try {
            stepping = maxInstructions == 1;
            Exit exit = loop();
            return exit == Exit.FAILED ? exit : finishAccess(exit);
        } catch (LinuxException e) {
            return failed(e.getMessage());
        }
    }

    private void bindThread() {
        if (runnerThread != Thread.currentThread()) {
            runner = HostThread.current();
            runnerThread = Thread.currentThread();
        }
    }

    private Exit loop() throws LinuxException {
        if (breakpointsByStepping && breakpoints.length > 0 && !passBreakpoint && !stepping && standsAtBreakpoint()) {
            return Exit.BREAKPOINT;
        }
        steppingOff = !stepping && passBreakpoint;
        passBreakpoint = false;
        while (true) {
            page.immediateExit(false);
            if (kicked) {
                kicked = false;
                passBreakpoint = steppingOff;
                return Exit.KICKED;
            }
            if (activity == Activity.SHUTDOWN && !interrupts.pending()) {
                return Exit.SHUTDOWN;
            }
            takeEvents();
            if (activity == Activity.SHUTDOWN) {
                return Exit.SHUTDOWN;
            }
            if (activity == Activity.WAIT_FOR_SIPI) {
                return Exit.HALTED;
            }
            if (activity == Activity.HALTED) {
                if (!interruptFlag) {
                    return Exit.HALTED_FOR_EVER;
                }
                if (!interrupts.externalPending()) {
                    return Exit.HALTED;
                }
                activity = Activity.RUNNING;
            }
            offerInterrupt();
            page.cr8(interrupts.taskPriority());
            debug(stepping || steppingOff || (breakpointsByStepping && breakpoints.length > 0));
            int r = enter();
            if (r == -Errno.EINTR) {
                count(Cause.KICK);
                continue;
            }
            if (r == -Errno.EAGAIN) {
                continue;
            }
            if (r < 0) {
                return failed("KVM_RUN failed with " + Errno.name(-r));
            }
            Exit exit = dispatch();
            if (exit != null) {
                return exit;
            }
            if (accessUnfinished && (debugControl & Kvm.GUESTDBG_SINGLESTEP) != 0) {
                // KVM's emulator does not trap after a store to a device: what was finished was the one step
                exit = finishAccess(Exit.BUDGET);
                if (stepping || exit != Exit.BUDGET) {
                    return exit;
                }
                steppingOff = false;
                if (breakpointsByStepping && standsAtBreakpoint()) {
                    return Exit.BREAKPOINT;
                }
            }
        }
    }

    /** One KVM_RUN: its result, or -errno. Ends an access that waits to be finished. */
    private int enter() {
        inKernel = true;
        int r = fd.ioctl(Kvm.RUN, 0);
        inKernel = false;
        accessUnfinished = false;
        readyForInjection = page.readyForInjection();
        interruptFlag = page.interruptFlag();
        interrupts.taskPriority(page.cr8());
        return r;
    }

    /** INIT, start-up and NMI, as far as this activity takes them. */
    private void takeEvents() throws LinuxException {
        if (!interrupts.pending()) {
            return;
        }
        if (interrupts.takeInit()) {
            finishAccess(Exit.KICKED);
            take(initState());
        }
        if (activity == Activity.WAIT_FOR_SIPI) {
            int vector = interrupts.takeStartup();
            if (vector >= 0) {
                take(ResetState.startup(transfer.save(host, activity, smbase), vector & 0xff));
            }
        } else if (activity != Activity.SHUTDOWN && interrupts.takeNmi()) {
            fd.ioctl(Kvm.NMI, 0, "KVM_NMI");
            activity = Activity.RUNNING;
        }
    }

    private CpuState initState() throws LinuxException {
        return ResetState.init(
                transfer.save(host, activity, smbase),
                signature,
                host.index() == 0 ? Activity.RUNNING : Activity.WAIT_FOR_SIPI);
    }

    private void offerInterrupt() throws LinuxException {
        if (interrupts.externalPending() && readyForInjection) {
            int vector = interrupts.acknowledge();
            if (vector >= 0) {
                try (Arena arena = Arena.ofConfined()) {
                    fd.ioctl(
                            Kvm.INTERRUPT,
                            arena.allocateFrom(ValueLayout.JAVA_INT, vector & 0xff)
                                    .address(),
                            "KVM_INTERRUPT");
                }
                count(Cause.INTERRUPT);
                readyForInjection = false;
            }
        }
        page.requestInterruptWindow(interrupts.externalPending());
    }

    /** Lets KVM end the access under way, so that the state is that between two instructions. */
    private Exit finishAccess(Exit then) throws LinuxException {
        for (int i = 0; accessUnfinished; i++) {
            if (i == MAX_FRAGMENTS) {
                return failed("KVM does not finish an access to a device");
            }
            page.immediateExit(true);
            int r = enter();
            page.immediateExit(false);
            if (r == -Errno.EINTR) {
                break;
            }
            if (r < 0) {
                return failed("KVM_RUN failed with " + Errno.name(-r));
            }
            Exit exit = dispatch();
            if (exit != null) {
                // the exit of the access itself (an emulator's failure, a trap after it) outweighs a kick: it comes
                // only once
                kicked |= then == Exit.KICKED && exit != Exit.FAILED;
                return exit;
            }
        }
        return then;
    }

    // ---- exits ----

    private @Nullable Exit dispatch() throws LinuxException {
        switch (page.exitReason()) {
            case Kvm.EXIT_IO -> port();
            case Kvm.EXIT_MMIO -> mmio();
            case Kvm.EXIT_X86_RDMSR -> readMsr();
            case Kvm.EXIT_X86_WRMSR -> writeMsr();
            case Kvm.EXIT_HLT -> {
                count(Cause.HLT);
                activity = Activity.HALTED;
                return stepping ? Exit.BUDGET : null;
            }
            case Kvm.EXIT_IRQ_WINDOW_OPEN -> count(Cause.INTERRUPT_WINDOW);
            case Kvm.EXIT_SET_TPR -> count(Cause.TPR);
            case Kvm.EXIT_INTR -> count(Cause.KICK);
            case Kvm.EXIT_DEBUG -> {
                count(Cause.DEBUG);
                if (stepping) {
                    return Exit.BUDGET;
                }
                boolean steppedOff = steppingOff;
                steppingOff = false;
                if (breakpointsByStepping ? !standsAtBreakpoint() : steppedOff) {
                    return null;
                }
                return Exit.BREAKPOINT;
            }
            case Kvm.EXIT_SHUTDOWN -> {
                count(Cause.OTHER);
                activity = Activity.SHUTDOWN;
                return Exit.SHUTDOWN;
            }
            case Kvm.EXIT_FAIL_ENTRY -> {
                return failed("the CPU refused to enter the guest (reason %#x)".formatted(page.failEntryReason()));
            }
            case Kvm.EXIT_INTERNAL_ERROR -> {
                return failed(internalError());
            }
            default -> {
                return failed("KVM stopped the guest with exit reason %d, which nobody asked for"
                        .formatted(page.exitReason()));
            }
        }
        return null;
    }

    private void port() {
        int port = page.ioPort();
        int size = page.ioSize();
        long at = page.ioDataOffset();
        boolean out = page.ioOut();
        count(out ? Cause.PORT_WRITE : Cause.PORT_READ);
        accessUnfinished = true;
        for (int i = page.ioCount(); i > 0; i--, at += size) { // more than one: INS, OUTS
            if (out) {
                host.portWrite(port, size, (int) page.data(at, size));
            } else {
                page.data(at, size, host.portRead(port, size));
            }
        }
    }

    private void mmio() {
        long address = page.mmioAddress();
        int length = Math.clamp(page.mmioLength(), 0, 8);
        boolean write = page.mmioWrite();
        count(write ? Cause.MMIO_WRITE : Cause.MMIO_READ);
        accessUnfinished = true;
        // an access across pages comes in fragments of any length
        for (int done = 0; done < length; ) {
            int size = Integer.highestOneBit(length - done);
            if (write) {
                host.mmioWrite(address + done, size, page.data(RunPage.DATA + done, size));
            } else {
                page.data(RunPage.DATA + done, size, load(address + done, size));
            }
            done += size;
        }
    }

    /** A load that exited: from a device, or from ROM on a host that can't map it. */
    private long load(long address, int size) {
        if (capabilities.readOnlyMemory() || host.memory().host(address) == 0) {
            return host.mmioRead(address, size);
        }
        long value = 0;
        for (int i = 0; i < size; i++) {
            value |= (long) host.memory().readByte(address + i) << 8 * i;
        }
        return value;
    }

    private void readMsr() {
        count(Cause.MSR_READ);
        accessUnfinished = true;
        boolean fault = !host.ownsMsr(page.msrIndex());
        if (!fault) {
            try {
                page.msrData(host.readMsr(page.msrIndex()));
            } catch (GeneralProtection e) {
                fault = true;
            }
        }
        page.msrError(fault);
    }

    private void writeMsr() {
        count(Cause.MSR_WRITE);
        accessUnfinished = true;
        boolean fault = !host.ownsMsr(page.msrIndex());
        if (!fault) {
            try {
                host.writeMsr(page.msrIndex(), page.msrData());
            } catch (GeneralProtection e) {
                fault = true;
            }
        }
        page.msrError(fault);
    }

    private String internalError() {
        StringBuilder s = new StringBuilder("KVM gave up with an internal error, suberror ").append(page.suberror());
        if (page.suberror() == 1) {
            s.append(" (an instruction that its emulator lacks)");
        }
        int n = page.internalCount();
        if (n > 0) {
            s.append(", data");
            for (int i = 0; i < n; i++) {
                s.append(" %x".formatted(page.internalData(i)));
            }
        }
        return s.toString();
    }

    private Exit failed(String why) {
        count(Cause.OTHER);
        String where = "";
        try {
            StateTransfer.Control c = transfer.control();
            where = ", at rip %#x (cs base %#x, cr0 %#x)".formatted(c.rip(), c.csBase(), c.cr0());
            long physical =
                    PageWalk.translate(host.memory(), c.cr0(), c.cr3(), c.cr4(), c.efer(), c.csBase() + c.rip());
            if (physical >= 0 && host.memory().host(physical) != 0) {
                StringBuilder code = new StringBuilder(", code");
                long left = GuestMemory.PAGE_SIZE - physical % GuestMemory.PAGE_SIZE;
                for (int i = 0; i < Math.min(8, left); i++) {
                    code.append(" %02x".formatted(host.memory().readByte(physical + i)));
                }
                where += code;
            }
        } catch (LinuxException e) {
            where = "";
        }
        failure = why + where;
        return Exit.FAILED;
    }

    @Override
    public String failure() {
        return failure;
    }

    // ---- kick ----

    @Override
    public void kick() {
        kicked = true;
        interruptRun();
    }

    /** Makes the loop look again, from any thread: a KVM_RUN in progress or the next one ends at once. */
    private void interruptRun() {
        synchronized (closing) {
            if (closed) {
                return;
            }
            page.immediateExit(true);
        }
        HostThread thread = runner;
        if (inKernel && thread != null) {
            thread.interruptSystemCall();
        }
    }

    // ---- counting ----

    private void count(Cause cause) {
        counts.computeIfAbsent(cause, c -> new long[1])[0]++;
    }

    /** False: KVM runs for a time, not for a number of instructions; a budget of one is a single step all the same. */
    @Override
    public boolean countsInstructions() {
        return false;
    }

    /** Always 0. */
    @Override
    public long instructions() {
        return 0;
    }

    @Override
    public VcpuStats stats() {
        Map<String, Long> exits = new LinkedHashMap<>();
        counts.forEach((cause, n) -> exits.put(cause.label, n[0]));
        return new VcpuStats(-1, exits, -1);
    }

    // ---- state ----

    /**
     * {@inheritDoc}
     *
     * @throws UncheckedIOException if the kernel refuses
     */
    @Override
    public CpuState save() {
        try {
            finishAccess(Exit.KICKED); // left only by a host that threw out of an access
            return transfer.save(host, activity, smbase);
        } catch (LinuxException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if this host's CPU can't hold the state
     * @throws UncheckedIOException if the kernel refuses it
     */
    @Override
    public void restore(CpuState state) {
        try {
            take(state);
            failure = "";
        } catch (LinuxException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    private void take(CpuState state) throws LinuxException {
        finishAccess(Exit.KICKED);
        transfer.restore(state, host);
        interrupts.taskPriority((int) state.cr()[4] & 15);
        CpuState.Events e = state.events();
        activity = e.activity();
        smbase = state.smbase();
        passBreakpoint = false;
        interruptFlag = (state.rflags() & RFLAGS_IF) != 0;
        readyForInjection =
                interruptFlag && !e.stiShadow() && !e.movSsShadow() && !e.exceptionPending() && !e.interruptInjected();
    }

    // ---- debugger ----

    /**
     * {@inheritDoc} By the CPU's debug registers, which the guest loses while there are any.
     *
     * @throws IllegalArgumentException if there are more than four
     * @throws UnsupportedOperationException if this host's KVM has no guest debugging
     */
    @Override
    public void breakpoints(long[] linearAddresses) {
        if (linearAddresses.length > MAX_BREAKPOINTS) {
            throw new IllegalArgumentException("%d breakpoints are more than the %d the kvm engine has"
                    .formatted(linearAddresses.length, MAX_BREAKPOINTS));
        }
        if (linearAddresses.length > 0 && !capabilities.guestDebug()) {
            throw new UnsupportedOperationException("this host's KVM has no breakpoints");
        }
        if (linearAddresses.length > 0) {
            breakpointsByStepping = !KvmProbe.debugRegistersWork();
        }
        breakpoints = linearAddresses.clone();
        debugControl = -1;
    }

    @Override
    public void passBreakpoint() {
        passBreakpoint = true;
    }

    /**
     * {@inheritDoc} This engine has none.
     *
     * @throws UnsupportedOperationException if there is one
     */
    @Override
    public void watchpoints(List<Watchpoint> list) {
        if (!list.isEmpty()) {
            throw new UnsupportedOperationException("the kvm engine has no watchpoints; engine=java has them");
        }
    }

    @Override
    public @Nullable Watchpoint watchpointHit() {
        return null;
    }

    private boolean standsAtBreakpoint() throws LinuxException {
        StateTransfer.Control c = transfer.control();
        for (long b : breakpoints) {
            if (b == c.csBase() + c.rip()) {
                return true;
            }
        }
        return false;
    }

    /** Sets breakpoints, or a single step with the breakpoints off: that also leads off one that was hit. */
    private void debug(boolean step) throws LinuxException {
        int control = step
                ? Kvm.GUESTDBG_ENABLE | Kvm.GUESTDBG_SINGLESTEP
                : breakpoints.length > 0 ? Kvm.GUESTDBG_ENABLE | Kvm.GUESTDBG_USE_HW_BP : 0;
        if (control == debugControl) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment d = arena.allocate(72, 8); // control, pad, debugreg[8] @8
            d.set(ValueLayout.JAVA_INT, 0, control);
            if (!step) {
                long dr7 = 0x400;
                for (int i = 0; i < breakpoints.length; i++) {
                    d.set(ValueLayout.JAVA_LONG, 8 + 8L * i, breakpoints[i]);
                    dr7 |= 2L << 2 * i; // global enable; R/W and LEN 0: on execution (SDM vol. 3, 18.2.4)
                }
                d.set(ValueLayout.JAVA_LONG, 8 + 8L * 7, dr7);
            }
            fd.ioctl(Kvm.SET_GUEST_DEBUG, d.address(), "KVM_SET_GUEST_DEBUG");
        }
        debugControl = control;
    }

    @Override
    public long translate(long linear) {
        try {
            StateTransfer.Control c = transfer.control();
            return PageWalk.translate(host.memory(), c.cr0(), c.cr3(), c.cr4(), c.efer(), linear);
        } catch (LinuxException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        synchronized (closing) {
            if (closed) {
                return;
            }
            closed = true;
        }
        mapping.close();
        fd.close();
    }
}
