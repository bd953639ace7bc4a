package serai.machine;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Array;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import serai.machine.acpi.Numa;
import serai.machine.ahci.Ahci;
import serai.machine.ahci.AhciDriver;
import serai.machine.ahci.AtaDisk;
import serai.machine.ahci.CdDrive;
import serai.machine.cpuid.X86Model;
import serai.machine.disk.ArrayDisk;
import serai.machine.disk.DeterministicIo;
import serai.machine.disk.IoExecutor;
import serai.machine.e1000.E1000;
import serai.machine.e1000.E1000Driver;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;
import serai.machine.net.NetDevice;
import serai.machine.net.TestNetwork;
import serai.machine.nvme.Nvme;
import serai.machine.nvme.NvmeDriver;
import serai.machine.pci.PciFunction;
import serai.machine.time.Clock;
import serai.machine.time.VirtualClock;
import serai.machine.virtio.ConsolePort;
import serai.machine.virtio.FileServer;
import serai.machine.virtio.Virtio9p;
import serai.machine.virtio.VirtioBalloon;
import serai.machine.virtio.VirtioBlk;
import serai.machine.virtio.VirtioConsole;
import serai.machine.virtio.VirtioMem;
import serai.machine.virtio.VirtioNet;
import serai.machine.virtio.VirtioRng;
import serai.machine.virtio.VirtioVsock;
import serai.machine.virtio.VsockEnd;

/** A whole machine of type pc-1.0 on a {@link FakeEngine}, with a console, an entropy device and two disks, as the VMM plugs them. */
public final class TestPc implements AutoCloseable {
    /** Bytes of RAM: enough for the ACPI tables and for rings past 1 MiB. */
    public static final long RAM = 0x120000;
    /** What an instruction takes in deterministic mode. */
    public static final long NANOS_PER_INSTRUCTION = 10;
    /** 2026-01-02 03:04:05 UTC. */
    public static final long EPOCH = 1767323045L;

    /** Blocks of memory that can be plugged into a machine {@link #withAll}, and bytes of each. */
    public static final int BLOCKS = 12;

    public static final long BLOCK = 0x4000;

    /** The port that ends the machine. */
    public static final int DEBUG_EXIT = 0xf4;

    private static final long DISK_LATENCY = 100_000;

    /** The parts, for tests to look at. */
    public final GuestMemory memory;

    public final FakeEngine engine;
    public final Machine machine;
    public final List<PciFunction<?>> functions = new ArrayList<>();
    /** Two that are there from the start, one for each of {@link #HOT_SLOTS}, one on NVMe, one on SATA, a CD. */
    public final ArrayDisk[] disks = {
        new ArrayDisk("disk 0", 64),
        new ArrayDisk("disk 1", 64),
        new ArrayDisk("disk 2", 64),
        new ArrayDisk("disk 3", 64),
        new ArrayDisk("disk 4", 64),
        new ArrayDisk("disk 5", 64),
        new ArrayDisk("disk 6", 64)
    };

    /** vCPUs that there can be in a machine with room for some. */
    public static final int MAX_CPUS = 3;

    /** Where {@link #hotPlug} plugs. */
    public static final int[] HOT_SLOTS = {Layout.FIRST_HOTPLUG_SLOT, Layout.FIRST_HOTPLUG_SLOT + 3};

    /** Where the NVMe controller is. */
    public static final int NVME_SLOT = Layout.FIRST_DISK_SLOT + 2;

    /** Where the virtio network device and the e1000 of a machine {@link #withAll} are: behind all that were there before, whose addresses are pinned. */
    public static final int NET_SLOT = 27;

    public static final int E1000_SLOT = 28;
    /** Where the socket device and the 9P transport are, for the same reason. */
    public static final int VSOCK_SLOT = 29;

    public static final int SHARE_SLOT = 30;

    /** For the rings of the virtio network device: three queues. */
    public static final long NET_AREA = 0x68000;

    private static final long E1000_AREA = 0x78000;
    private static final byte[] MAC = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

    /** What those two are plugged into. */
    public final TestNetwork network = new TestNetwork();

    public final TestNetwork e1000Network = new TestNetwork();

    private final List<NetDevice> nics = new ArrayList<>();

    private static final long NVME_AREA = 0x38000;
    private static final long AHCI_AREA = 0x48000;

    /** On port 1 of a machine {@link #withAll}; port 0 has a disk. */
    public final CdDrive drive = new CdDrive("drive", disks[6]);

    /** Of a machine {@link #withAll}. */
    public final @Nullable VirtioMem memoryDevice;

    /** The same. */
    public final @Nullable VirtioBalloon balloon;

    /** The same; at first its host refuses all. */
    public final @Nullable VirtioVsock vsock;

    /** Connections of {@link #vsock} once its host takes them, the last 16 of them; it sends back what it gets. */
    public final List<VirtioVsock.@Nullable Connection> connections = new ArrayList<>();

    public boolean takesConnections;

    private final boolean[] hot = new boolean[HOT_SLOTS.length];
    private final IoExecutor executor;
    public final ByteArrayOutputStream serial = new ByteArrayOutputStream();
    /** Port 0 is a terminal; port 1 has a name, and takes 7 bytes at a time. */
    public final VirtioConsole consoleDevice =
            new VirtioConsole(List.of(ConsolePort.console(this::consoleOutput), new SlowPort(this::consoleOutput)));

    public final ByteArrayOutputStream console = new ByteArrayOutputStream();
    private final Arena arena = Arena.ofShared();
    private final long[] random = {42};

    /** In deterministic mode, with a program. */
    public TestPc(FakeEngine.Instruction... program) {
        this(new VirtualClock(EPOCH, NANOS_PER_INSTRUCTION), null, program);
    }

    /** On a clock; with {@code io} instead of disks that complete after a fixed time of the guest. */
    public TestPc(Clock clock, @Nullable IoExecutor io, FakeEngine.Instruction... program) {
        this(1, clock, io, false, program);
    }

    /** In deterministic mode, with the boot CPU and room for two more that can be plugged. */
    public static TestPc withRoomForCpus(FakeEngine.Instruction... program) {
        return withRoomForCpus(new VirtualClock(EPOCH, NANOS_PER_INSTRUCTION), program);
    }

    /** The same on a clock. */
    public static TestPc withRoomForCpus(Clock clock, FakeEngine.Instruction... program) {
        return new TestPc(MAX_CPUS, clock, null, false, program);
    }

    /** In deterministic mode, with an HPET and memory that comes and goes. */
    public static TestPc withHpet() {
        return new TestPc(1, new VirtualClock(EPOCH, NANOS_PER_INSTRUCTION), null, true);
    }

    /** One that has what a machine may have and what most have not, too. */
    public static TestPc withAll() {
        return new TestPc(MAX_CPUS, new VirtualClock(EPOCH, NANOS_PER_INSTRUCTION), null, true);
    }

    private TestPc(int maxCpus, Clock clock, @Nullable IoExecutor io, boolean all, FakeEngine.Instruction... program) {
        RamRegion ram = new RamRegion(0, RAM, arena.allocate(RAM, 4096).address(), false, -1, 0);
        PluggableRam pluggable = all ? pluggable() : null;
        memory = new GuestMemory(List.of(ram), pluggable);
        engine = new FakeEngine(program);
        MachineConfig config = new MachineConfig(
                1,
                maxCpus,
                X86Model.v1(1),
                clock,
                this::nextRandom,
                serial::write,
                console::write,
                Numa.NONE,
                all,
                DEBUG_EXIT);
        machine = new Machine(config, memory, engine);
        plug(Layout.CONSOLE_SLOT, consoleDevice.onPci("virtio-console0", memory, machine.msi()));
        plug(Layout.RNG_SLOT, VirtioRng.create("virtio-rng0", this::nextRandom, memory, machine.msi()));
        executor = io != null ? io : new DeterministicIo(machine.timers(), DISK_LATENCY);
        for (int i = 0; i < 2; i++) {
            plug(
                    Layout.FIRST_DISK_SLOT + i,
                    VirtioBlk.create("virtio-blk" + i, disks[i], executor, 2 - i, memory, machine.msi()));
        }
        plug(NVME_SLOT, new Nvme("nvme0", disks[4], executor, memory, machine.msi()));
        if (all) {
            plug(
                    Layout.AHCI_SLOT,
                    new Ahci("ahci0", List.of(new AtaDisk(disks[5]), drive), () -> executor, memory, machine.msi()));
        }
        if (all) {
            VirtioNet net = new VirtioNet(network, MAC, 1500, 2, machine.lock());
            plug(NET_SLOT, net.onPci("virtio-net0", memory, machine.msi()));
            E1000 e1000 = new E1000("e1000-0", e1000Network, MAC, memory, machine.timers(), machine.lock());
            plug(E1000_SLOT, e1000);
            nics.addAll(List.of(net, e1000));
        }
        memoryDevice = pluggable == null ? null : new VirtioMem(pluggable);
        if (memoryDevice != null) {
            plug(Layout.MEMORY_SLOT, memoryDevice.onPci("virtio-mem0", memory, machine.msi()));
        }
        balloon = all ? new VirtioBalloon() : null;
        if (balloon != null) {
            plug(Layout.BALLOON_SLOT, balloon.onPci("virtio-balloon0", memory, machine.msi()));
        }
        vsock = all ? new VirtioVsock(3, c -> takesConnections ? new Echo(c) : null) : null;
        if (vsock != null) {
            plug(VSOCK_SLOT, vsock.onPci("virtio-vsock0", memory, machine.msi()));
        }
        if (all) {
            plug(SHARE_SLOT, new Virtio9p("tag", new Echoes(), executor).onPci("virtio-9p0", memory, machine.msi()));
        }
        machine.onEjected(slot -> {
            for (int i = 0; i < hot.length; i++) {
                hot[i] &= HOT_SLOTS[i] != slot;
            }
        });
        machine.reset();
    }

    private PluggableRam pluggable() {
        MemorySegment s = arena.allocate(BLOCKS * BLOCK, 4096);
        RamRegion r = new RamRegion(Layout.pluggableRam(RAM), s.byteSize(), s.address(), false, -1, 0);
        return new PluggableRam(
                r, BLOCK, 0, (offset, length) -> s.asSlice(offset, length).fill((byte) 0));
    }

    /** The host wants so many blocks plugged. */
    public void requestMemory(int blocks) {
        machine.lock().lock();
        try {
            Objects.requireNonNull(memoryDevice).request(blocks * BLOCK);
        } finally {
            machine.lock().unlock();
        }
    }

    /** Answers each message with its bytes turned round. */
    private static final class Echoes implements FileServer {
        @Override
        public byte[] answer(byte[] message) {
            byte[] b = new byte[Math.min(message.length, 600)];
            for (int i = 0; i < b.length; i++) {
                b[i] = (byte) ~message[i];
            }
            return b;
        }

        @Override
        public void reset() {}
    }

    /** The host's end of a connection that takes what it gets when it has sent it back. */
    private final class Echo implements VsockEnd {
        private VirtioVsock.@Nullable Connection connection;

        Echo(VirtioVsock.@Nullable Connection connection) {
            became(connection);
        }

        private void became(VirtioVsock.@Nullable Connection c) {
            connection = c;
            connections.add(c);
            if (connections.size() > 16) {
                connections.removeFirst();
            }
        }

        @Override
        public int buffer() {
            return 5000;
        }

        @Override
        public void established() {}

        @Override
        public void receive(byte[] bytes) {
            VirtioVsock.Connection c = Objects.requireNonNull(connection);
            c.send(java.util.Arrays.copyOf(bytes, Math.min(bytes.length, c.room())));
            c.taken(bytes.length);
        }

        @Override
        public void guestFinished() {}

        @Override
        public void ready() {}

        @Override
        public void closed() {}
    }

    /** The host connects to a port of the guest. */
    public void connect(int guestPort) {
        machine.lock().lock();
        try {
            Echo e = new Echo(null);
            e.became(Objects.requireNonNull(vsock).connect(guestPort, e));
        } finally {
            machine.lock().unlock();
        }
    }

    /** Does something with one of {@link #connections}, if there are any, as the host does: with the lock. */
    public void connection(int n, java.util.function.Consumer<VirtioVsock.Connection> action) {
        machine.lock().lock();
        try {
            VirtioVsock.Connection c = connections.isEmpty() ? null : connections.get(n % connections.size());
            if (c != null) {
                action.accept(c);
            }
        } finally {
            machine.lock().unlock();
        }
    }

    /** Does something with the balloon as the host does: with the lock. */
    public void balloon(java.util.function.Consumer<VirtioBalloon> action) {
        machine.lock().lock();
        try {
            action.accept(Objects.requireNonNull(balloon));
        } finally {
            machine.lock().unlock();
        }
    }

    /** The host plugs the cables of both network interfaces in or out. */
    public void link(boolean up) {
        machine.lock().lock();
        try {
            nics.forEach(n -> n.setLink(up));
        } finally {
            machine.lock().unlock();
        }
    }

    /** Does something with the console as the host does: with the lock. */
    public void console(java.util.function.Consumer<VirtioConsole> action) {
        machine.lock().lock();
        try {
            action.accept(consoleDevice);
        } finally {
            machine.lock().unlock();
        }
    }

    private void consoleOutput(byte[] bytes) {
        console.writeBytes(bytes);
    }

    private record SlowPort(java.util.function.Consumer<byte[]> output) implements ConsolePort {
        @Override
        public String name() {
            return "slow.port";
        }

        @Override
        public boolean isConsole() {
            return false;
        }

        @Override
        public int write(byte[] bytes, int offset) {
            int n = Math.min(7, bytes.length - offset);
            output.accept(java.util.Arrays.copyOfRange(bytes, offset, offset + n));
            return n;
        }
    }

    private void plug(int slot, PciFunction<?> f) {
        functions.add(f);
        machine.plug(slot, f);
    }

    /** Plugs a disk into the n-th of {@link #HOT_SLOTS}, if it is empty. */
    public void hotPlug(int n) {
        if (!hot[n]) {
            machine.hotPlug(
                    HOT_SLOTS[n],
                    VirtioBlk.create("virtio-blk-hot" + n, disks[2 + n], executor, 1, memory, machine.msi()));
            hot[n] = true;
        }
    }

    /** Whether the n-th of {@link #HOT_SLOTS} holds a disk. */
    public boolean hotPlugged(int n) {
        return hot[n];
    }

    /** Plugs and unplugs until the same slots are filled. */
    public void plugAs(TestPc other) {
        for (int n = 0; n < hot.length; n++) {
            if (other.hot[n]) {
                hotPlug(n);
            } else {
                machine.unplug(HOT_SLOTS[n]);
            }
        }
    }

    /** Plugs and ejects vCPUs until the same are in the machine. */
    public void plugCpusAs(TestPc other) {
        for (int cpu = 1; cpu < machine.cpus(); cpu++) {
            boolean wanted = other.machine.sockets().present(cpu);
            if (wanted && !machine.sockets().present(cpu)) {
                machine.sockets().plug(cpu);
            } else if (!wanted) {
                ejectCpu(cpu);
            }
        }
    }

    /** Takes a vCPU out as _EJ0 of its device does. */
    public void ejectCpu(int cpu) {
        host().portWrite(Layout.CPU_HOTPLUG_BASE, 4, cpu);
        host().portWrite(Layout.CPU_HOTPLUG_BASE + 4, 1, 8);
    }

    /** Plugs a vCPU, if it is not there. */
    public void plugCpu(int cpu) {
        if (!machine.sockets().present(cpu)) {
            machine.sockets().plug(cpu);
        }
    }

    /** Asks for a vCPU, if it is there. */
    public void askForCpu(int cpu) {
        if (machine.sockets().present(cpu)) {
            machine.sockets().askBack(cpu);
        }
    }

    private long nextRandom() {
        return random[0] = random[0] * 6364136223846793005L + 1442695040888963407L;
    }

    /** What the CPU drives the machine by. */
    public VcpuHost host() {
        return engine.cpu().host;
    }

    /** Runs what is due. */
    public void runDue() {
        machine.lock().lock();
        try {
            machine.timers().runDue();
        } finally {
            machine.lock().unlock();
        }
    }

    /** A double word of configuration space. */
    public int config(int slot, int offset) {
        return (int) host().mmioRead(Layout.ECAM_BASE + ((long) slot << 15) + offset, 4);
    }

    /** The address of the 64-bit BAR 4 of the function in a slot. */
    public long bar4(int slot) {
        return bar(slot, 0x20);
    }

    /** The address in the 64-bit BAR whose register is at {@code offset}. */
    public long bar(int slot, int offset) {
        return config(slot, offset) & 0xfffffff0L | (long) config(slot, offset + 4) << 32;
    }

    /** Lets the NVMe controller reach memory, and starts it. */
    public void startNvme() {
        host().mmioWrite(Layout.ECAM_BASE + ((long) NVME_SLOT << 15) + 4, 2, 6);
        nvme().start();
    }

    /** A driver for the NVMe controller where it is now. */
    public NvmeDriver nvme() {
        NvmeDriver.Access access = new NvmeDriver.Access() {
            @Override
            public long read(long address, int size) {
                return host().mmioRead(address, size);
            }

            @Override
            public void write(long address, int size, long value) {
                host().mmioWrite(address, size, value);
            }
        };
        return new NvmeDriver(memory, access, bar(NVME_SLOT, 0x10), NVME_AREA);
    }

    /** Lets the AHCI adapter reach memory, and starts a port of it. */
    public void startAhci(int port) {
        host().mmioWrite(Layout.ECAM_BASE + ((long) Layout.AHCI_SLOT << 15) + 4, 2, 6);
        ahci().start(port);
    }

    /** A driver for the AHCI adapter where it is now. */
    public AhciDriver ahci() {
        AhciDriver.Access access = new AhciDriver.Access() {
            @Override
            public long read(long address, int size) {
                return host().mmioRead(address, size);
            }

            @Override
            public void write(long address, int size, long value) {
                host().mmioWrite(address, size, value);
            }
        };
        return new AhciDriver(memory, access, config(Layout.AHCI_SLOT, 0x24) & 0xfffffff0L, AHCI_AREA);
    }

    /** A driver for the e1000 where it is now. */
    public E1000Driver e1000() {
        E1000Driver.Access access = new E1000Driver.Access() {
            @Override
            public long read(long address, int size) {
                return host().mmioRead(address, size);
            }

            @Override
            public void write(long address, int size, long value) {
                host().mmioWrite(address, size, value);
            }
        };
        return new E1000Driver(memory, access, config(E1000_SLOT, 0x10) & 0xfffffff0L, E1000_AREA);
    }

    /** Lets the e1000 reach memory, and starts it. */
    public void startE1000(int rctl) {
        host().mmioWrite(Layout.ECAM_BASE + ((long) E1000_SLOT << 15) + 4, 2, 7);
        e1000().start(rctl);
    }

    /** The host moves the tray of the CD-ROM drive, and has a medium in it or not if that can be. */
    public void tray(boolean open, boolean force, boolean medium) {
        machine.lock().lock();
        try {
            if (open) {
                drive.open(force);
            } else {
                drive.close();
            }
            if (drive.isOpen() && medium != drive.hasMedium()) {
                if (medium) {
                    drive.insert(disks[6]);
                } else {
                    drive.remove();
                }
            }
        } finally {
            machine.lock().unlock();
        }
    }

    /** Becomes a copy of another machine: RAM, disks, the source of random numbers, and the state. */
    public void restoreFrom(TestPc other, MachineState state) {
        PluggableRam pluggable = memory.pluggable();
        if (pluggable != null) {
            pluggable.plugAll();
            memory.zero(pluggable.region().base(), pluggable.region().size());
        }
        for (RamRegion r : other.memory.present()) {
            memory.write(r.base(), other.memory.read(r.base(), (int) r.size()));
        }
        for (int i = 0; i < disks.length; i++) {
            System.arraycopy(other.disks[i].bytes, 0, disks[i].bytes, 0, disks[i].bytes.length);
        }
        random[0] = other.random[0];
        network.copy(other.network);
        e1000Network.copy(other.e1000Network);
        plugAs(other);
        tray(true, true, other.drive.hasMedium());
        machine.restore(state);
    }

    /** Text of a record with all that is in it, to compare and to show. */
    public static String text(@Nullable Object o) {
        StringBuilder s = new StringBuilder();
        text(s, "", o);
        return s.toString();
    }

    private static void text(StringBuilder s, String path, @Nullable Object o) {
        if (o instanceof Record r) {
            for (RecordComponent c : r.getClass().getRecordComponents()) {
                try {
                    c.getAccessor().setAccessible(true);
                    text(s, path + "." + c.getName(), c.getAccessor().invoke(r));
                } catch (ReflectiveOperationException e) {
                    throw new AssertionError(e);
                }
            }
        } else if (o instanceof List<?> l) {
            for (int i = 0; i < l.size(); i++) {
                boolean device = l.get(i) instanceof MachineState.DeviceState;
                String name = device ? ((MachineState.DeviceState) l.get(i)).name() : "" + i;
                text(s, path + "[" + name + "]", l.get(i));
            }
        } else if (o != null && o.getClass().isArray()) {
            for (int i = 0; i < Array.getLength(o); i++) {
                Object e = Array.get(o, i);
                if (e instanceof Number n && n.longValue() == 0) {
                    continue;
                }
                text(s, path + "[" + i + "]", e);
            }
        } else {
            s.append(path).append(" = ").append(o).append('\n');
        }
    }

    @Override
    public void close() {
        machine.close();
        arena.close();
    }
}
