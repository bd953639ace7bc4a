package serai.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import serai.linux.Fd;
import serai.linux.LinuxException;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/** A vCPU's architectural state out of the kernel and into it. The vCPU must stand between two instructions. */
final class StateTransfer {
    private static final int REGS = 144;
    private static final int SREGS = 312;
    private static final int EVENTS = 64;
    private static final int DEBUGREGS = 128;
    private static final int XCRS = 392;
    /** Places of ES, CS, SS, DS, FS, GS, LDTR, TR in {@code struct kvm_sregs}. */
    private static final int[] SEGMENT_AT = {48, 0, 120, 24, 72, 96, 168, 144};
    /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI in {@code struct kvm_regs}; R8 to R15 follow at 64. */
    private static final int[] GPR_AT = {0, 16, 24, 8, 48, 56, 32, 40};

    private static final int GDT_AT = 192;
    private static final int IDT_AT = 208;
    private static final int CR0_AT = 224;
    private static final int EFER_AT = 264;
    private static final int INTERRUPT_BITMAP_AT = 280;

    private static final int SHADOW_MOV_SS = 1;
    private static final int SHADOW_STI = 2;
    private static final int EVENT_NMI_PENDING = 1;
    private static final int EVENT_SHADOW = 4;

    private final Fd vcpu;
    private final KvmCapabilities capabilities;
    private final XsaveLayout xsave;
    private final int[] msrs;

    StateTransfer(Fd vcpu, KvmCapabilities capabilities, XsaveLayout xsave) {
        this.vcpu = vcpu;
        this.capabilities = capabilities;
        this.xsave = xsave;
        List<Integer> known = new ArrayList<>();
        for (int index : Msr.saved()) {
            try (Arena arena = Arena.ofConfined()) {
                if (vcpu.ioctl(Kvm.GET_MSRS, msrBuffer(arena, index, 0).address()) == 1) {
                    known.add(index);
                }
            }
        }
        msrs = known.stream().mapToInt(Integer::intValue).toArray();
    }

    private static MemorySegment msrBuffer(Arena arena, int index, long value) {
        MemorySegment m = arena.allocate(24, 8); // nmsrs, pad, {index, reserved, data}
        m.set(JAVA_INT, 0, 1);
        m.set(JAVA_INT, 8, index);
        m.set(JAVA_LONG, 16, value);
        return m;
    }

    long getMsr(int index) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = msrBuffer(arena, index, 0);
            if (vcpu.ioctl(Kvm.GET_MSRS, m.address(), "KVM_GET_MSRS") != 1) {
                return 0;
            }
            return m.get(JAVA_LONG, 16);
        }
    }

    private void setMsr(int index, long value) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            if (vcpu.ioctl(Kvm.SET_MSRS, msrBuffer(arena, index, value).address(), "KVM_SET_MSRS") != 1) {
                throw new IllegalArgumentException("KVM refuses %#x in MSR %#x".formatted(value, index));
            }
        }
    }

    /** RIP, CR0, CR3, CR4, EFER, RFLAGS: for messages, the debugger and wake-ups. */
    record Control(long rip, long rflags, long csBase, long cr0, long cr3, long cr4, long efer) {}

    Control control() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment r = arena.allocate(REGS, 8);
            MemorySegment s = arena.allocate(SREGS, 8);
            vcpu.ioctl(Kvm.GET_REGS, r.address(), "KVM_GET_REGS");
            vcpu.ioctl(Kvm.GET_SREGS, s.address(), "KVM_GET_SREGS");
            return new Control(
                    r.get(JAVA_LONG, 128),
                    r.get(JAVA_LONG, 136),
                    s.get(JAVA_LONG, SEGMENT_AT[CpuState.CS]),
                    s.get(JAVA_LONG, CR0_AT),
                    s.get(JAVA_LONG, CR0_AT + 16),
                    s.get(JAVA_LONG, CR0_AT + 24),
                    s.get(JAVA_LONG, EFER_AT));
        }
    }

    // ---- out ----

    CpuState save(VcpuHost host, CpuState.Activity activity, int smbase) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment r = get(arena, Kvm.GET_REGS, REGS, "KVM_GET_REGS");
            long[] gpr = new long[16];
            for (int i = 0; i < 8; i++) {
                gpr[i] = r.get(JAVA_LONG, GPR_AT[i]);
                gpr[8 + i] = r.get(JAVA_LONG, 64 + 8L * i);
            }
            MemorySegment s = get(arena, Kvm.GET_SREGS, SREGS, "KVM_GET_SREGS");
            Segment[] segments = new Segment[8];
            for (int i = 0; i < 8; i++) {
                segments[i] = segment(s.asSlice(SEGMENT_AT[i], 24));
            }
            long[] cr = {
                s.get(JAVA_LONG, CR0_AT),
                s.get(JAVA_LONG, CR0_AT + 8),
                s.get(JAVA_LONG, CR0_AT + 16),
                s.get(JAVA_LONG, CR0_AT + 24),
                host.interrupts().taskPriority()
            };
            MemorySegment d = get(arena, Kvm.GET_DEBUGREGS, DEBUGREGS, "KVM_GET_DEBUGREGS");
            long[] dr = new long[6];
            for (int i = 0; i < 6; i++) {
                dr[i] = d.get(JAVA_LONG, 8L * i);
            }
            long xcr0 = 1;
            if (capabilities.xcrs()) {
                MemorySegment x = get(arena, Kvm.GET_XCRS, XCRS, "KVM_GET_XCRS");
                for (int i = 0; i < Math.clamp(x.get(JAVA_INT, 0), 0, 16); i++) {
                    xcr0 = x.get(JAVA_INT, 8 + 16L * i) == 0 ? x.get(JAVA_LONG, 16 + 16L * i) : xcr0;
                }
            }
            MemorySegment x = get(
                    arena,
                    capabilities.xsaveSize() > 4096 ? Kvm.GET_XSAVE2 : Kvm.GET_XSAVE,
                    capabilities.xsaveSize(),
                    "KVM_GET_XSAVE");
            long[] values = new long[2 * msrs.length];
            for (int i = 0; i < msrs.length; i++) {
                values[2 * i] = msrs[i] & 0xffffffffL;
                values[2 * i + 1] = getMsr(msrs[i]);
            }
            MemorySegment e = get(arena, Kvm.GET_VCPU_EVENTS, EVENTS, "KVM_GET_VCPU_EVENTS");
            return new CpuState(
                    CpuState.VERSION,
                    gpr,
                    r.get(JAVA_LONG, 128),
                    r.get(JAVA_LONG, 136),
                    segments,
                    s.get(JAVA_LONG, GDT_AT),
                    s.get(JAVA_SHORT, GDT_AT + 8) & 0xffff,
                    s.get(JAVA_LONG, IDT_AT),
                    s.get(JAVA_SHORT, IDT_AT + 8) & 0xffff,
                    cr,
                    dr,
                    xcr0,
                    xsave.toRecord(x),
                    values,
                    getMsr(Msr.TSC) - host.tsc(),
                    new byte[0],
                    events(e, activity),
                    smbase,
                    0);
        }
    }

    private MemorySegment get(Arena arena, long request, int size, String what) throws LinuxException {
        MemorySegment m = arena.allocate(size, 8);
        vcpu.ioctl(request, m.address(), what);
        return m;
    }

    /** {@code struct kvm_segment}: base, limit @8, selector @12, then a byte each: type, present, dpl, db, s, l, g, avl, unusable. */
    private static Segment segment(MemorySegment s) {
        int a = s.get(JAVA_BYTE, 14) & 15;
        a |= s.get(JAVA_BYTE, 15) != 0 ? Segment.P : 0;
        a |= (s.get(JAVA_BYTE, 16) & 3) << 5;
        a |= s.get(JAVA_BYTE, 17) != 0 ? Segment.DB : 0;
        a |= s.get(JAVA_BYTE, 18) != 0 ? Segment.S : 0;
        a |= s.get(JAVA_BYTE, 19) != 0 ? Segment.L : 0;
        a |= s.get(JAVA_BYTE, 20) != 0 ? Segment.G : 0;
        a |= s.get(JAVA_BYTE, 21) != 0 ? 1 << 8 : 0;
        a |= s.get(JAVA_BYTE, 22) != 0 ? Segment.UNUSABLE : 0;
        return new Segment(s.get(JAVA_SHORT, 12) & 0xffff, s.get(JAVA_LONG, 0), s.get(JAVA_INT, 8), a);
    }

    /**
     * What VT-x enters with (SDM vol. 3, 28.3.1.2): a busy TSS in TR whatever the guest has, which after reset is none that
     * could be used; the accessed bit in every usable code or data segment.
     */
    static Segment enterable(int index, Segment s) {
        int a = s.attributes();
        boolean usable = (a & Segment.P) != 0 && (a & Segment.UNUSABLE) == 0;
        if (index == CpuState.TR) {
            return usable && (s.type() == 11 || s.type() == 3)
                    ? s
                    : usable && (s.type() == 9 || s.type() == 1)
                            ? new Segment(s.selector(), s.base(), s.limit(), a | 2)
                            : new Segment(s.selector(), s.base(), 0xffff, Segment.P | 11);
        }
        return index != CpuState.LDTR && usable && (a & Segment.S) != 0
                ? new Segment(s.selector(), s.base(), s.limit(), a | 1)
                : s;
    }

    private static void segment(MemorySegment into, Segment s) {
        int a = s.attributes();
        into.set(JAVA_LONG, 0, s.base());
        into.set(JAVA_INT, 8, s.limit());
        into.set(JAVA_SHORT, 12, (short) s.selector());
        into.set(JAVA_BYTE, 14, (byte) s.type());
        into.set(JAVA_BYTE, 15, bit(a, Segment.P));
        into.set(JAVA_BYTE, 16, (byte) s.dpl());
        into.set(JAVA_BYTE, 17, bit(a, Segment.DB));
        into.set(JAVA_BYTE, 18, bit(a, Segment.S));
        into.set(JAVA_BYTE, 19, bit(a, Segment.L));
        into.set(JAVA_BYTE, 20, bit(a, Segment.G));
        into.set(JAVA_BYTE, 21, bit(a, 1 << 8));
        into.set(JAVA_BYTE, 22, bit(a, Segment.UNUSABLE));
    }

    private static byte bit(int attributes, int mask) {
        return (byte) ((attributes & mask) != 0 ? 1 : 0);
    }

    /**
     * {@code struct kvm_vcpu_events}: exception injected @0, nr, has_error_code, pending, error_code @4; interrupt injected
     * @8, nr, soft, shadow; nmi injected @12, pending, masked; flags @20; smi @24.
     *
     * <p>An NMI that KVM has half delivered is masked by itself already; for the record it still waits.
     */
    private static CpuState.Events events(MemorySegment e, CpuState.Activity activity) {
        boolean nmiInjected = e.get(JAVA_BYTE, 12) != 0;
        int shadow = e.get(JAVA_BYTE, 11);
        return new CpuState.Events(
                activity,
                e.get(JAVA_BYTE, 0) != 0 || e.get(JAVA_BYTE, 3) != 0,
                e.get(JAVA_BYTE, 1) & 0xff,
                e.get(JAVA_BYTE, 2) != 0,
                e.get(JAVA_INT, 4),
                e.get(JAVA_BYTE, 8) != 0,
                e.get(JAVA_BYTE, 9) & 0xff,
                e.get(JAVA_BYTE, 10) != 0,
                nmiInjected || e.get(JAVA_BYTE, 13) != 0,
                !nmiInjected && e.get(JAVA_BYTE, 14) != 0,
                (shadow & SHADOW_STI) != 0,
                (shadow & SHADOW_MOV_SS) != 0,
                e.get(JAVA_BYTE, 24) != 0,
                e.get(JAVA_BYTE, 25) != 0);
    }

    // ---- in ----

    /**
     * Takes over a state.
     *
     * @throws IllegalArgumentException if this host can't hold it
     */
    void restore(CpuState state, VcpuHost host) throws LinuxException {
        if (state.version() != CpuState.VERSION) {
            throw new IllegalArgumentException(
                    "CPU state of version %d, not %d".formatted(state.version(), CpuState.VERSION));
        }
        if (state.events().smm() || state.events().smiPending()) {
            throw new IllegalArgumentException("the state is in system-management mode, which the kvm engine lacks");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = arena.allocate(capabilities.xsaveSize(), 64);
            xsave.toHost(state.xsave(), x); // before anything is changed: it may refuse

            // APIC base stays as it is: the machine has it
            MemorySegment s = get(arena, Kvm.GET_SREGS, SREGS, "KVM_GET_SREGS");
            for (int i = 0; i < 8; i++) {
                segment(s.asSlice(SEGMENT_AT[i], 24), enterable(i, state.segments()[i]));
            }
            s.set(JAVA_LONG, GDT_AT, state.gdtBase());
            s.set(JAVA_SHORT, GDT_AT + 8, (short) state.gdtLimit());
            s.set(JAVA_LONG, IDT_AT, state.idtBase());
            s.set(JAVA_SHORT, IDT_AT + 8, (short) state.idtLimit());
            for (int i = 0; i < 5; i++) {
                s.set(JAVA_LONG, CR0_AT + 8L * i, state.cr()[i]);
            }
            s.set(JAVA_LONG, EFER_AT, state.msr(Msr.EFER, 0));
            s.asSlice(INTERRUPT_BITMAP_AT, 32).fill((byte) 0);
            set(Kvm.SET_SREGS, s, "KVM_SET_SREGS");

            MemorySegment r = arena.allocate(REGS, 8);
            for (int i = 0; i < 8; i++) {
                r.set(JAVA_LONG, GPR_AT[i], state.gpr()[i]);
                r.set(JAVA_LONG, 64 + 8L * i, state.gpr()[8 + i]);
            }
            r.set(JAVA_LONG, 128, state.rip());
            r.set(JAVA_LONG, 136, state.rflags() | 2);
            set(Kvm.SET_REGS, r, "KVM_SET_REGS");

            if (capabilities.xcrs()) {
                MemorySegment xcrs = arena.allocate(XCRS, 8);
                xcrs.set(JAVA_INT, 0, 1);
                xcrs.set(JAVA_LONG, 16, state.xcr0() | 1);
                set(Kvm.SET_XCRS, xcrs, "KVM_SET_XCRS");
            }
            set(Kvm.SET_XSAVE, x, "KVM_SET_XSAVE");

            MemorySegment d = arena.allocate(DEBUGREGS, 8);
            for (int i = 0; i < 6; i++) {
                d.set(JAVA_LONG, 8L * i, state.dr()[i]);
            }
            set(Kvm.SET_DEBUGREGS, d, "KVM_SET_DEBUGREGS");

            for (int index : msrs) {
                if (index != Msr.EFER) {
                    long old = getMsr(index);
                    long value = state.msr(index, old);
                    if (value != old) {
                        setMsr(index, value);
                    }
                }
            }
            setTsc(arena, state.tscOffset(), host);
            set(Kvm.SET_VCPU_EVENTS, events(arena, state.events()), "KVM_SET_VCPU_EVENTS");
        }
    }

    private void set(long request, MemorySegment from, String what) throws LinuxException {
        if (vcpu.ioctl(request, from.address()) < 0) {
            // EINVAL: KVM's only word for a state that it finds impossible; let the caller's message say which part
            vcpu.ioctl(request, from.address(), "the state can't be taken over: " + what);
        }
    }

    /**
     * Moves the TSC so that RDTSC gives {@link VcpuHost#tsc} + offset. By KVM's offset attribute: writing the MSR is late by
     * the time it takes, and KVM takes values close to what another vCPU wrote for an attempt to synchronize and alters them.
     */
    private void setTsc(Arena arena, long offset, VcpuHost host) throws LinuxException {
        if (capabilities.tscOffset()) {
            MemorySegment value = arena.allocate(8, 8);
            MemorySegment attribute = arena.allocate(24, 8); // flags, group @4 (0: TSC), attr @8 (0: offset), addr @16
            attribute.set(JAVA_LONG, 16, value.address());
            vcpu.ioctl(Kvm.GET_DEVICE_ATTR, attribute.address(), "KVM_VCPU_TSC_OFFSET");
            value.set(JAVA_LONG, 0, value.get(JAVA_LONG, 0) + (host.tsc() + offset) - getMsr(Msr.TSC));
            vcpu.ioctl(Kvm.SET_DEVICE_ATTR, attribute.address(), "KVM_VCPU_TSC_OFFSET");
        } else {
            setMsr(Msr.TSC, host.tsc() + offset);
        }
    }

    private static MemorySegment events(Arena arena, CpuState.Events from) {
        MemorySegment e = arena.allocate(EVENTS, 8);
        e.set(JAVA_BYTE, 0, flag(from.exceptionPending()));
        e.set(JAVA_BYTE, 1, (byte) from.exceptionVector());
        e.set(JAVA_BYTE, 2, flag(from.exceptionHasError()));
        e.set(JAVA_INT, 4, from.exceptionError());
        e.set(JAVA_BYTE, 8, flag(from.interruptInjected()));
        e.set(JAVA_BYTE, 9, (byte) from.interruptVector());
        e.set(JAVA_BYTE, 10, flag(from.interruptSoft()));
        e.set(JAVA_BYTE, 11, (byte) ((from.stiShadow() ? SHADOW_STI : 0) | (from.movSsShadow() ? SHADOW_MOV_SS : 0)));
        e.set(JAVA_BYTE, 13, flag(from.nmiPending()));
        e.set(JAVA_BYTE, 14, flag(from.nmiMasked()));
        e.set(JAVA_INT, 20, EVENT_NMI_PENDING | EVENT_SHADOW);
        return e;
    }

    private static byte flag(boolean on) {
        return (byte) (on ? 1 : 0);
    }
}
