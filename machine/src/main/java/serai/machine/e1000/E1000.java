package serai.machine.e1000;

import static serai.machine.e1000.Registers.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.locks.Lock;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.net.NetBackend;
import serai.machine.net.NetBackend.Frame;
import serai.machine.net.NetCounters;
import serai.machine.net.NetDevice;
import serai.machine.net.Offload;
import serai.machine.pci.PciFunction;
import serai.machine.time.Timers;

/**
 * The adapter, an 82540EM: its registers, and when it interrupts.
 *
 * <pre>
 * BAR 0   registers (SDM, chapter 13)
 * BAR 1   ports: 0 which register | 4 the register
 * </pre>
 *
 * It interrupts by the line alone, no sooner after the last time than ITR says. A write to the tail of the transmit ring sends all that is in it, on the
 * vCPU's thread. Frames come as on the wire: a driver of this adapter has no way to learn that a checksum is partial, so the host is told it can take
 * nothing else.
 *
 * <p>Wake-up, loopback, the filters of the management controller and the packet buffer's memory are not there.
 */
public final class E1000 extends PciFunction<E1000State> implements NetDevice {
    private static final int VENDOR = 0x8086, DEVICE = 0x100e, SUB_VENDOR = 0x1af4, SUB_DEVICE = 0x1100;
    private static final int REGISTERS = 0, PORTS = 1;
    private static final int REGISTER_BYTES = 1 << 17, PORT_COUNT = 64;
    private static final int IO_ADDRESS = 0, IO_DATA = 4;
    /** Of ITR. */
    private static final long THROTTLE_NANOS = 256;

    private static final int ADDRESS_VALID = 1 << 31;
    private static final int RING_LENGTH = 0xfff80;
    /** Frames given to the guest before others get the machine lock. */
    private static final int BATCH = 256;

    /** Those that keep what is written to them, and of which that is all. */
    private static final int[] KEPT = {
        0x18, 0x28, 0x2c, 0x30, VET, 0x170, 0x178, 0x410, 0x458, 0xe00, 0x1000, 0x2160, 0x2168, RDBAH, 0x2820, 0x2828,
        0x282c, 0x2c00, 0x3000, TDBAH, 0x3820, 0x3828, 0x382c, 0x3830, RXCSUM, 0x5800, 0x5808, 0x5820, 0x5838, 0x5900,
    };

    private static final boolean[] KEEPS = new boolean[END / 4];

    static {
        for (int at : KEPT) {
            KEEPS[at / 4] = true;
        }
        Arrays.fill(KEEPS, MTA / 4, MTA / 4 + 128, true);
        Arrays.fill(KEEPS, RAL / 4, RA_END / 4, true);
        Arrays.fill(KEEPS, VFTA / 4, VFTA_END / 4, true);
        Arrays.fill(KEEPS, 0x5840 / 4, 0x5880 / 4, true); // addresses of the management filters
    }

    private final byte[] ownMac;
    private final Timers timers;
    private final Timers.Timer throttle;
    private final Lock lock;
    private final Statistics statistics = new Statistics();
    private final Phy phy = new Phy();
    private final Eeprom eeprom;
    private final Receiver receiver;
    private final Transmitter transmitter;
    private final int[] registers = new int[END / 4];

    private int ioAddress;
    private int causes;
    private int mask;
    private boolean asserted;
    private long lastInterrupt;
    private boolean link = true;
    private boolean broken;
    private boolean wasBusMaster;

    /**
     * An adapter.
     *
     * @param name the device's name
     * @param mac its address: 6 bytes, not of a group
     * @param lock the machine lock
     */
    public E1000(String name, NetBackend backend, byte[] mac, GuestMemory memory, Timers timers, Lock lock) {
        super(name, VENDOR, DEVICE, 3, 0x020000, SUB_VENDOR, SUB_DEVICE, 1);
        if (mac.length != 6 || (mac[0] & 1) != 0) {
            throw new IllegalArgumentException("not the address of an interface");
        }
        ownMac = mac.clone();
        this.timers = timers;
        this.lock = lock;
        throttle = timers.timer(this::updateInterrupts);
        memoryBar(REGISTERS, REGISTER_BYTES, false);
        ioBar(PORTS, PORT_COUNT);
        eeprom = new Eeprom(mac, VENDOR, DEVICE, SUB_VENDOR, SUB_DEVICE);
        receiver = new Receiver(this, memory, backend, statistics);
        transmitter = new Transmitter(this, memory, backend, statistics);
        clear();
        backend.accept(NetBackend.Abilities.NONE);
        backend.onFrames(this::framesWait);
    }

    // ---- the host's side ----

    @Override
    public byte[] mac() {
        byte[] b = new byte[6];
        for (int i = 0; i < 6; i++) {
            b[i] = (byte) (register(i < 4 ? RAL : RAH) >>> i % 4 * 8);
        }
        return b;
    }

    @Override
    public boolean link() {
        return link;
    }

    @Override
    public void setLink(boolean up) {
        if (link != up) {
            link = up;
            phy.link(up);
            cause(LSC);
            safely(() -> receiver.receive(Integer.MAX_VALUE));
        }
    }

    @Override
    public NetCounters counters() {
        return new NetCounters(
                receiver.frames,
                receiver.bytes,
                receiver.drops,
                transmitter.frames,
                transmitter.bytes,
                transmitter.drops);
    }

    /** From other threads, without the lock. */
    private void framesWait() {
        boolean more = true;
        while (more) {
            lock.lock();
            try {
                more = safely(() -> receiver.receive(BATCH));
            } finally {
                lock.unlock();
            }
        }
    }

    /** Something that touches the rings. */
    @FunctionalInterface
    private interface Action {
        boolean run();
    }

    /** A ring or buffer that is not in RAM stops the adapter until it is reset. */
    private boolean safely(Action a) {
        try {
            return a.run();
        } catch (GuestAddressException e) {
            if (!broken) {
                broken = true;
                System.getLogger("serai.e1000")
                        .log(System.Logger.Level.WARNING, "{0}: stopped: {1}", name(), e.getMessage());
            }
            return false;
        }
    }

    // ---- for the rings ----

    /** A register's value, as kept. */
    int register(int at) {
        return registers[at >> 2];
    }

    void register(int at, int v) {
        registers[at >> 2] = v;
    }

    /** Whether it may read and write memory. */
    boolean runs() {
        return busMaster() && !broken;
    }

    /** Something has happened that software may want to hear of. */
    void cause(int bits) {
        causes |= bits;
        updateInterrupts();
    }

    /** The line goes high when ITR lets it, and low at once. */
    private void updateInterrupts() {
        if ((causes & mask) == 0) {
            asserted = false;
            throttle.cancel();
        } else if (!asserted) {
            long now = timers.clock().nanos();
            long next = lastInterrupt + (register(ITR) & 0xffff) * THROTTLE_NANOS;
            if (register(ITR) == 0 || now >= next) {
                asserted = true;
                lastInterrupt = now;
                throttle.cancel();
            } else {
                throttle.arm(next);
            }
        }
        setLine(asserted);
    }

    // ---- registers ----

    @Override
    protected long readBar(int bar, long offset, int size) {
        if (bar == PORTS) {
            long v =
                    switch ((int) offset & ~3) {
                        case IO_ADDRESS -> ioAddress;
                        case IO_DATA -> read(ioAddress);
                        default -> 0;
                    };
            return v >>> (offset & 3) * 8;
        }
        int at = (int) offset & ~3;
        long v = read(at) & 0xffffffffL;
        if (size > 4 - (offset & 3)) {
            v |= (long) read(at + 4) << 32;
        }
        return v >>> (offset & 3) * 8;
    }

    private int read(int at) {
        if (at >= END) {
            return 0;
        }
        if (at >= STATISTICS && at < STATISTICS_END) {
            return statistics.read(at - STATISTICS);
        }
        return switch (at) {
            case CTRL_ALIAS -> register(CTRL);
            case STATUS -> STATUS_FIXED | (link ? STATUS_LINK : 0);
            case EECD -> eeprom.pins();
            case EERD -> eeprom.eerd(register(EERD));
            case ICR -> {
                int v = causes;
                causes = 0;
                updateInterrupts();
                yield v;
            }
            case IMS -> mask;
            case ICS, IMC, WUS -> 0;
            default -> register(at);
        };
    }

    @Override
    protected void writeBar(int bar, long offset, int size, long value) {
        if (size < 4 || (offset & 3) != 0) {
            return; // registers are accessed as aligned double words
        }
        if (bar == PORTS) {
            if (offset == IO_ADDRESS) {
                ioAddress = (int) value & REGISTER_BYTES - 4;
            } else if (offset == IO_DATA) {
                write(ioAddress, (int) value);
            }
            return;
        }
        write((int) offset, (int) value);
        if (size == 8) {
            write((int) offset + 4, (int) (value >>> 32));
        }
    }

    private void write(int at, int v) {
        if (at >= END) {
            return;
        }
        switch (at) {
            case CTRL, CTRL_ALIAS -> control(v);
            case EECD -> eeprom.pins(v);
            case EERD -> register(EERD, v);
            case MDIC -> {
                register(MDIC, phy.mdic(v));
                boolean restarted = Phy.restarts(v) && link;
                cause((restarted ? LSC : 0) | ((v & 1 << 29) != 0 ? MDAC : 0));
            }
            case ICR -> {
                causes &= ~v;
                updateInterrupts();
            }
            case ITR -> {
                register(ITR, v & 0xffff);
                updateInterrupts();
            }
            case ICS -> cause(v & CAUSES);
            case IMS -> {
                mask |= v & CAUSES;
                updateInterrupts();
            }
            case IMC -> {
                mask &= ~v;
                updateInterrupts();
            }
            case RCTL -> {
                register(RCTL, v);
                work(false);
            }
            case TCTL -> {
                register(TCTL, v);
                work(true);
            }
            case RDBAL, TDBAL -> register(at, v & ~15);
            case RDLEN, TDLEN -> register(at, v & RING_LENGTH);
            case RDH, TDH -> register(at, v & 0xffff);
            case RDT, TDT -> {
                register(at, v & 0xffff);
                work(at == TDT);
            }
            default -> {
                if (KEEPS[at / 4]) {
                    register(at, v);
                }
            }
        }
    }

    private void control(int v) {
        if ((v & CTRL_RESET) != 0) {
            resetAdapter();
            return;
        }
        if ((v & CTRL_PHY_RESET) != 0) {
            phy.reset();
        }
        register(CTRL, v & ~CTRL_PHY_RESET);
    }

    /** Sends, if that is asked for; answers, and what else has come, are taken after that. */
    private void work(boolean sends) {
        boolean unused = safely(() -> {
            if (sends) {
                transmitter.transmit();
            }
            return receiver.receive(Integer.MAX_VALUE);
        });
    }

    /** As CTRL.RST does: what was under way is gone, the address is that of the EEPROM; the PCI function stays as it is. */
    private void resetAdapter() {
        clear();
        setLine(false);
    }

    private void clear() {
        Arrays.fill(registers, 0);
        register(CTRL, CTRL_INITIAL);
        register(VET, 0x8100);
        register(0x1000, 0x100030); // packet buffer: 48 KiB for receiving, 16 for sending
        ByteBuffer b = ByteBuffer.wrap(Arrays.copyOf(ownMac, 8)).order(ByteOrder.LITTLE_ENDIAN);
        register(RAL, b.getInt(0));
        register(RAH, b.getInt(4) | ADDRESS_VALID);
        statistics.reset();
        phy.reset();
        eeprom.reset();
        receiver.reset();
        transmitter.reset();
        ioAddress = 0;
        causes = 0;
        mask = 0;
        asserted = false;
        lastInterrupt = 0;
        broken = false;
        throttle.cancel();
    }

    // ---- PCI and state ----

    @Override
    protected void configWritten(int offset, int size) {
        boolean now = busMaster();
        boolean resumes = now && !wasBusMaster;
        wasBusMaster = now;
        if (resumes) {
            work(true);
        }
    }

    @Override
    public void reset() {
        resetPci();
        wasBusMaster = false;
        resetAdapter();
    }

    @Override
    public E1000State save() {
        Frame f = receiver.waiting.get();
        byte[] waiting = new byte[f == null ? 0 : f.bytes().remaining()];
        if (f != null) {
            f.bytes().get(f.bytes().position(), waiting);
        }
        return new E1000State(
                1,
                savePci(),
                registers.clone(),
                statistics.save(),
                phy.save(),
                eeprom.save(),
                transmitter.saveChecksums(),
                transmitter.saveSegments(),
                ioAddress,
                causes,
                mask,
                asserted,
                lastInterrupt,
                throttle.deadline(),
                link,
                broken,
                waiting,
                f != null && f.offload().verified());
    }

    @Override
    public void restore(E1000State s) {
        if (s.version() != 1 || s.registers().length != registers.length || s.waiting().length > NetBackend.MAX_FRAME) {
            throw new IllegalArgumentException("an e1000's state of version " + s.version());
        }
        clear();
        restorePci(s.pci());
        wasBusMaster = busMaster();
        statistics.restore(s.statistics());
        phy.restore(s.phy());
        eeprom.restore(s.eeprom());
        transmitter.restore(s.checksumContext(), s.segmentContext());
        System.arraycopy(s.registers(), 0, registers, 0, registers.length);
        ioAddress = s.ioAddress() & REGISTER_BYTES - 4;
        causes = s.causes() & CAUSES;
        mask = s.mask() & CAUSES;
        asserted = s.asserted();
        lastInterrupt = s.lastInterrupt();
        link = s.link();
        phy.link(link);
        broken = s.broken();
        if (s.waiting().length > 0) {
            Offload o = s.verified() ? new Offload(false, 0, 0, true, Offload.Segmentation.NONE, 0) : Offload.NONE;
            receiver.waiting.hold(new Frame(ByteBuffer.wrap(s.waiting()), o));
        }
        throttle.restore(s.throttle());
    }

    @Override
    public Class<E1000State> stateType() {
        return E1000State.class;
    }
}
