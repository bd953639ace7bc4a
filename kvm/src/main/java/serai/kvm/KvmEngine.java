package serai.kvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import serai.linux.Errno;
import serai.linux.Fd;
import serai.linux.Linux;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.Engine;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;

/**
 * One virtual machine of the host's KVM. Guest memory is that of the first vCPU's host, given to the kernel as it is
 * mapped here.
 */
public final class KvmEngine implements Engine {
    static final Path DEVICE = Path.of("/dev/kvm");
    private static final int API_VERSION = 12;
    /** Four pages that VT-x without unrestricted guest needs; QEMU's place, where no PC has anything. */
    private static final long IDENTITY_MAP = 0xfeffc000L;

    private static final long TSS = 0xfeffd000L;

    private final Fd kvm;
    private final Fd vm;
    private final KvmCapabilities capabilities;
    private final List<KvmVcpu> vcpus = new ArrayList<>();
    private final Set<CpuFeature> features;
    private boolean memorySet;

    private KvmEngine(Fd kvm, Fd vm, KvmCapabilities capabilities) throws LinuxException {
        this.kvm = kvm;
        this.vm = vm;
        this.capabilities = capabilities;
        features = CpuidTable.features(supported(kvm));
    }

    /**
     * Makes a virtual machine.
     *
     * @throws IOException if /dev/kvm can't be opened or lacks what the engine can't do without, in one sentence
     */
    public static KvmEngine open() throws IOException {
        if (!Linux.available() || System.getProperty("os.arch", "").equals("aarch64")) {
            throw new IOException("the kvm engine needs Linux on x86-64");
        }
        Fd kvm = Fd.openDevice(DEVICE);
        try {
            int version = kvm.ioctl(Kvm.GET_API_VERSION, 0, "KVM_GET_API_VERSION");
            if (version != API_VERSION) {
                throw new IOException(
                        "this host's KVM has interface version %d, not %d".formatted(version, API_VERSION));
            }
            require(kvm, Kvm.CAP_USER_MEMORY, "memory slots");
            require(kvm, Kvm.CAP_EXT_CPUID, "CPUID tables");
            require(kvm, Kvm.CAP_USER_NMI, "NMIs");
            require(kvm, Kvm.CAP_VCPU_EVENTS, "pending events");
            require(kvm, Kvm.CAP_DEBUGREGS, "debug registers");
            require(kvm, Kvm.CAP_XSAVE, "extended state");
            require(kvm, Kvm.CAP_IMMEDIATE_EXIT, "immediate exit (Linux 4.13)");
            int r;
            do {
                r = kvm.ioctl(Kvm.CREATE_VM, 0);
            } while (r == -Errno.EINTR);
            Fd vm = new Fd(r < 0 ? kvm.ioctl(Kvm.CREATE_VM, 0, "KVM_CREATE_VM") : r);
            try {
                return new KvmEngine(kvm, vm, prepare(kvm, vm));
            } catch (IOException | RuntimeException e) {
                vm.close();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            kvm.close();
            throw e;
        }
    }

    private static void require(Fd kvm, int capability, String what) throws IOException {
        if (KvmCapabilities.check(kvm, capability) == 0) {
            throw new IOException("this host's KVM lacks " + what);
        }
    }

    private static KvmCapabilities prepare(Fd kvm, Fd vm) throws LinuxException {
        if (KvmCapabilities.check(kvm, Kvm.CAP_SET_TSS_ADDR) > 0) {
            try (Arena arena = Arena.ofConfined()) {
                vm.ioctl(
                        Kvm.SET_IDENTITY_MAP_ADDR,
                        arena.allocateFrom(ValueLayout.JAVA_LONG, IDENTITY_MAP).address());
            }
            vm.ioctl(Kvm.SET_TSS_ADDR, TSS, "KVM_SET_TSS_ADDR");
        }
        boolean userMsrs = KvmCapabilities.check(vm, Kvm.CAP_X86_USER_SPACE_MSR) > 0
                && enable(vm, Kvm.CAP_X86_USER_SPACE_MSR, Kvm.MSR_EXIT_REASONS);
        return new KvmCapabilities(
                KvmCapabilities.check(vm, Kvm.CAP_TSC_CONTROL) > 0
                        ? KvmCapabilities.Tsc.SCALED
                        : KvmCapabilities.Tsc.UNSCALED,
                0,
                userMsrs,
                userMsrs && KvmCapabilities.check(vm, Kvm.CAP_X86_MSR_FILTER) > 0,
                KvmCapabilities.check(vm, Kvm.CAP_READONLY_MEM) > 0,
                KvmCapabilities.check(vm, Kvm.CAP_SET_GUEST_DEBUG) > 0,
                KvmCapabilities.check(vm, Kvm.CAP_XCRS) > 0,
                false,
                Math.clamp(KvmCapabilities.check(vm, Kvm.CAP_XSAVE2), 4096, 1 << 20));
    }

    private static boolean enable(Fd fd, int capability, long argument) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cap = arena.allocate(104, 8); // cap, flags, args[4] @8
            cap.set(ValueLayout.JAVA_INT, 0, capability);
            cap.set(ValueLayout.JAVA_LONG, 8, argument);
            return fd.ioctl(Kvm.ENABLE_CAP, cap.address()) >= 0;
        }
    }

    @Override
    public String name() {
        return "kvm";
    }

    /** What this host offers; the TSC's part and offset are known once a vCPU exists. */
    public KvmCapabilities capabilities() {
        return vcpus.isEmpty() ? capabilities : vcpus.getFirst().capabilities();
    }

    /**
     * {@inheritDoc}
     *
     * @throws UncheckedIOException if the kernel refuses, in one sentence
     */
    @Override
    public KvmVcpu createVcpu(VcpuHost host) {
        try {
            if (!memorySet) {
                mapMemory(host.memory());
                if (capabilities.msrFilter()) {
                    giveMsrsToMachine(host);
                }
                memorySet = true;
            }
            Fd fd = new Fd(vm.ioctl(Kvm.CREATE_VCPU, host.index(), "KVM_CREATE_VCPU"));
            try {
                KvmVcpu vcpu = prepare(fd, host);
                vcpus.add(vcpu);
                return vcpu;
            } catch (LinuxException | RuntimeException e) {
                fd.close();
                throw e;
            }
        } catch (LinuxException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    private void mapMemory(GuestMemory memory) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            int slot = 0;
            List<RamRegion> regions = new ArrayList<>(memory.regions());
            PluggableRam pluggable = memory.pluggable();
            if (pluggable != null) {
                // as a whole, whatever is plugged: blocks come and go by the pages behind them, which KVM follows
                regions.add(pluggable.region());
            }
            for (RamRegion r : regions) {
                if (r.readOnly() && !capabilities.readOnlyMemory()) {
                    continue; // each load exits and is answered from the region, see KvmVcpu
                }
                MemorySegment m = arena.allocate(32, 8); // slot, flags, guest_phys_addr, memory_size, userspace_addr
                m.set(ValueLayout.JAVA_INT, 0, slot++);
                m.set(ValueLayout.JAVA_INT, 4, r.readOnly() ? Kvm.MEM_READONLY : 0);
                m.set(ValueLayout.JAVA_LONG, 8, r.base());
                m.set(ValueLayout.JAVA_LONG, 16, r.size());
                m.set(ValueLayout.JAVA_LONG, 24, r.host());
                vm.ioctl(
                        Kvm.SET_USER_MEMORY_REGION,
                        m.address(),
                        "KVM can't map %d bytes at %#x into the guest".formatted(r.size(), r.base()));
            }
        }
    }

    /** Denies KVM the MSRs that the machine keeps, so that their accesses exit. x2APIC's exit without: KVM has no APIC. */
    private void giveMsrsToMachine(VcpuHost host) throws LinuxException {
        int[] bases = {0, 0xc0000000};
        int count = 0x2000;
        try (Arena arena = Arena.ofConfined()) {
            // flags (0: allow by default), then ranges @8 of 24 bytes: flags, nmsrs, base, pad, bitmap
            MemorySegment filter = arena.allocate(392, 8);
            int range = 0;
            for (int base : bases) {
                MemorySegment allowed = arena.allocate(count / 8, 8);
                allowed.fill((byte) 0xff);
                boolean any = false;
                for (int i = 0; i < count; i++) {
                    if (host.ownsMsr(base + i)) {
                        any = true;
                        allowed.set(ValueLayout.JAVA_BYTE, i / 8, (byte)
                                (allowed.get(ValueLayout.JAVA_BYTE, i / 8) & ~(1 << i % 8)));
                    }
                }
                if (any) {
                    long at = 8 + 24L * range++;
                    filter.set(ValueLayout.JAVA_INT, at, Kvm.MSR_FILTER_READ_WRITE);
                    filter.set(ValueLayout.JAVA_INT, at + 4, count);
                    filter.set(ValueLayout.JAVA_INT, at + 8, base);
                    filter.set(ValueLayout.JAVA_LONG, at + 16, allowed.address());
                }
            }
            if (range > 0) {
                vm.ioctl(Kvm.X86_SET_MSR_FILTER, filter.address(), "KVM_X86_SET_MSR_FILTER");
            }
        }
    }

    private KvmVcpu prepare(Fd fd, VcpuHost host) throws LinuxException {
        setCpuid(fd, host.model(), host.index());
        // only after CPUID: it reads the table
        enable(fd, Kvm.CAP_ENFORCE_PV_FEATURE_CPUID, 1);
        int wanted = (int) (CpuModel.TSC_HZ / 1000);
        if (capabilities.tsc() == KvmCapabilities.Tsc.SCALED) {
            fd.ioctl(Kvm.SET_TSC_KHZ, wanted, "KVM_SET_TSC_KHZ");
        }
        int khz = Math.max(0, fd.ioctl(Kvm.GET_TSC_KHZ, 0));
        KvmCapabilities known = new KvmCapabilities(
                capabilities.tsc() == KvmCapabilities.Tsc.UNSCALED && khz == wanted
                        ? KvmCapabilities.Tsc.NATIVE
                        : capabilities.tsc(),
                Math.max(0, kvmTscKhz(khz)),
                capabilities.userMsrs(),
                capabilities.msrFilter(),
                capabilities.readOnlyMemory(),
                capabilities.guestDebug(),
                capabilities.xcrs(),
                KvmCapabilities.check(vm, Kvm.CAP_VCPU_ATTRIBUTES) > 0 && hasTscOffset(fd),
                capabilities.xsaveSize());
        int size = kvm.ioctl(Kvm.GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE");
        SharedMapping run = SharedMapping.map(fd.number(), 0, size, true);
        try {
            return new KvmVcpu(fd, run, host, known, xsaveLayout(known.xsaveSize()));
        } catch (LinuxException | RuntimeException e) {
            run.close();
            throw e;
        }
    }

    /** The frequency of a vCPU that nobody scaled, which is the host's; of a scaled one it tells nothing. */
    private int kvmTscKhz(int vcpuKhz) {
        return capabilities.tsc() == KvmCapabilities.Tsc.SCALED ? 0 : vcpuKhz;
    }

    /** By its effect: a software flavour of KVM takes the attribute and forgets it. */
    private static boolean hasTscOffset(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attribute = arena.allocate(24, 8); // flags, group @4 (0: TSC), attr @8 (0: offset), addr @16
            MemorySegment value = arena.allocate(8, 8);
            attribute.set(ValueLayout.JAVA_LONG, 16, value.address());
            if (fd.ioctl(Kvm.GET_DEVICE_ATTR, attribute.address()) < 0) {
                return false;
            }
            long before = value.get(ValueLayout.JAVA_LONG, 0);
            value.set(ValueLayout.JAVA_LONG, 0, before + 4096);
            fd.ioctl(Kvm.SET_DEVICE_ATTR, attribute.address());
            fd.ioctl(Kvm.GET_DEVICE_ATTR, attribute.address());
            return value.get(ValueLayout.JAVA_LONG, 0) == before + 4096;
        }
    }

    private static void setCpuid(Fd fd, CpuModel model, int apicId) throws LinuxException {
        List<CpuidTable.Entry> table = CpuidTable.of(model, apicId);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(8 + 40L * table.size(), 8); // nent, pad, entries of 40 bytes
            m.set(ValueLayout.JAVA_INT, 0, table.size());
            long at = 8;
            for (CpuidTable.Entry e : table) {
                m.set(ValueLayout.JAVA_INT, at, e.leaf());
                m.set(ValueLayout.JAVA_INT, at + 4, e.subleaf());
                m.set(ValueLayout.JAVA_INT, at + 8, e.indexed() ? Kvm.CPUID_FLAG_SIGNIFICANT_INDEX : 0);
                m.set(ValueLayout.JAVA_INT, at + 12, e.value().eax());
                m.set(ValueLayout.JAVA_INT, at + 16, e.value().ebx());
                m.set(ValueLayout.JAVA_INT, at + 20, e.value().ecx());
                m.set(ValueLayout.JAVA_INT, at + 24, e.value().edx());
                at += 40;
            }
            fd.ioctl(Kvm.SET_CPUID2, m.address(), "KVM refuses CPU model " + model.name());
        }
    }

    /** The leaves that KVM and this host's CPU support. */
    private static List<CpuidTable.Entry> supported(Fd kvm) throws LinuxException {
        List<CpuidTable.Entry> table = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(8 + 40L * CpuidTable.LIMIT, 8);
            m.set(ValueLayout.JAVA_INT, 0, CpuidTable.LIMIT);
            kvm.ioctl(Kvm.GET_SUPPORTED_CPUID, m.address(), "KVM_GET_SUPPORTED_CPUID");
            int n = Math.clamp(m.get(ValueLayout.JAVA_INT, 0), 0, CpuidTable.LIMIT);
            for (int i = 0; i < n; i++) {
                long at = 8 + 40L * i;
                table.add(new CpuidTable.Entry(
                        m.get(ValueLayout.JAVA_INT, at),
                        m.get(ValueLayout.JAVA_INT, at + 4),
                        (m.get(ValueLayout.JAVA_INT, at + 8) & Kvm.CPUID_FLAG_SIGNIFICANT_INDEX) != 0,
                        new CpuModel.Leaf(
                                m.get(ValueLayout.JAVA_INT, at + 12),
                                m.get(ValueLayout.JAVA_INT, at + 16),
                                m.get(ValueLayout.JAVA_INT, at + 20),
                                m.get(ValueLayout.JAVA_INT, at + 24))));
            }
        }
        return table;
    }

    /** Where this host's CPU keeps the components of extended state: CPUID 0xd as KVM supports it. */
    private XsaveLayout xsaveLayout(int size) throws LinuxException {
        XsaveLayout layout = new XsaveLayout(size);
        for (CpuidTable.Entry e : supported(kvm)) {
            if (e.leaf() == 0xd && e.subleaf() >= 2 && e.subleaf() < 64) {
                layout.component(e.subleaf(), e.value().eax(), e.value().ebx());
            }
        }
        return layout;
    }

    @Override
    public Set<CpuFeature> features() {
        return Collections.unmodifiableSet(features);
    }

    @Override
    public void close() {
        vcpus.forEach(KvmVcpu::close);
        vm.close();
        kvm.close();
    }
}
